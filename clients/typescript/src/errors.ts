/**
 * Every error of the client: what the server refused, or that it can't be reached.
 *
 * Owns the tree and how an answer becomes an error. One class for each kind of refusal; which one
 * exactly says `code`, stable and listed in the server's docs/errors.md.
 */

/** Anything that this client throws. `hint` says what to do, where something can be done. */
export class ClientError extends Error {
  /** Written out: bundlers rename classes. */
  override readonly name: string = "ClientError";
  readonly hint: string | null;

  constructor(detail: string, options: { hint?: string | null; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.hint = options.hint ?? null;
  }
}

/** The server can't be reached, or went away and did not come back in time. */
export class ConnectionLost extends ClientError {
  override readonly name = "ConnectionLost";
}

/** The answer is not one of this server: something else listens there. */
export class ProtocolError extends ClientError {
  override readonly name = "ProtocolError";
}

/** The body of a refusal (RFC 9457), as far as it is always there. */
export interface ProblemBody {
  readonly code: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly request_id?: string;
  readonly [more: string]: unknown;
}

/** The server refused. `retryAfter` is in seconds, null where trying again is no use. */
export class ApiError extends ClientError {
  override readonly name: string = "ApiError";
  readonly code: string;
  readonly requestId: string | null;

  constructor(
    readonly status: number,
    readonly body: ProblemBody,
    readonly retryAfter: number | null = null,
  ) {
    super(body.detail ?? `status ${status}`, { hint: body.hint ?? null });
    this.code = body.code;
    this.requestId = body.request_id ?? null;
  }
}

/** The request is wrong (400, 413, 414, 415, 422, 431). */
export class Invalid extends ApiError {
  override readonly name = "Invalid";
}

/** A token is needed, or this one does not hold (401). */
export class NotAuthorized extends ApiError {
  override readonly name = "NotAuthorized";
}

/** This caller may not do that (403, 421). */
export class Forbidden extends ApiError {
  override readonly name = "Forbidden";
}

/** There is no such thing (404). */
export class NotFound extends ApiError {
  override readonly name = "NotFound";
}

/** It does not fit the present state: busy, queue full, already answered … (409). */
export class Conflict extends ApiError {
  override readonly name = "Conflict";
}

/** A limit or a quota of the server is reached (429). */
export class TooMany extends ApiError {
  override readonly name = "TooMany";
}

/** The server failed (500), or its disk is full (507). */
export class ServerFailed extends ApiError {
  override readonly name = "ServerFailed";
}

/** The server can't do it now (503). */
export class Unavailable extends ApiError {
  override readonly name = "Unavailable";
}

const KINDS: Readonly<Record<number, typeof ApiError>> = {
  401: NotAuthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  421: Forbidden,
  429: TooMany,
  503: Unavailable,
};

/** The error of an answer of 400 and above, or of one that this server never gives. */
export async function errorOf(answer: Response): Promise<ClientError> {
  const body: unknown = await answer.json().catch(() => null);
  if (!isProblem(body)) {
    return new ProtocolError(`The answer (${answer.status}) is not one of codex-http-server.`, {
      hint: "Look which program listens at this address, or whether a proxy is in between.",
    });
  }
  const kind = KINDS[answer.status] ?? (answer.status >= 500 ? ServerFailed : Invalid);
  return new kind(answer.status, body, secondsOf(answer.headers.get("Retry-After")));
}

function isProblem(body: unknown): body is ProblemBody {
  return typeof body === "object" && body !== null && "code" in body;
}

/** The seconds of a Retry-After header; this server never sends a date. */
function secondsOf(retryAfter: string | null): number | null {
  return retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) : null;
}
