/**
 * The app's way to its server. Owns where that is, that it runs, and the token; knows no route but
 * /health and /auth/status, and nothing of Electron.
 *
 * First the address that is given, then a server that runs on this Codex home already, else one of
 * our own, which ends with the app. One that was not started here is never ended here.
 */

import { broughtAlong, CodexServer, findCommand, findServer, LogFile, ServerNotStarted } from "../server/index.js";
import { Ownership } from "../server/ownership.js";
import { isServer, probe } from "./probe.js";
import { type CodexState, locked, NoServer, notInstalled, silent, type Source, stranger, waiting } from "./states.js";

type Env = Readonly<Record<string, string | undefined>>;
/** `fetch`, of Node or of Electron. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** How the server is found or started. */
export interface BackendOptions {
  /** Where it is; else `CODEX_SERVER_URL`. */
  readonly url?: string | undefined;
  /** For that server; else `CODEX_SERVER_TOKEN`. */
  readonly token?: string | undefined;
  /** What starts it; else `CODEX_SERVER_COMMAND` and what is installed (`findCommand`). */
  readonly command?: readonly [string, ...string[]] | undefined;
  /**
   * The folder of a server that the app brings along (desktop/packaging/python.mjs), such as
   * `join(process.resourcesPath, "python")`. Used where neither `command` nor `CODEX_SERVER_COMMAND` says another.
   */
  readonly python?: string | undefined;
  /** Its options, such as `["--codex-home", path]`. */
  readonly args?: readonly string[] | undefined;
  /** Added to the environment of this process. */
  readonly env?: Env | undefined;
  /** Seconds it may take to start; 180 by default. */
  readonly patience?: number | undefined;
}

const ANSWERS = 10_000; // milliseconds for a server that is given to answer
const FOUND = 3_000; // and for one that was found
const TELL = 5_000; // milliseconds between two words of a slow start
const HOME_TAKEN = 3; // its exit status where another one has this Codex home

export class Backend {
  state: CodexState = { state: "stopped", source: null, message: null, hint: null, log: [] };
  private target: { readonly url: string; readonly token: string | null } | null = null;
  private server: CodexServer | null = null;
  private working: Promise<void> | null = null;
  private stopped = false;
  private readonly lookers = new Set<(state: CodexState) => void>();
  private readonly env: Env;

  /** `folder`: where its log and the note of whose it is are kept. */
  constructor(
    private readonly options: BackendOptions,
    private readonly folder: string,
    private readonly send: Fetch,
    private readonly log: LogFile = new LogFile(`${folder}/server.log`),
  ) {
    this.env = { ...process.env, ...options.env };
  }

  /** The log of the server, if it is ours. */
  get logPath(): string {
    return this.log.path;
  }

  private get ownership(): string {
    return `${this.folder}/server-process.json`;
  }

  /** Told of every change. Returns what ends that. */
  onState(looker: (state: CodexState) => void): () => void {
    this.lookers.add(looker);
    return () => this.lookers.delete(looker);
  }

  // --- life -------------------------------------------------------------------------------------

  /** Find or start it, also once more after it has failed. Resolves when `state` says how that went. */
  start(): Promise<void> {
    this.working ??= this.open().finally(() => (this.working = null));
    return this.working;
  }

  /** End it, if it is ours. Resolves when it is gone; nothing starts after this. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.say({ state: "stopped", message: null, hint: null });
    await this.server?.stop();
  }

  private async open(): Promise<void> {
    if (this.stopped) return;
    this.say({ state: "starting", source: null, message: waiting(0), hint: null, log: [] });
    try {
      await new Ownership(this.ownership).reap(); // of this app, before it is taken for one that runs
      await ((await this.given()) || (await this.found()) || this.ours());
    } catch (error) {
      this.fail(error);
    }
  }

  private async given(): Promise<boolean> {
    const url = this.options.url ?? this.env["CODEX_SERVER_URL"];
    if (!url) return false;
    const token = this.options.token ?? this.env["CODEX_SERVER_TOKEN"] ?? null;
    await this.attach("given", url, token, ANSWERS);
    return true;
  }

  private async found(): Promise<boolean> {
    const where = await findServer({ env: this.env, ...this.home() });
    if (!where?.url.startsWith("http")) return false;
    try {
      await this.attach("found", where.url, this.options.token ?? this.env["CODEX_HTTP_TOKEN"] ?? null, FOUND);
      return true;
    } catch (error) {
      if (error instanceof NoServer && error.message === silent(where.url).message) return false;
      throw error;
    }
  }

  /** The home that the options name, for looking where its server is. */
  private home(): { codexHome?: string } {
    const { args = [] } = this.options;
    const at = args.indexOf("--codex-home");
    const codexHome = args[at + 1];
    return at >= 0 && codexHome !== undefined ? { codexHome } : {};
  }

