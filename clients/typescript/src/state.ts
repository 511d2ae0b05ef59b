/**
 * What a conversation looks like, folded from its events. Pure: no value is changed, and what did
 * not change stays the same object.
 *
 * `reduce` of a snapshot and the events after it gives what a later snapshot says: held by the
 * recordings in tests/recordings, which the server's own fold is checked with too.
 */

import type { ItemPage, TurnEntry } from "./generated/index.js";
import type {
  ConversationInfo,
  Event,
  Item,
  OpenItem,
  QueuedMessage,
  Snapshot,
  TurnInfo,
} from "./types.js";

/** A snapshot, and what has happened since. */
export type State = Snapshot;

type Json = Readonly<Record<string, unknown>>;

const OUTPUT_MOST = 1024 * 1024; // characters of a running command's output kept here
const PREVIEW = 200; // characters of the first message

/** The state after an event. An event that was seen already changes nothing. */
export function reduce(state: State, event: Event): State {
  if (typeof event.seq !== "number") return event.type === "core/state" ? coreOf(state, event) : state;
  if (event.seq <= state.seq) return state;
  const change = CHANGES.get(event.type);
  const next = change ? { ...state, ...change(state, event) } : { ...state };
  next.seq = event.seq;
  next.position = event.position ?? state.position;
  next.conversation = { ...next.conversation, head: event.seq };
  return next;
}

function coreOf(state: State, { data }: Event): State {
  return { ...state, core: { ...state.core, ...(data as Partial<State["core"]>) } };
}

/**
 * The state with items that lie before those it has: the answer of `conversation.items`, and with the
 * turns that they are of, as far as `conversation.turns` was asked for them.
 */
export function older(state: State, { data, items_before }: ItemPage, turns: readonly TurnEntry[] = []): State {
  const known = new Set(state.turns.map(({ turn_id: id }) => id));
  const wanted = new Set(data.map(({ turn_id: id }) => id));
  const more = turns.filter(({ turn_id: id }) => wanted.has(id) && !known.has(id)).map(turnOf);
  return { ...state, items: [...data, ...state.items], turns: [...more, ...state.turns], items_before };
}

function turnOf({ turn_id, status, synthetic, turn, diff }: TurnEntry): TurnInfo {
  return { turn_id, status, synthetic, turn, diff };
}

// --- what each event changes -------------------------------------------------------------------

type Change = (state: State, event: Event) => Partial<State>;

const CHANGES = new Map<string, Change>(Object.entries({
  "turn/started": (state, event) => inTurn(state, event, { open: true }),
  "turn/completed": (state, event) => inTurn(state, event, { open: false }),
  "turn/diff/updated": (state, event) => ({
    turns: withTurn(state.turns, event, { diff: stringOf(event.data["diff"]) }),
  }),
  "item/started": (state, event) => ({
    open_items: [...state.open_items, begun(event)],
  }),
  "item/completed": ended,
  "item/discarded": ended,
  "item/agentMessage/delta": grow(appended("text")),
  "item/plan/delta": grow(appended("text")),
  "item/commandExecution/outputDelta": grow(appended("aggregatedOutput", OUTPUT_MOST)),
  "item/reasoning/summaryTextDelta": grow(appendedAt("summary", "summaryIndex")),
  "item/reasoning/textDelta": grow(appendedAt("content", "contentIndex")),
  "thread/tokenUsage/updated": (_, { data }) => ({ usage: data["tokenUsage"] as State["usage"] }),
  "thread/name/updated": (state, { data }) => {
    const title = stringOf(data["threadName"]);
    return title === null ? {} : told(state, { title });
  },
  "thread/archived": (state) => told(state, { archived: true }),
  "thread/unarchived": (state) => told(state, { archived: false }),
  "queue/changed": ({ queue }, { data }) => ({ queue: changed(queue, data as unknown as QueueChange) }),
  "conversation/reverted": (state, { data }) => without(state, data["turn_ids"] as string[]),
  "conversation/updated": (_, { data }) => ({ conversation: data as ConversationInfo }),
  "approval/requested": asked,
  "approval/resolved": answered,
} satisfies Record<string, Change>));

// --- the queue ---------------------------------------------------------------------------------

interface QueueChange {
  readonly removed: readonly string[];
  /** Where each of these stands now, first to last. */
  readonly put: readonly { readonly at: number; readonly message: QueuedMessage }[];
  readonly order?: readonly string[];
}

function changed(queue: QueuedMessage[], { removed, put, order }: QueueChange): QueuedMessage[] {
  const gone = new Set([...removed, ...put.map(({ message }) => message.submit_id)]);
  const left = queue.filter(({ submit_id: id }) => !gone.has(id));
  for (const { at, message } of put) left.splice(at, 0, message);
  if (!order) return left;
  const place = new Map(order.map((id, index) => [id, index]));
  const placeOf = ({ submit_id: id }: QueuedMessage): number => place.get(id) ?? order.length;
  return left.sort((one, other) => placeOf(one) - placeOf(other));
}

function told(state: State, fields: Partial<ConversationInfo>): Partial<State> {
  return { conversation: { ...state.conversation, ...fields } };
}

