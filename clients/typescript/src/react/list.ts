/** A list of conversations that is kept up to date while somebody looks at it. */

import type { CodexClient } from "../client.js";
import { ConnectionLost } from "../errors.js";
import { sleep } from "../time.js";
import type { ConversationFilter, ConversationInfo, Event } from "../types.js";
import type { Hub } from "./hub.js";
import { Store } from "./store.js";

const PAGE = 50;
const PAUSE = 100; // milliseconds in which changes are gathered before the list is read again
const CHANGES: ReadonlySet<string> = new Set([
  "thread/started",
  "turn/started",
  "turn/completed",
  "approval/requested",
  "approval/resolved",
  "conversation/updated",
  "conversation/deleted",
  "thread/name/updated",
  "thread/archived",
  "thread/unarchived",
]);

/** Conversations, newest first. */
export interface Listed {
  readonly conversations: readonly ConversationInfo[];
  readonly hasMore: boolean;
}

export class ListStore extends Store<Listed> {
  private wanted = PAGE; // how many are shown
  private stale = false;
  private reading: Promise<void> | null = null;

  constructor(
    private readonly client: CodexClient,
    private readonly hub: Hub,
    private readonly filter: ConversationFilter,
    onIdle: () => void,
  ) {
    super(onIdle);
  }

  protected async follow(signal: AbortSignal): Promise<void> {
    const wants = ({ type }: Event) => CHANGES.has(type);
    const events = this.hub.follow({ wants, onConnection: this.onConnection, signal });
    try {
      await events.ready;
      await this.read();
      for await (const _ of events) void this.readSoon(signal);
    } finally {
      events.close();
    }
  }

  private async readSoon(signal: AbortSignal): Promise<void> {
    if (this.stale) return;
    this.stale = true;
    try {
      await sleep(PAUSE, signal);
      this.stale = false;
      await this.read();
    } catch (error) {
      this.stale = false;
      if (error instanceof ConnectionLost) void this.readSoon(signal);
      else if (!signal.aborted) this.fail(error);
    }
  }

  /** Show the next ones too. */
  readonly loadMore = async (): Promise<void> => {
    this.wanted += PAGE;
    await this.read();
  };

  /** Read what is shown anew, once at a time. */
  private async read(): Promise<void> {
    while (this.reading) await this.reading;
    this.reading = this.fetch().finally(() => {
      this.reading = null;
    });
    await this.reading;
  }

  private async fetch(): Promise<void> {
    const conversations: ConversationInfo[] = [];
    let hasMore = false;
    for await (const each of this.client.conversations(this.filter)) {
      hasMore = conversations.length === this.wanted;
      if (hasMore) break;
      conversations.push(each);
    }
    this.change({ data: { conversations, hasMore } });
  }
}
