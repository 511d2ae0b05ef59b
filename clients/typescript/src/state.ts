/**
 * What a conversation looks like, folded from its events. Pure: no value is changed, and what did
 * not change stays the same object.
 *
 * `reduce` of a snapshot and the events after it gives what a later snapshot says: held by the
 * recordings in tests/recordings, which the server's own fold is checked with too.
 */

import type { ItemPage, QueueChanged, TurnEntry } from "./generated/index.js";
import type {
  CodexItem,
  ConversationInfo,
  Event,
  EventOf,
  EventType,
  Item,
  OpenItem,
  QueuedMessage,
  Snapshot,
  TurnInfo,
} from "./types.js";

/** A snapshot, and what has happened since. */
export type State = Snapshot;

const OUTPUT_MOST = 1024 * 1024; // characters of a running command's output kept here
const PREVIEW = 200; // characters of the first message

/** The state after an event. An event that was seen already changes nothing. */
export function reduce(state: State, event: Event): State {
  if (typeof event.seq !== "number") {
    return event.type === "core/state" ? { ...state, core: { ...state.core, ...event.data } } : state;
  }
  if (event.seq <= state.seq) return state;
  const change = CHANGES.get(event.type);
  const next = change ? { ...state, ...change(state, event) } : { ...state };
  if (state.retrying && goesOn(state.retrying, event)) next.retrying = null;
  next.seq = event.seq;
  next.position = event.position ?? state.position;
  next.conversation = { ...next.conversation, head: event.seq };
  return next;
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

function turnOf({ turn_id, status, synthetic, turn, diff, plan }: TurnEntry): TurnInfo {
  return { turn_id, status, synthetic, turn, diff, plan };
}

// --- what each event changes -------------------------------------------------------------------

type Change = (state: State, event: Event) => Partial<State>;
type Changes = { [Type in EventType]?: (state: State, event: EventOf<Type>) => Partial<State> };

const OF_TYPE: Changes = {
  "turn/started": inTurn,
  "turn/completed": inTurn,
  "turn/diff/updated": (state, event) => ({
    turns: withTurn(state.turns, event.turn_id, { diff: event.data.diff }),
  }),
  "turn/plan/updated": (state, event) => ({ turns: withTurn(state.turns, event.turn_id, { plan: planOf(event.data) }) }),
  error: retried,
  "item/started": (state, event) => ({ open_items: [...state.open_items, begun(event)] }),
  "item/completed": ended,
  "item/discarded": ended,
  "item/agentMessage/delta": (state, event) =>
    grow(state, event, "agentMessage", (item) => ({ ...item, text: (item.text ?? "") + event.text })),
  "item/plan/delta": (state, event) =>
    grow(state, event, "plan", (item) => ({ ...item, text: (item.text ?? "") + event.text })),
  "item/commandExecution/outputDelta": (state, event) =>
    grow(state, event, "commandExecution", (item) => {
      const before = item.aggregatedOutput ?? "";
      return before.length > OUTPUT_MOST ? item : { ...item, aggregatedOutput: before + event.text };
    }),
  "item/reasoning/summaryTextDelta": (state, event) =>
    grow(state, event, "reasoning", (item) => {
      return { ...item, summary: appended(item.summary, event.data.summaryIndex, event.text) };
    }),
  "item/reasoning/textDelta": (state, event) =>
    grow(state, event, "reasoning", (item) => {
      return { ...item, content: appended(item.content, event.data.contentIndex, event.text) };
    }),
  "thread/tokenUsage/updated": (_, { data }) => ({ usage: data.tokenUsage }),
  "thread/name/updated": (state, { data: { threadName: title } }) =>
    typeof title === "string" ? told(state, { title }) : {},
  "thread/archived": (state) => told(state, { archived: true }),
  "thread/unarchived": (state) => told(state, { archived: false }),
  "queue/changed": ({ queue }, { data }) => ({ queue: changed(queue, data) }),
  "conversation/reverted": (state, { data }) => without(state, data.turn_ids),
  "conversation/updated": (_, { data }) => ({ conversation: data }),
  "approval/requested": asked,
  "approval/resolved": answered,
};
const CHANGES = new Map(Object.entries(OF_TYPE) as [string, Change][]);

// --- the queue ---------------------------------------------------------------------------------

function changed(queue: QueuedMessage[], { removed, put, order }: QueueChanged): QueuedMessage[] {
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

function inTurn(state: State, event: EventOf<"turn/started" | "turn/completed">): Partial<State> {
  const turns = withTurn(state.turns, event.turn_id, {
    turn: event.data.turn,
    status: event.status,
    synthetic: event.synthetic ?? null,
  });
  const begins = event.type === "turn/started";
  const running = begins || turns.some(({ status }) => status === "inProgress");
  return { turns, ...told(state, { status: running ? "running" : "idle", updated_at: event.at }) };
}

function withTurn(turns: TurnInfo[], id: Event["turn_id"], fields: Partial<TurnInfo>): TurnInfo[] {
  if (typeof id !== "string") return turns;
  const place = turns.findLastIndex(({ turn_id }) => turn_id === id);
  const known = turns[place] ?? { turn_id: id, status: "inProgress", turn: null, diff: null, plan: null };
  const changed = { ...known, ...fields };
  return place < 0 ? [...turns, changed] : turns.with(place, changed);
}

function planOf({ explanation, plan }: EventOf<"turn/plan/updated">["data"]): TurnInfo["plan"] {
  return { explanation: explanation ?? null, steps: plan };
}

// --- retries -----------------------------------------------------------------------------------

/** The core tries its model again, in a turn that runs. */
function retried({ turns }: State, { turn_id, status, data: { error } }: EventOf<"error">): Partial<State> {
  const runs = turns.some((turn) => turn.turn_id === turn_id && turn.status === "inProgress");
  if (status !== "retrying" || typeof turn_id !== "string" || !runs) return {};
  return { retrying: { turn_id, message: error.message, error } };
}

/** What only the model can end. */
const OF_MODEL: ReadonlySet<unknown> = new Set(["agentMessage", "reasoning", "plan", "contextCompaction"]);

/**
 * Whether the turn goes on, or ends: then its retry is over. An item may end without a start where it
 * is told from the core's history; a command ends while the model is tried again.
 */
function goesOn({ turn_id }: NonNullable<State["retrying"]>, event: Event): boolean {
  if (event.turn_id !== turn_id) return false;
  if (event.type === "item/completed") return OF_MODEL.has(event.item_type);
  if (event.type === "error") return event.status !== "retrying";
  return event.type === "item/started" || event.type === "turn/completed";
}

// --- items -------------------------------------------------------------------------------------

function begun({ turn_id, item_id, item_type, data }: EventOf<"item/started">): OpenItem {
  return { turn_id, item_id, item_type, item: emptied(data.item) };
}

/** An item that has the texts that its deltas bring, before the first one. */
function emptied(item: CodexItem): CodexItem {
  if (item.type === "reasoning") return { ...item, summary: [], content: [] };
  return item.type === "commandExecution" ? { ...item, aggregatedOutput: "" } : item;
}

function ended(state: State, event: EventOf<"item/completed" | "item/discarded">): Partial<State> {
  const item: Item = {
    seq: event.seq ?? 0,
    turn_id: event.turn_id,
    item_id: event.item_id,
    item_type: event.item_type,
    status: event.status,
    synthetic: event.synthetic ?? null,
    at: event.at,
    item: event.data.item,
  };
  const open_items = state.open_items.filter((each) => !isOf(each, event));
  return { items: [...state.items, item], open_items, ...previewed(state, event.data.item) };
}

/** The first message is what lists show of a conversation without a title. */
function previewed(state: State, item: CodexItem): Partial<State> {
  if (state.conversation.preview || item.type !== "userMessage") return {};
  const texts = item.content.flatMap((part) => (part.type === "text" && part.text ? [part.text] : []));
  const kind = item.content[0]?.type.replace(/^local/, "").toLowerCase() ?? "";
  return told(state, { preview: texts.join("\n").slice(0, PREVIEW) || `[${kind}]` });
}

function isOf(item: OpenItem, event: Event): boolean {
  return item.item_id === event.item_id && item.turn_id === event.turn_id;
}

/** The open item that a delta belongs to, changed, where it is of the type that such deltas have. */
function grow<Type extends CodexItem["type"]>(
  state: State,
  event: Event,
  type: Type,
  change: (item: CodexItem<Type>) => CodexItem,
): Partial<State> {
  const place = state.open_items.findLastIndex((item) => isOf(item, event));
  const open = state.open_items[place];
  if (open?.item.type !== type || typeof event.text !== "string") return {};
  const item = change(open.item as CodexItem<Type>);
  return { open_items: state.open_items.with(place, { ...open, item }) };
}

function appended(before: readonly string[] | undefined, at: number, text: string): string[] {
  const texts = [...(before ?? [])];
  const index = Math.min(at, texts.length);
  texts[index] = (texts[index] ?? "") + text;
  return texts;
}

// --- approvals ---------------------------------------------------------------------------------

function asked(state: State, event: EventOf<"approval/requested">): Partial<State> {
  const approval: State["approvals"][number] = {
    ...event.data,
    conversation_id: event.conversation_id ?? "",
    turn_id: event.turn_id ?? null,
    item_id: event.item_id ?? null,
    status: event.status,
    requested_at: event.at,
    resolution: null,
  };
  return waiting(state, [...state.approvals, approval]);
}

function answered(state: State, { data: { approval_id: id } }: EventOf<"approval/resolved">): Partial<State> {
  return waiting(state, state.approvals.filter(({ approval_id }) => approval_id !== id));
}

function waiting(state: State, approvals: State["approvals"]): Partial<State> {
  return { approvals, ...told(state, { waiting_for_approval: approvals.length }) };
}
