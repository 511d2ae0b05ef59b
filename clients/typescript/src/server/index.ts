/** Starts codex-http-server from Node, keeps it running, and ends it. */

import { randomBytes } from "node:crypto";

import { CodexClient } from "../client.js";
import { Child, type Ready } from "./child.js";
import { ServerNotStarted } from "./errors.js";
import { Ownership } from "./ownership.js";
import { Restarts } from "./restarts.js";

export { broughtAlong, findCommand } from "./command.js";
export { type Found, type FindOptions, findServer } from "./find.js";
export { LogFile } from "./logfile.js";
export { ServerNotStarted };

/** `failed`: it ended too often and is not started again. */
export type ServerState = "starting" | "ready" | "restarting" | "stopped" | "failed";

/** How the server is started. */
export interface ServerOptions {
  /** The command; `["codex-http-server"]` by default. */
  readonly command?: readonly [string, ...string[]];
  /** Its options, such as `["--codex-home", path, "--allow-origin", "app://mine"]`. */
  readonly args?: readonly string[];
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** 0, the default, lets it choose a free one. It keeps its port over restarts. */
  readonly port?: number;
  /** The token that callers show; by default a new one for each start of the program. */
  readonly token?: string;
  /** Seconds it may take until it listens; 180 by default: a first start can be slow. */
  readonly patience?: number;
  /**
   * A file that says which process is ours: a start ends what an earlier program that was killed
   * has left, if anything. One for each Codex home.
   */
  readonly ownership?: string;
  /** Told when its state changes; with the error when it has failed. */
  readonly onState?: (state: ServerState, error?: ServerNotStarted) => void;
  /** Each line that it logs. */
  readonly onLog?: (line: string) => void;
}

/** A running server. It ends with this process, however that ends. */
export class CodexServer {
  state: ServerState = "starting";
  private child: Child | null = null;
  private listening: Ready | null = null;
  private readonly restarts = new Restarts();
  private readonly ownership: Ownership | null;
  readonly token: string;

  /** Use `startServer`. */
  constructor(private readonly options: ServerOptions) {
    this.token = options.token ?? randomBytes(32).toString("base64url");
    this.ownership = options.ownership === undefined ? null : new Ownership(options.ownership);
  }

  /** Where it listens; the same over restarts. */
  get url(): string {
    if (!this.listening) throw new Error("the server has not started");
    return this.listening.url;
  }

  /** Its process; another one after a restart. */
  get pid(): number | null {
    return this.listening?.pid ?? null;
  }

  /** The last lines that it logged. */
  get log(): readonly string[] {
    return this.child?.log ?? [];
  }

  /** A client of it. `patience` is long enough for a restart. */
  client(): CodexClient {
    return new CodexClient({ baseUrl: this.url, token: this.token });
  }

  /** Start it. */
  async start(): Promise<void> {
    await this.ownership?.reap();
    await this.launch(this.options.port ?? 0);
    void this.keep();
  }

  private async launch(port: number): Promise<void> {
    const { command = ["codex-http-server"], args = [], patience = 180, onLog } = this.options;
    const [program, ...first] = command;
    const own = ["--port", String(port), "--exit-with-parent"];
    const env = { ...process.env, ...this.options.env, CODEX_HTTP_TOKEN: this.token };
    const child = new Child([program, ...first, ...own, ...args], env, onLog ?? (() => undefined));
    this.child = child;
    try {
      const ready = child.ready(patience * 1000);
      [this.listening] = await Promise.all([ready, this.note(child)]);
    } catch (error) {
      await child.stop();
      throw error;
    }
    if (this.isStopped()) await child.stop();
    else this.say("ready");
  }

  private async note({ pid }: Child): Promise<void> {
    if (pid !== null) await this.ownership?.take(pid);
  }

  /** Start it again whenever it ends, until it is stopped or has ended too often. */
  private async keep(): Promise<void> {
    while (this.child) {
      const status = await this.child.ended;
      if (this.isStopped()) return;
      const error = await this.again(status);
      if (error) return this.say("failed", error);
    }
  }

  private async again(status: number | null): Promise<ServerNotStarted | null> {
    let error = new ServerNotStarted("The server ended too often.", status, this.log.slice(-20));
    while (this.restarts.allow(Date.now())) {
      this.say("restarting");
      try {
        await this.launch(Number(new URL(this.url).port));
        return null;
      } catch (failed) {
        if (!(failed instanceof ServerNotStarted)) throw failed;
        error = failed;
        if (error.final) break;
      }
      if (this.isStopped()) return null;
    }
    return error;
  }

  /** End it; resolves when it is gone. */
  async stop(): Promise<void> {
    if (!this.isStopped()) this.say("stopped");
    await this.child?.stop();
    await this.ownership?.drop();
  }

  private isStopped(): boolean {
    return this.state === "stopped";
  }

  private say(state: ServerState, error?: ServerNotStarted): void {
    this.state = state;
    this.options.onState?.(state, error);
  }
}

/** Start a server and wait until it listens. Rejects with `ServerNotStarted`. */
export async function startServer(options: ServerOptions = {}): Promise<CodexServer> {
  const server = new CodexServer(options);
  await server.start();
  return server;
}
