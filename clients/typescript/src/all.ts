/** The stream of everything: all conversations, the account, the server. */

import { Follow, type FollowOptions } from "./follow.js";
import type { Api } from "./generated/index.js";
import type { Call, Transport } from "./transport.js";
import type { Event } from "./types.js";

/** Where a reader of everything begins, and what it wants. */
export interface AllEventsOptions extends FollowOptions {
  /** The events after this position; `latest`: only those that come; all by default. */
  readonly after?: string | undefined;
  /** The log that `after` belongs to. */
  readonly log?: string | null | undefined;
  /** Only these conversations, by their ids. */
  readonly conversation?: readonly string[] | undefined;
  /** With `conversation`: the events of the account and the server too. */
  readonly account?: boolean | undefined;
}

/**
 * All events, in the order in which they were written. `position` and `logId` are what to keep for
 * going on later. Where the position means nothing any more, a `feed/reset` comes, and then what
 * follows it: read anew what you show.
 */
export class AllEvents extends Follow<Event> {
  /** The place of what was handed out last. */
  position: string | null;
  logId: string | null;
  private placing: Promise<void> | null = null;

  constructor(
    transport: Transport,
    private readonly api: Api,
    private readonly wanted: AllEventsOptions,
  ) {
    super(transport, wanted);
    this.position = wanted.after === "latest" ? null : (wanted.after ?? null);
    this.logId = wanted.log ?? null;
  }

  /** Find out where `latest` is, before anything else happens. Iterating does it too. */
  ready(): Promise<void> {
    return (this.placing ??= this.place());
  }

  private async place(): Promise<void> {
    const latest = this.wanted.after === "latest";
    if (this.logId !== null && !latest) return;
    const page = await this.api.readEvents({
      query: { after: "latest", limit: 1 },
      signal: this.signal,
    });
    this.logId ??= page.log_id;
    if (latest) this.position = page.head;
  }

  protected override prepare(): Promise<void> {
    return this.ready();
  }

  protected override next(): Call {
    const query = new URLSearchParams(this.logId === null ? {} : { log: this.logId });
    for (const id of this.wanted.conversation ?? []) query.append("conversation", id);
    if (this.wanted.account) query.append("account", "true");
    const headers = new Headers({ Accept: "text/event-stream" });
    if (this.position !== null) headers.set("Last-Event-ID", this.position);
    return { url: `${this.transport.baseUrl}/events?${query}`, method: "GET", headers };
  }

  protected override async take(event: Event): Promise<Event | null> {
    if (event.type === "feed/reset") {
      this.position = String(event.data.head);
      this.logId = event.data.log_id;
      return event;
    }
    if (typeof event.position !== "string") return this.isNews(event) ? event : null;
    this.position = event.position;
    return event;
  }
}