  private async attach(source: Source, url: string, token: string | null, patience: number): Promise<void> {
    const base = url.replace(/\/+$/, "");
    const answer = await probe(this.send, `${base}/health`, token, patience);
    if (answer === null) throw silent(base);
    if (!(await isServer(answer))) throw stranger(base);
    const status = await probe(this.send, `${base}/auth/status`, token, patience);
    if (status?.status === 401) throw locked(base);
    this.target = { url: base, token };
    this.say({ state: "ready", source, message: null, hint: null });
  }

  // --- a server of our own ------------------------------------------------------------------------

  private async ours(): Promise<void> {
    const { command, env } = this.how();
    const server = new CodexServer({
      command,
      args: this.options.args ?? [],
      env: { ...this.options.env, ...env },
      patience: this.options.patience ?? 180,
      ownership: this.ownership,
      onLog: this.log.write,
      onState: (state, error) => this.follow(server, state, error),
    });
    this.server = server;
    const stopTelling = this.tellProgress(server);
    try {
      await server.start();
    } catch (error) {
      if (!(await this.elsewhere(error))) throw error;
    } finally {
      stopTelling();
    }
  }

  private how(): { command: readonly [string, ...string[]]; env?: Env } {
    const { command, python } = this.options;
    if (command) return { command };
    if (python !== undefined && !this.env["CODEX_SERVER_COMMAND"]) return broughtAlong(python, this.folder);
    const found = findCommand(this.env);
    if (!found) throw notInstalled();
    return { command: found };
  }

  /** Another app was quicker: its server is the one of this home. */
  private async elsewhere(error: unknown): Promise<boolean> {
    return error instanceof ServerNotStarted && error.exitStatus === HOME_TAKEN && (await this.found());
  }

  private tellProgress(server: CodexServer): () => void {
    const begin = Date.now();
    const tell = () => {
      const message = waiting(Math.round((Date.now() - begin) / 1000));
      this.say({ message, log: server.log.slice(-20) });
    };
    const timer = setInterval(tell, TELL);
    return () => clearInterval(timer);
  }

  private follow(server: CodexServer, state: CodexServer["state"], error?: ServerNotStarted): void {
    if (server !== this.server || this.stopped) return;
    if (state === "ready") {
      this.target = { url: server.url, token: server.token };
      this.say({ state, source: "started", message: null, hint: null, log: server.log.slice(-20) });
    } else if (state === "restarting") {
      this.say({ state, message: "Codex has ended and is started again.", hint: null });
    } else if (state === "failed") this.fail(error);
  }

  // --- asking it ----------------------------------------------------------------------------------

  /** Ask it; waits while it starts. Without a server the answer is 503 and says why. */
  readonly fetch = async (path: string, init: RequestInit = {}): Promise<Response> => {
    await this.settled(init.signal ?? null);
    const { target } = this;
    if (this.state.state !== "ready" || !target) return this.refusal();
    const headers = new Headers(init.headers);
    if (target.token) headers.set("Authorization", `Bearer ${target.token}`);
    try {
      return await this.send(target.url + path, { ...init, headers });
    } catch (error) {
      if (!init.signal?.aborted && target === this.target) this.lost();
      throw error;
    }
  };

  /** One that we did not start does not answer any more: look for it, or for another. */
  private lost(): void {
    if (this.state.source === "started" || this.stopped) return;
    void this.start();
  }

  /** Resolves once it is known how the server stands. */
  private settled(signal: AbortSignal | null): Promise<void> {
    const isSettled = () => !["starting", "restarting"].includes(this.state.state);
    if (isSettled()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!isSettled()) return;
        leave();
        resolve();
      };
      const leave = this.onState(look);
      signal?.addEventListener("abort", () => (leave(), reject(signal.reason)), { once: true });
    });
  }

  private refusal(): Response {
    const { message, hint } = this.state;
    const problem = { code: "no_server", status: 503, title: "No server", detail: message ?? "The app is closing.", hint };
    return new Response(JSON.stringify(problem), {
      status: 503,
      headers: { "Content-Type": "application/problem+json" },
    });
  }

  private fail(error: unknown): void {
    if (this.stopped) return;
    const message = error instanceof Error ? error.message : String(error);
    const { hint = null, log = [] } = error as { hint?: string | null; log?: readonly string[] };
    this.log.write(`the app has no server: ${message}`);
    this.say({ state: "failed", message, hint, log });
  }

  private say(change: Partial<CodexState>): void {
    if (this.stopped && change.state !== "stopped") return;
    this.state = { ...this.state, ...change };
    for (const looker of this.lookers) looker(this.state);
  }
}
