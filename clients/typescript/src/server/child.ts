/** One server process: started, heard, ended. Knows nothing of restarts. */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

import { ServerNotStarted } from "./errors.js";
import { GRACE, signal } from "./groups.js";

const POSIX = process.platform !== "win32";
const KEPT = 300; // lines of its log, for a report of what went wrong

/** What the server says once it listens. */
export interface Ready {
  readonly url: string;
  readonly pid: number;
}

export class Child {
  /** The last lines that it logged. */
  readonly log: string[] = [];
  /** Resolves with its exit status (null: ended by a signal), whenever that is. Never rejects. */
  readonly ended: Promise<number | null>;
  private readonly process: ChildProcess;
  private failure: Error | null = null;

  constructor(
    command: readonly [string, ...string[]],
    env: Readonly<Record<string, string | undefined>>,
    onLog: (line: string) => void,
  ) {
    const [program, ...args] = command;
    // A group of its own: a signal for us (Ctrl-C) is not one for it, and all of it can be ended.
    this.process = spawn(program, args, { env, stdio: "pipe", detached: POSIX, windowsHide: true });
    this.process.stdin?.on("error", () => undefined); // it ended before we closed its input
    this.ended = new Promise((resolve) => {
      this.process.once("error", (error) => {
        this.failure = error;
        if (this.process.pid === undefined) resolve(null);
      });
      this.process.once("close", (status) => resolve(status));
    });
    this.keepLog(onLog);
  }

  /** The process that was started: the server, or what runs it, such as uv. Null: it could not be. */
  get pid(): number | null {
    return this.process.pid ?? null;
  }

  private keepLog(onLog: (line: string) => void): void {
    if (!this.process.stderr) return;
    createInterface({ input: this.process.stderr }).on("line", (line) => {
      if (this.log.push(line) > KEPT) this.log.shift();
      onLog(line);
    });
  }

  /** Wait until it listens, at most `patience` milliseconds. Rejects if it ends instead. */
  async ready(patience: number): Promise<Ready> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = () => this.error(`did not listen within ${patience / 1000} s`);
      timer = setTimeout(() => reject(error()), patience);
    });
    const gone = this.ended.then((status) => {
      throw this.failure ? this.error(this.failure.message) : this.error(`ended with ${status}`, status);
    });
    try {
      return readyOf(await Promise.race([this.firstLine(), late, gone]));
    } finally {
      clearTimeout(timer);
      gone.catch(() => undefined);
    }
  }

  private firstLine(): Promise<string> {
    return new Promise((resolve) => {
      if (this.process.stdout) {
        // It goes on being read: a full pipe would stop the server.
        createInterface({ input: this.process.stdout }).on("line", resolve);
      }
    });
  }

  private error(what: string, status: number | null = null): ServerNotStarted {
    return new ServerNotStarted(`The server ${what}.`, status, this.log.slice(-20));
  }

  /** Ask it to end, and see to it that it does. */
  async stop(): Promise<void> {
    this.process.stdin?.end(); // --exit-with-parent
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), GRACE);
    await this.ended;
    clearTimeout(timer);
  }

  private kill(name: "SIGTERM" | "SIGKILL"): void {
    const { pid, exitCode, signalCode } = this.process;
    if (pid !== undefined && exitCode === null && signalCode === null) signal(pid, name);
  }
}

function readyOf(line: string): Ready {
  const told = JSON.parse(line) as Ready;
  return { url: told.url, pid: told.pid };
}
