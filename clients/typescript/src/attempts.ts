/**
 * When a request is tried again, and after how long.
 *
 * It is, where nothing can have been done (no connection; 503 and 429 with Retry-After) or where
 * doing it twice is doing it once (GET, or a POST with its Idempotency-Key); never for longer than
 * the client's patience. Does no I/O.
 */

import { ApiError, ClientError, ConnectionLost } from "./errors.js";

const FIRST = 100; // milliseconds between two tries; each wait is twice the one before
const LONGEST = 5_000;
const ASKED_BEFORE = "request_in_progress"; // our own first try, whose answer was lost

/** What 503 and 429 say before anything was accepted; `core_timeout` leaves the outcome open. */
const PASSING: ReadonlySet<string> = new Set([
  "unavailable",
  "core_unavailable",
  "stopping",
  "too_many_connections",
  "too_many_requests",
]);

/** What a failed `fetch` says in Node where the request was never sent. Browsers do not tell. */
const NOT_SENT: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"]);

/** Whether the server has answered yet. One that never has is not waited for. */
export class Contact {
  met = false;

  /** `patience`: seconds to wait for a server that is away. */
  constructor(readonly patience: number) {}
}

/** The tries of one request, or of one stream until it is open. */
export class Attempts {
  private end: number | null = null;
  private wait = FIRST;

  /** `repeatable`: whether asking twice does no more than asking once. */
  constructor(
    private readonly contact: Contact,
    private readonly repeatable: boolean,
  ) {}

  /**
   * Milliseconds to wait before the next try, at least `least`. Throws what the caller is to see,
   * if there is no use in one.
   */
  after(error: unknown, least = 0): number {
    const wanted = this.wanted(error);
    if (wanted === null) throw shown(error);
    this.end ??= Date.now() + this.contact.patience * 1000;
    const left = this.end - Date.now();
    if (left <= 0 || wanted > left) throw shown(error);
    // So that many clients of one server do not come back in step.
    const wait = Math.min(this.wait, LONGEST) * (0.75 + Math.random() / 2);
    this.wait *= 2;
    return Math.min(left, Math.max(wait, wanted, least));
  }

  /** How long to wait at least; null if trying again is wrong or of no use. */
  private wanted(error: unknown): number | null {
    if (error instanceof ApiError) {
      if (PASSING.has(error.code)) return error.retryAfter === null ? null : error.retryAfter * 1000;
      return error.code === ASKED_BEFORE ? 0 : null;
    }
    if (error instanceof ClientError) return null;
    return this.contact.met && (this.repeatable || wasNotSent(error)) ? 0 : null;
  }
}

function wasNotSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return typeof cause === "object" && cause !== null && "code" in cause && NOT_SENT.has(cause.code);
}

function shown(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = inner instanceof Error ? inner.message : String(inner);
  return new ConnectionLost(`The server can't be reached: ${why}.`, {
    hint: "Look whether it runs, and in a browser whether it allows this page: --allow-origin.",
    cause: error,
  });
}
