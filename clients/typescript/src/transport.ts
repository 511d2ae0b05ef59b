/**
 * Makes the requests: shows the token, gives each POST its key, tries again where that is safe,
 * and turns refusals into errors. Knows no route.
 */

import { Attempts, Contact } from "./attempts.js";
import { ApiError, errorOf } from "./errors.js";
import { sleep, Watch } from "./time.js";

const ANSWER = 90; // seconds for an answer that does not wait for a turn
const KEY = "Idempotency-Key";
const REPEATABLE: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "PATCH"]);

/** A token, or what gives the present one. */
export type Token = string | (() => string | null | Promise<string | null>);

/** How to get to a server. */
export interface TransportOptions {
  /** Where the server is, such as `http://127.0.0.1:3032`. */
  readonly baseUrl: string;
  /** Shown with each request; none by default. */
  readonly token?: Token | null | undefined;
  /** Seconds to wait for a server that has answered before and is away. */
  readonly patience: number;
  /** What makes the requests; the global `fetch` by default. */
  readonly fetch?: typeof fetch | undefined;
  /** Told of each request, but not of streams, before it is made and without the token. */
  readonly onRequest?: ((call: Call) => void) | undefined;
}

/** A request as a value, so that it can be made again. */
export interface Call {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body?: BodyInit | null;
}

/** The way to one server. */
export class Transport {
  readonly baseUrl: string;
  readonly contact: Contact;

  constructor(private readonly options: TransportOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.contact = new Contact(options.patience);
  }

  /** As `fetch`; again, where that is safe and of use. Throws `ClientError`. */
  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const call = await callOf(request);
    this.options.onRequest?.(call);
    const attempts = new Attempts(this.contact, isRepeatable(call));
    for (;;) {
      try {
        return await this.once(call, request.signal);
      } catch (error) {
        if (request.signal.aborted) throw request.signal.reason;
        await sleep(attempts.after(error), request.signal);
      }
    }
  };

  /** One try, with the whole answer: one that breaks off in its middle is a lost one. */
  private async once(call: Call, signal: AbortSignal): Promise<Response> {
    const waits = Number(new URL(call.url).searchParams.get("wait") ?? 0);
    const watch = new Watch((ANSWER + waits) * 1000, signal);
    try {
      const answer = await this.open(call, watch.signal);
      const body = await answer.arrayBuffer();
      const { status, headers } = answer;
      return new Response(body.byteLength ? body : null, { status, headers });
    } finally {
      watch.done();
    }
  }

  /** One try; the body is read by the caller, until `signal` ends it. */
  async open(call: Call, signal: AbortSignal): Promise<Response> {
    const { url, method, body = null } = call;
    const headers = new Headers(call.headers);
    const token = await tokenOf(this.options.token);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    const send = this.options.fetch ?? fetch;
    const answer = await send(url, { method, headers, body, signal });
    if (!answer.ok) {
      const error = await errorOf(answer);
      this.contact.met ||= error instanceof ApiError;
      throw error;
    }
    this.contact.met = true;
    return answer;
  }
}

/** Whether asking twice does no more than asking once. */
export function isRepeatable(call: Call): boolean {
  return REPEATABLE.has(call.method) || call.headers.has(KEY);
}

async function callOf(request: Request): Promise<Call> {
  const { url, method } = request;
  const headers = new Headers(request.headers);
  if (method === "POST" && !headers.has(KEY)) headers.set(KEY, newKey());
  const bytes = await request.arrayBuffer();
  return { url, method, headers, body: bytes.byteLength ? bytes : null };
}

async function tokenOf(token: Token | null | undefined): Promise<string | null> {
  return typeof token === "function" ? await token() : (token ?? null);
}

/** A new Idempotency-Key. `randomUUID` is missing on pages that are not from a secure origin. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
