/** A conversation that is followed while somebody looks at it. */

import type { Conversation } from "../conversation.js";
import { older, reduce, type State } from "../state.js";
import type { Approval, Event, Item, OpenItem } from "../types.js";
import { Ended, endedAfter } from "./ended.js";
import type { Hub } from "./hub.js";
import { Store } from "./store.js";

const PAGE = 100; // older items fetched at once

/** A conversation's state, and whether it was deleted. */
export interface Followed {
  readonly state: State;
  /** What was asked and has ended, as far back as the state has items. */
  readonly answered: readonly Approval[];
  readonly deleted: boolean;
}

export class ConversationStore extends Store<Followed> {
  private fetching: Promise<void> | null = null;
  private ended: Ended;

  constructor(
    readonly conversation: Conversation,
    private readonly hub: Hub,
    onIdle: () => void,
  ) {
    super(onIdle);
    this.ended = new Ended(conversation);
  }

  protected async follow(signal: AbortSignal): Promise<void> {
    const { id } = this.conversation;
    const wants = ({ conversation_id: of }: Event) => of === id || of === null;
    const events = this.hub.follow({ wants, onConnection: this.onConnection, signal });
    try {
      await events.ready;
      await this.readAnew(signal);
      for await (const event of events) {
        if (event.type === "feed/reset") await this.readAnew(signal);
        else if (this.take(event)) return;
      }
    } finally {
      events.close();
    }
  }

  /** Whether that was the last event. */
  private take(event: Event): boolean {
    const deleted = event.type === "conversation/deleted";
    if (!this.data) return deleted;
    const { state } = this.data;
    const answered = endedAfter(this.data.answered, state, event);
    this.change({ data: { state: reduce(state, event), answered, deleted } });
    return deleted;
  }

  private async readAnew(signal: AbortSignal): Promise<void> {
    const state = await this.conversation.snapshot({ signal });
    this.ended = new Ended(this.conversation); // after the snapshot: else one that ends between is in neither
    this.change({ data: { state, answered: await this.ended.backTo(state), deleted: false } });
  }

  /** Fetch the items before the oldest that is there; once at a time. */
  readonly loadOlder = (): Promise<void> => {
    this.fetching ??= this.fetchOlder().finally(() => {
      this.fetching = null;
    });
    return this.fetching;
  };

  private async fetchOlder(): Promise<void> {
    const before = this.data?.state.items[0]?.seq;
    if (before === undefined || !this.data?.state.items_before) return;
    const span = { before, limit: PAGE };
    const [page, turns] = await Promise.all([this.conversation.items(span), this.conversation.turns(span)]);
    // What was read anew meanwhile does not fit.
    if (this.data.state.items[0]?.seq !== before) return;
    const state = older(this.data.state, page, turns.data);
    this.change({ data: { ...this.data, state } });
    const { ended } = this;
    const more = await ended.backTo(state);
    if (ended !== this.ended || more.length === 0) return; // read anew meanwhile, with all of them
    this.change({ data: { ...this.data, answered: [...this.data.answered, ...more] } });
  }
}

// --- what there is to draw ---------------------------------------------------------------------

/** An item as it is drawn: one that has ended, or one whose text still comes. */
export interface ChatItem {
  /** Unique in the conversation, and the same while the item is open and once it has ended. */
  readonly key: string;
  readonly turn_id: string | null;
  readonly item_id: string | null;
  readonly item_type: string | null;
  /** The core's own object. */
  readonly item: Item["item"];
  /** `inProgress` while it is open, then how it ended: `completed`, `failed`, `discarded` … */
  readonly status: string;
}

const drawn = new WeakMap<object, ChatItem | readonly ChatItem[]>();

/** Keeps what was made of a value, so that what did not change is the same object again. */
function once<Value extends object, Made extends ChatItem | readonly ChatItem[]>(
  value: Value,
  make: (value: Value) => Made,
): Made {
  const known = drawn.get(value) as Made | undefined;
  const made = known ?? make(value);
  if (!known) drawn.set(value, made);
  return made;
}

function chatItem(from: Item | OpenItem): ChatItem {
  const { turn_id, item_id, item_type, item } = from;
  const status = "status" in from ? from.status : "inProgress";
  return { key: `${turn_id}/${item_id}`, turn_id, item_id, item_type, item, status };
}

const all = (items: readonly (Item | OpenItem)[]) => items.map((item) => once(item, chatItem));

/** All items in the order in which they are drawn: those that have ended, then the open ones. */
export function chatItems({ items, open_items }: State): readonly ChatItem[] {
  return [...once(items, all), ...once(open_items, all)];
}