/** The state without turns that were taken back. */
function without(state: State, turnIds: readonly string[]): Partial<State> {
  const gone = new Set<string | null | undefined>(turnIds);
  return {
    turns: state.turns.filter(({ turn_id: id }) => !gone.has(id)),
    items: state.items.filter(({ turn_id: id }) => !gone.has(id)),
    open_items: state.open_items.filter(({ turn_id: id }) => !gone.has(id)),
  };
}

// --- turns -------------------------------------------------------------------------------------

function inTurn(state: State, event: Event, { open }: { open: boolean }): Partial<State> {
  const turns = withTurn(state.turns, event, {
    turn: event.data["turn"] as TurnInfo["turn"],
    status: event.status ?? null,
    synthetic: event.synthetic ?? null,
  });
  const running = open || turns.some(({ status }) => status === "inProgress");
  return { turns, ...told(state, { status: running ? "running" : "idle", updated_at: event.at }) };
}

function withTurn(turns: TurnInfo[], { turn_id: id }: Event, fields: Partial<TurnInfo>): TurnInfo[] {
  if (typeof id !== "string") return turns;
  const place = turns.findLastIndex(({ turn_id }) => turn_id === id);
  const known = turns[place] ?? { turn_id: id, status: "inProgress", turn: null, diff: null };
  const changed = { ...known, ...fields };
  return place < 0 ? [...turns, changed] : turns.with(place, changed);
}

// --- items -------------------------------------------------------------------------------------

function begun(event: Event): OpenItem {
  return {
    turn_id: event.turn_id ?? "",
    item_id: event.item_id ?? "",
    item_type: event.item_type ?? null,
    item: { ...itemOf(event), ...EMPTY[event.item_type ?? ""] } as OpenItem["item"],
  };
}

/** What an open item of a type has of the texts that its deltas bring, before the first one. */
const EMPTY: Readonly<Record<string, Json>> = {
  reasoning: { summary: [], content: [] },
  commandExecution: { aggregatedOutput: "" },
};

function ended(state: State, event: Event): Partial<State> {
  const item: Item = {
    seq: event.seq ?? 0,
    turn_id: event.turn_id ?? null,
    item_id: event.item_id ?? null,
    item_type: event.item_type ?? null,
    status: event.status ?? "completed",
    synthetic: event.synthetic ?? null,
    at: event.at,
    item: itemOf(event),
  };
  const open_items = state.open_items.filter((each) => !isOf(each, event));
  return { items: [...state.items, item], open_items, ...previewed(state, event) };
}

/** The first message is what lists show of a conversation without a title. */
function previewed(state: State, event: Event): Partial<State> {
  if (state.conversation.preview || event.item_type !== "userMessage") return {};
  const parts = ((itemOf(event) as Json | null)?.["content"] ?? []) as { type?: string; text?: string }[];
  const texts = parts.flatMap(({ type, text }) => (type === "text" && text ? [text] : []));
  const kind = parts[0]?.type?.replace(/^local/, "").toLowerCase() ?? "";
  return told(state, { preview: texts.join("\n").slice(0, PREVIEW) || `[${kind}]` });
}

function itemOf(event: Event): Item["item"] {
  return (event.data["item"] ?? null) as Item["item"];
}

function isOf(item: OpenItem, event: Event): boolean {
  return item.item_id === event.item_id && item.turn_id === event.turn_id;
}

/** A change of the open item that a delta belongs to. */
function grow(change: (item: Json, text: string, data: Json) => Json): Change {
  return (state, event) => {
    const place = state.open_items.findLastIndex((item) => isOf(item, event));
    const open = state.open_items[place];
    if (open === undefined || typeof event.text !== "string") return {};
    const item = { ...open.item, ...change(open.item, event.text, event.data) };
    return { open_items: state.open_items.with(place, { ...open, item }) };
  };
}

function appended(field: string, most = Infinity) {
  return (item: Json, text: string): Json => {
    const before = stringOf(item[field]) ?? "";
    return before.length > most ? {} : { [field]: before + text };
  };
}

function appendedAt(field: string, indexField: string) {
  return (item: Json, text: string, data: Json): Json => {
    const texts = [...((item[field] ?? []) as string[])];
    const index = Math.min(Number(data[indexField] ?? 0), texts.length);
    texts[index] = (texts[index] ?? "") + text;
    return { [field]: texts };
  };
}

// --- approvals ---------------------------------------------------------------------------------

function asked(state: State, event: Event): Partial<State> {
  const approval = {
    ...event.data,
    conversation_id: event.conversation_id,
    turn_id: event.turn_id ?? null,
    item_id: event.item_id ?? null,
    status: "pending",
    requested_at: event.at,
    resolution: null,
  } as unknown as State["approvals"][number];
  return waiting(state, [...state.approvals, approval]);
}

function answered(state: State, { data }: Event): Partial<State> {
  const id = data["approval_id"];
  return waiting(state, state.approvals.filter(({ approval_id }) => approval_id !== id));
}

function waiting(state: State, approvals: State["approvals"]): Partial<State> {
  return { approvals, ...told(state, { waiting_for_approval: approvals.length }) };
}

function stringOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
