/** How the server stands, in words for people. Pure. */

/** `given`: you said where it is; `found`: it ran already; `started`: it is ours. */
export type Source = "given" | "found" | "started";

/** How the server stands. `message` and `hint` are for people; null where there is nothing to say. */
export interface CodexState {
  readonly state: "starting" | "ready" | "restarting" | "failed" | "stopped";
  readonly source: Source | null;
  readonly message: string | null;
  readonly hint: string | null;
  /** The last lines that it logged, where it is ours. */
  readonly log: readonly string[];
}

/** A reason why there is no server, and what to do. */
export class NoServer extends Error {
  override readonly name = "NoServer";

  constructor(
    message: string,
    readonly hint: string,
    readonly log: readonly string[] = [],
  ) {
    super(message);
  }
}

export const notInstalled = (): NoServer =>
  new NoServer(
    "codex-http-server was not found on this computer.",
    "Install it (uv tool install codex-http-server, or pip install codex-http-server), or say where it is: CODEX_SERVER_COMMAND.",
  );

export const silent = (url: string): NoServer =>
  new NoServer(`Nothing answers at ${url}.`, "Start codex-http-server there, or take CODEX_SERVER_URL away: then the app brings its own.");

export const stranger = (url: string): NoServer =>
  new NoServer(
    `What listens at ${url} is not codex-http-server.`,
    "Look which program has this port, and at the address in CODEX_SERVER_URL.",
  );

export const locked = (url: string): NoServer =>
  new NoServer(`The server at ${url} wants a token.`, "Make one with codex-http-server token, and give it in CODEX_SERVER_TOKEN.");

/** What is said while it starts; `seconds` since the start. */
export function waiting(seconds: number): string {
  if (seconds < 10) return "Codex is starting.";
  return `Codex is still starting (${seconds} s). The first start on a computer can take some minutes.`;
}
