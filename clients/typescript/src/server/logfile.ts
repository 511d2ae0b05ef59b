/** A log in a file that does not grow for ever: when it is full it is set aside, and one of before goes. */

import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";

const MOST = 2 * 1024 * 1024; // bytes of one file
const KEPT = 3; // files set aside: `.1` is the newest

export class LogFile {
  private size: number;

  /** A file that can't be written to costs the log, not the program. */
  constructor(
    readonly path: string,
    private readonly most = MOST,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    this.size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Add a line. */
  readonly write = (line: string): void => {
    try {
      if (this.size > this.most) this.rotate();
      appendFileSync(this.path, `${line}\n`, { mode: 0o600 });
      this.size += Buffer.byteLength(line) + 1;
    } catch (error) {
      console.error(`${this.path} can't be written to: ${String(error)}`);
    }
  };

  private rotate(): void {
    rmSync(`${this.path}.${KEPT}`, { force: true });
    for (let number = KEPT - 1; number >= 0; number -= 1) {
      const from = number === 0 ? this.path : `${this.path}.${number}`;
      if (statSync(from, { throwIfNoEntry: false })) renameSync(from, `${this.path}.${number + 1}`);
    }
    this.size = 0;
  }
}
