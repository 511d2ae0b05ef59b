/** Which command starts the server on this machine. Pure but for looking whether files are there. */

import { accessSync, constants } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

type Env = Readonly<Record<string, string | undefined>>;
type Command = readonly [string, ...string[]];

const WINDOWS = process.platform === "win32";
const NAME = "codex-http-server";

/**
 * `CODEX_SERVER_COMMAND` (a path), else `codex-http-server` from where programs are, else uv running it;
 * null if there is none of them.
 */
export function findCommand(env: Env = process.env): Command | null {
  const given = env["CODEX_SERVER_COMMAND"];
  if (given) return [given];
  const own = lookFor(NAME, env);
  if (own) return [own];
  const uv = lookFor("uv", env);
  return uv ? [uv, "tool", "run", NAME] : null;
}

/** How the server of a folder is started that an app brings along. */
export interface Brought {
  readonly command: Command;
  readonly env: Env;
}

/**
 * The server that an app brings along: `folder` has uv, a project and its lock (desktop/packaging/python.mjs).
 * uv makes the environment in `data` at the first start and after an update, and finds it there later.
 */
export function broughtAlong(folder: string, data: string): Brought {
  const uv = join(folder, WINDOWS ? "uv.exe" : "uv");
  return {
    command: [uv, "run", "--frozen", "--no-dev", "--project", folder, NAME],
    env: { UV_PROJECT_ENVIRONMENT: join(data, "python") },
  };
}

function lookFor(name: string, env: Env): string | null {
  const file = WINDOWS ? `${name}.exe` : name;
  const found = foldersOf(env).map((folder) => join(folder, file)).find(isProgram);
  return found ?? null;
}

/** PATH, and what an app that was not started from a shell often lacks in it. */
function foldersOf(env: Env): string[] {
  const path = (env["PATH"] ?? env["Path"] ?? "").split(delimiter).filter(Boolean);
  const home = env["HOME"] ?? env["USERPROFILE"] ?? homedir();
  const usual = WINDOWS ? [] : ["/opt/homebrew/bin", "/usr/local/bin"];
  return [...path, join(home, ".local", "bin"), ...usual];
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
