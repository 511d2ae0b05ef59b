/** The events of a conversation as they are, while somebody looks at them. */

import type { CodexClient } from "../client.js";
import type { Event } from "../types.js";
import type { Hub } from "./hub.js";
import { Store } from "./store.js";

const KEPT = 500;
const BEFORE = 50; // those that there were before somebody looked

export class EventsStore extends Store<readonly Event[]> {
  constructor(
    private readonly id: string,
    private readonly client: CodexClient,
    private readonly hub: Hub,
    onIdle: () => void,
  ) {
    super(onIdle);
  }

  protected async follow(signal: AbortSignal): Promise<void> {
    const wants = ({ conversation_id: of }: Event) => of === this.id || of === null;
    const events = this.hub.follow({ wants, onConnection: this.onConnection, signal });
    try {
      await events.ready;
      const known = await this.last(signal);
      const seen = known.at(-1)?.seq ?? 0;
      this.change({ data: known });
      for await (const event of events) {
        if (event.conversation_id === this.id && typeof event.seq === "number" && event.seq <= seen) continue;
        this.change({ data: [...(this.data ?? []), event].slice(-KEPT) });
      }
    } finally {
      events.close();
    }
  }

  private async last(signal: AbortSignal): Promise<Event[]> {
    const path = { conversation_id: this.id };
    const { head } = await this.client.api.readConversationEvents({ path, query: { after: "latest", limit: 1 }, signal });
    const query = { after: String(Math.max(0, head - BEFORE)), limit: BEFORE };
    return (await this.client.api.readConversationEvents({ path, query, signal })).data as Event[];
  }
}
