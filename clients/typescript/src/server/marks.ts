/** Which process is meant by a pid: one that was reused has another start. */

import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const LIMIT = 10_000; // milliseconds for a program that is asked

/** What tells a process from another one that gets its pid later; null where there is none. */
export async function startMark(pid: number): Promise<string | null> {
  try {
    return await marks(pid);
  } catch {
    return null; // there is no such process, or it can't be told: it is left alone
  }
}

async function marks(pid: number): Promise<string | null> {
  if (process.platform === "linux") return ofStat(await readFile(`/proc/${pid}/stat`, "utf8"));
  const [program, args] =
    process.platform === "win32"
      ? ["powershell", ["-NoProfile", "-Command", `(Get-Process -Id ${pid}).StartTime.Ticks`]] as const
      : ["ps", ["-o", "lstart=", "-p", String(pid)]] as const;
  const { stdout } = await run(program, args, { timeout: LIMIT, windowsHide: true });
  return stdout.trim() || null;
}

/** The start, in ticks since boot: field 22 of proc(5). The name before it may hold anything. */
function ofStat(stat: string): string | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" ? null : (fields[19] ?? null); // the dead that nobody buried
}
