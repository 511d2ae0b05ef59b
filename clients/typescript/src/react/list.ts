/** A list of conversations that is kept up to date while somebody looks at it. */

import type { CodexClient } from "../client.js";
import type { ConversationFilter, ConversationInfo, Event } from "../types.js";
import type { Hub } from "./hub.js";
import { ReadStore } from "./reading.js";

const PAGE = 50;
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

export class ListStore extends ReadStore<Listed> {
  private wanted = PAGE; // how many are shown

  constructor(
    private readonly client: CodexClient,
    private readonly filter: ConversationFilter,
    hub: Hub,
    onIdle: () => void,
  ) {
    super(hub, onIdle);
  }

  /** Show the next ones too. */
  readonly loadMore = async (): Promise<void> => {
    this.wanted += PAGE;
    await this.read();
  };

  protected override concerns({ type }: Event): boolean {
    return CHANGES.has(type);
  }

  protected override async fetch(): Promise<Listed> {
    const conversations: ConversationInfo[] = [];
    for await (const each of this.client.conversations(this.filter)) {
      if (conversations.length === this.wanted) return { conversations, hasMore: true };
      conversations.push(each);
    }
    return { conversations, hasMore: false };
  }
}
