/** The server that runs on a Codex home of this machine, by the file that it leaves for others. */

import { createHash } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join, resolve } from "node:path";

import { startMark } from "./marks.js";

const APP = "codex-http-server";

/** Where a running server is. */
export interface Found {
  /** `http://…`, or `unix:` and a path, which `fetch` can't reach. */
  readonly url: string;
  readonly pid: number;
}

/** Which Codex home. */
export interface FindOptions {
  /** By default `CODEX_HOME`, else `~/.codex`. */
  readonly codexHome?: string;
  /** The environment of the server, if it is not that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The server that runs on this home; null if none does. */
export async function findServer(options: FindOptions = {}): Promise<Found | null> {
  const env = options.env ?? process.env;
  const home = options.codexHome ?? env["CODEX_HOME"] ?? join(homedir(), ".codex");
  const real = await realpath(home).catch(() => resolve(home));
  try {
    const told = await readFile(join(stateFolder(real, env), "server.json"), "utf8");
    const { url, pid } = JSON.parse(told) as Found;
    return (await isAlive(pid)) ? { url, pid } : null; // one that was killed leaves its file
  } catch {
    return null;
  }
}

/** As places.py of the server says. */
function stateFolder(home: string, env: FindOptions["env"] & object): string {
  const digest = createHash("sha256").update(home).digest("hex").slice(0, 12);
  const name = basename(home).replace(/^\.+/, "") || "home";
  return join(stateRoot(env), APP, `${name}-${digest}`);
}

function stateRoot(env: FindOptions["env"] & object): string {
  if (process.platform === "win32") return env["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  const given = env["XDG_STATE_HOME"];
  if (given) return given;
  const mac = process.platform === "darwin";
  return mac ? join(homedir(), "Library", "Application Support") : join(homedir(), ".local", "state");
}

async function isAlive(pid: number): Promise<boolean> {
  // A signal reaches the dead that nobody buried, too, as in a container whose first process does not.
  if (process.platform === "linux") return (await startMark(pid)) !== null;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
