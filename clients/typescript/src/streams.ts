/** The two streams: the events of a conversation, and those of one message's turn. */

import { ConnectionLost, ProtocolError } from "./errors.js";
import { Follow, type FollowOptions } from "./follow.js";
import type { Api } from "./generated/index.js";
import type { Call, Transport } from "./transport.js";
import { Reset, type Event } from "./types.js";

const RESET = "feed/reset";
const STREAM = { Accept: "text/event-stream" };

/** Where a reader of events begins. */
export interface EventsOptions extends FollowOptions {
  /** The events after this number; `latest`: only those that come; all by default. */
  readonly after?: number | "latest" | undefined;
  /** The log that `after` belongs to. */
  readonly log?: string | null | undefined;
}

/**
 * The events of a conversation, and those that come, for ever. `seq` and `logId` are what to keep
 * for going on later: `events({ after: seq, log: logId })`.
 */
export class Events extends Follow<Event | Reset> {
  logId: string | null;
  private latest: boolean;

  constructor(
    transport: Transport,
    private readonly api: Api,
    private readonly conversationId: string,
    options: EventsOptions,
  ) {
    super(transport, options);
    this.logId = options.log ?? null;
    this.latest = options.after === "latest";
    if (typeof options.after === "number") this.read = this.seq = options.after;
    else if (!this.latest) this.seq = 0;
  }

  private placing: Promise<void> | null = null;

  /** Find out where `latest` is, before anything else happens. Iterating does it too. */
  ready(): Promise<void> {
    return (this.placing ??= this.place());
  }

  private async place(): Promise<void> {
    if (this.logId !== null && !this.latest) return;
    const path = { conversation_id: this.conversationId };
    const query = { after: "latest", limit: 1 };
    const page = await this.api.readConversationEvents({ path, query, signal: this.signal });
    this.logId ??= page.log_id;
    if (this.latest) this.read = this.seq = page.head;
    this.latest = false;
  }

  protected prepare(): Promise<void> {
    return this.ready();
  }

  protected next(): Call {
    const query = this.logId === null ? "" : `?log=${encodeURIComponent(this.logId)}`;
    return eventsAfter(this.transport, this.conversationId, this.read, query);
  }

  protected async take(event: Event): Promise<Event | Reset | null> {
    if (event.type === RESET) return await this.reset(event.data.reason);
    if (!this.isNew(event)) return null;
    this.over = event.type === "conversation/deleted";
    return event;
  }

  /** The snapshot is newer than the reset: of what has come since, only what it lacks is new. */
  private async reset(reason: string): Promise<Reset> {
    const path = { conversation_id: this.conversationId };
    const query = { include: "snapshot" as const };
    const snapshot = await this.api.getConversation({ path, query, signal: this.signal });
    if (!("log_id" in snapshot)) throw new ProtocolError("The answer is no snapshot.");
    this.read = this.seq = snapshot.seq;
    this.logId = snapshot.log_id;
    return new Reset(reason, snapshot);
  }
}

/** The events of one message's turn; ends with it. */
export class Turn extends Follow<Event> {
  /** The turn's id, once it has begun. */
  turnId: string | null = null;
  /**
   * How it ended: `completed`, `interrupted`, `failed`, or `removed` where the message never got
   * a turn; null before its end.
   */
  outcome: string | null = null;

  /** `message`: asked again with its key it finds the message again. */
  constructor(
    transport: Transport,
    private readonly conversationId: string,
    private readonly message: Call,
    options: FollowOptions,
  ) {
    super(transport, options);
  }

  protected async prepare(): Promise<void> {}

  protected next(): Call {
    if (this.turnId !== null) return eventsAfter(this.transport, this.conversationId, this.read);
    const headers = new Headers(this.message.headers);
    headers.set("Accept", STREAM.Accept);
    return { ...this.message, headers };
  }

  protected async take(event: Event): Promise<Event | null> {
    if (event.type === RESET) {
      throw new ConnectionLost("The server went away in the middle of the turn, and its log lacks it.", {
        hint: "Read the conversation anew.",
      });
    }
    if (typeof event.seq === "number" && this.turnId !== null && event.turn_id !== this.turnId) {
      this.read = Math.max(this.read, event.seq);
      return null;
    }
    if (!this.isNew(event)) return null;
    this.turnId ??= event.turn_id ?? null;
    if (event.type === "turn/completed") this.outcome = event.status;
    else if (event.type === "message/removed") this.outcome = "removed";
    this.over = this.outcome !== null || event.type === "conversation/deleted";
    return event;
  }
}

function eventsAfter(transport: Transport, conversationId: string, seq: number, query = ""): Call {
  const path = `/conversations/${encodeURIComponent(conversationId)}/events`;
  const headers = new Headers({ ...STREAM, "Last-Event-ID": String(seq) });
  return { url: transport.baseUrl + path + query, method: "GET", headers };
}
