/** Ends a process with all that it started and that stayed with it. */

import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const POSIX = process.platform !== "win32";
export const GRACE = 6_000; // milliseconds that one gets to end by itself
const DEATH = 2_000; // milliseconds for the system to bury one that was killed
const LOOK = 50; // milliseconds between looks at a process that is no child of ours

/** A signal for a process (SIGTERM) or for its whole group (SIGKILL). It may be gone already. */
export function signal(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  if (!POSIX) {
    const force = name === "SIGKILL" ? ["/F"] : [];
    execFile("taskkill", ["/PID", String(pid), "/T", ...force], () => undefined);
    return;
  }
  try {
    process.kill(name === "SIGKILL" ? -pid : pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Ask a process that is no child of ours to end, and see to it that it does. Resolves when it is gone. */
export async function endGroup(pid: number, isGone: () => Promise<boolean>): Promise<void> {
  signal(pid, "SIGTERM");
  if (await within(GRACE, isGone)) return;
  signal(pid, "SIGKILL");
  await within(DEATH, isGone);
}

/** Whether it comes to be so within some milliseconds. */
async function within(limit: number, isSo: () => Promise<boolean>): Promise<boolean> {
  for (let waited = 0; waited < limit; waited += LOOK) {
    if (await isSo()) return true;
    await sleep(LOOK);
  }
  return false;
}
