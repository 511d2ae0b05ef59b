/** What goes between the app's pages and its main process: names, and what each takes. Pure. */

/** Where the events of the server are asked for; they come on the port that is sent along. */
export const EVENTS = "codex:events";
/** Told to the pages: how the server stands. */
export const STATE = "codex:state";
/** Told to the page: open this conversation, because its notice was clicked. */
export const OPEN = "codex:open";

type Check = (value: unknown) => boolean;

const isId: Check = (value) => typeof value === "string" && /^[\w-]{1,100}$/.test(value);
const isText: Check = (value) => typeof value === "string" && value.length > 0 && value.length <= 1_048_576;
const isPath: Check = (value) => typeof value === "string" && value.length > 0 && value.length <= 4096;
const isObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const optional = (check: Check): Check => (value) => value === undefined || check(value);
const orNull = (check: Check): Check => (value) => value === null || check(value);
const options = optional(isObject);

/** One argument: its name, for the error, and whether a value will do. */
type Argument = readonly [name: string, check: Check];

/** The calls, by the names that they have in the page, and their arguments. */
export const CALLS = {
  checkHealth: [],
  getAuthStatus: [],
  login: [["how", options]],
  logout: [],
  createConversation: [["workingDirectory", isPath], ["options", options]],
  listConversations: [["wanted", options]],
  getConversation: [["id", isId]],
  sendMessage: [["id", isId], ["text", isText], ["options", options]],
  interrupt: [["id", isId]],
  answerApproval: [["id", isId], ["approvalId", isId], ["decision", orNull(isPath)], ["answer", options]],
  getKey: [],
  getState: [],
  start: [],
  pickFolder: [],
  showLog: [],
} as const satisfies Record<string, readonly Argument[]>;

export type CallName = keyof typeof CALLS;
export const NAMES = Object.keys(CALLS) as CallName[];
export const channelOf = (name: CallName): string => `codex:${name}`;

/** What is wrong with the arguments of a call; null if nothing is. */
export function wrongIn(name: CallName, given: readonly unknown[]): string | null {
  const wanted: readonly Argument[] = CALLS[name];
  if (given.length > wanted.length) return `${name} takes ${wanted.length} arguments`;
  const wrong = wanted.find(([, check], index) => !check(given[index]));
  return wrong ? `${name}: ${wrong[0]} is not right` : null;
}

/** An error as pages get it: what crosses between processes keeps no class. */
export interface CallError {
  readonly name: string;
  readonly message: string;
  /** Stable, where the server refused. */
  readonly code: string | null;
  readonly status: number | null;
  readonly hint: string | null;
}

/** How a call ended. */
export type Outcome = { readonly value: unknown } | { readonly error: CallError };

export function errorOf(error: unknown): CallError {
  const told = error as { code?: unknown; status?: unknown; hint?: unknown };
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  const status = typeof told.status === "number" ? told.status : null;
  return { name, message, code: text(told.code), status, hint: text(told.hint) };
}
