/**
 * Reading on through lost connections.
 *
 * Owns where the reader stands. An event is handed out once, in the order of its number, however
 * often the connection broke.
 */

import { Attempts, Contact } from "./attempts.js";
import { ProtocolError } from "./errors.js";
import { FrameReader } from "./sse.js";
import { sleep, Watch } from "./time.js";
import { isRepeatable, type Call, type Transport } from "./transport.js";
import type { Event } from "./types.js";

const CLOSED = Symbol("closed by us");
const QUIET = 60; // seconds of silence after which a stream is taken for dead; it beats every 15

/** How a stream is read. */
export interface FollowOptions {
  /** Ends it; the iteration then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds to wait for a server that is away; the client's own by default. */
  readonly patience?: number | undefined;
  /** Seconds of silence after which the connection is taken for dead; 60 by default. */
  readonly quiet?: number | undefined;
  /** Told when the stream is open (again), and when it was lost. */
  readonly onConnection?: ((state: "open" | "lost") => void) | undefined;
}

/** A stream that is opened again where it broke off, until its last event. Iterate it once. */
export abstract class Follow<Item> implements AsyncIterable<Item> {
  /** The number of what was handed out last. */
  seq: number | null = null;
  protected read = 0; // the highest seq that has come
  protected over = false;
  protected readonly contact: Contact;
  private readonly told = new Map<string, string>();
  private readonly closing = new AbortController();
  private attempts: Attempts | null = null;
  private connected: "open" | "lost" | null = null;
  private readonly items: AsyncGenerator<Item, void>;

  constructor(
    protected readonly transport: Transport,
    protected readonly options: FollowOptions,
  ) {
    const { contact } = transport;
    this.contact = options.patience === undefined ? contact : new Contact(options.patience);
    this.items = this.run();
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, void> {
    const leave = async () => {
      this.close();
      await this.items.return();
      return { done: true as const, value: undefined };
    };
    return { next: () => this.items.next(), return: leave };
  }

  /** Close the connection; the iteration ends. */
  close(): void {
    this.closing.abort(CLOSED);
  }

  /** Aborts when the reader leaves. */
  protected get signal(): AbortSignal {
    return this.closing.signal;
  }

  // --- what the two kinds of stream differ in ------------------------------------------------

  /** What is asked before the stream is opened. */
  protected abstract prepare(): Promise<void>;
  /** The stream, from where the reader stands. */
  protected abstract next(): Call;
  /** What is handed out for an event, if anything. */
  protected abstract take(event: Event): Promise<Item | null>;

  /** Whether an event is new, which it then is no more. */
  protected isNew(event: Event): boolean {
    if (typeof event.seq === "number") {
      if (event.seq <= this.read) return false;
      this.read = this.seq = event.seq;
      return true;
    }
    return this.isNews(event);
  }

  /** Whether what is not in the log says anything new: each new connection says it again. */
  protected isNews(event: Event): boolean {
    if (event.type === "heartbeat") return false;
    const said = JSON.stringify(event.data);
    if (this.told.get(event.type) === said) return false;
    this.told.set(event.type, said);
    return true;
  }

  // --- the loop ------------------------------------------------------------------------------

  private async *run(): AsyncGenerator<Item, void> {
    const { signal } = this.options;
    const leave = () => this.closing.abort(signal?.reason);
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave, { once: true });
    try {
      this.signal.throwIfAborted();
      await this.prepare();
      while (!this.over) yield* this.connection();
    } catch (error) {
      if (!this.signal.aborted) throw error;
      if (this.signal.reason !== CLOSED) throw this.signal.reason;
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** One connection, and the wait after it was lost. */
  private async *connection(): AsyncGenerator<Item, void> {
    const call = this.next();
    const quiet = this.options.quiet ?? QUIET;
    const watch = new Watch(quiet * 1000, this.signal);
    const frames = new FrameReader();
    try {
      const answer = await this.transport.open(call, watch.signal);
      this.contact.met = true;
      for await (const frame of frames.read(bodyOf(answer), () => watch.heard())) {
        if (frame === "alive") this.opened();
        const item = frame === "alive" ? null : await this.take(eventOf(frame.data));
        if (item !== null) yield item;
        if (this.over) return;
      }
      throw new Error("it ended the stream"); // it stops, or has too many streams
    } catch (error) {
      this.signal.throwIfAborted();
      await this.lost(error, call, frames.retry);
    } finally {
      watch.done();
    }
  }

  /** It began as a stream does: what fails next is a new failure. */
  private opened(): void {
    this.attempts = null;
    this.say("open");
  }

  private async lost(error: unknown, call: Call, retry: number): Promise<void> {
    this.attempts ??= new Attempts(this.contact, isRepeatable(call));
    const wait = this.attempts.after(error, retry);
    this.say("lost");
    await sleep(wait, this.signal);
  }

  private say(state: "open" | "lost"): void {
    if (this.connected !== state) this.options.onConnection?.(state);
    this.connected = state;
  }
}

function bodyOf(answer: Response): ReadableStream<Uint8Array> {
  const type = answer.headers.get("Content-Type") ?? "";
  if (answer.body && type.startsWith("text/event-stream")) return answer.body;
  throw new ProtocolError(`The answer is no event stream but ${type || "without a type"}.`);
}

function eventOf(data: string): Event {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event === "object" && event !== null && "type" in event) return event as Event;
  } catch {
    // told below
  }
  throw new ProtocolError(`An event can't be read: ${data.slice(0, 100)}.`);
}
