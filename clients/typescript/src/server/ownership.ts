/**
 * Whose server is whose. A file says which process this program has started; the next start ends
 * what a program that was killed has left behind, and never a stranger or one that still has its owner.
 */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { endGroup } from "./groups.js";
import { startMark } from "./marks.js";

interface Mark {
  readonly pid: number;
  readonly mark: string | null;
}

interface Owned {
  readonly server: Mark;
  readonly owner: Mark;
}

export class Ownership {
  constructor(private readonly path: string) {}

  /** Note that a process is ours. */
  async take(pid: number): Promise<void> {
    const owned: Owned = { server: await markOf(pid), owner: await markOf(process.pid) };
    await mkdir(dirname(this.path), { recursive: true });
    await writeFile(this.path, JSON.stringify(owned), { mode: 0o600 });
  }

  /** It has ended. */
  async drop(): Promise<void> {
    await rm(this.path, { force: true });
  }

  /** End what an earlier program left; its pid, or null where there is nothing to end. */
  async reap(): Promise<number | null> {
    const left = await this.left();
    if (left === null) return null;
    await endGroup(left.server.pid, async () => !(await isStill(left.server)));
    await this.drop();
    return left.server.pid;
  }

  /** What is noted, if it lives and its owner does not. */
  private async left(): Promise<Owned | null> {
    const owned = ownedOf(await readFile(this.path, "utf8").catch(() => ""));
    if (owned === null || (await isStill(owned.owner))) return null;
    return (await isStill(owned.server)) ? owned : null;
  }
}

function ownedOf(text: string): Owned | null {
  try {
    const { server, owner } = JSON.parse(text) as Owned;
    return server.pid > 1 && owner.pid > 1 ? { server, owner } : null;
  } catch {
    return null; // none, or cut off when the machine went down
  }
}

async function markOf(pid: number): Promise<Mark> {
  return { pid, mark: await startMark(pid) };
}

async function isStill({ pid, mark }: Mark): Promise<boolean> {
  return mark !== null && (await startMark(pid)) === mark;
}
