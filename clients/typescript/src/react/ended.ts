/** What the core asked and what became of it: a state has only what still waits. */

import type { Conversation } from "../conversation.js";
import type { State } from "../state.js";
import type { Approval, Event } from "../types.js";

/** The approvals of a conversation that have ended, read as far back as its items are. */
export class Ended {
  private readonly newestFirst: AsyncGenerator<Approval, void>;
  private next: Approval | null = null;

  constructor(conversation: Conversation) {
    this.newestFirst = conversation.approvals({ all: true });
  }

  /** Those back to the oldest item of a state that were not given out yet. */
  async backTo({ items }: State): Promise<Approval[]> {
    const since = items[0]?.at ?? "";
    const found: Approval[] = [];
    for (;;) {
      this.next ??= (await this.newestFirst.next()).value ?? null;
      if (this.next === null || this.next.requested_at < since) return found;
      if (this.next.resolution) found.push(this.next);
      this.next = null;
    }
  }
}

/** Those after an event: what waited in `state`, the one before it, may have ended with it. */
export function endedAfter(ended: readonly Approval[], { approvals }: State, event: Event): readonly Approval[] {
  if (event.type !== "approval/resolved") return ended;
  const { approval_id: id, ...resolution } = event.data;
  const asked = approvals.find(({ approval_id }) => approval_id === id);
  return asked ? [...ended.filter(({ approval_id }) => approval_id !== id), { ...asked, status: "resolved", resolution }] : ended;
}
