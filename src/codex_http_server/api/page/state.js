// A conversation as its events tell it. No DOM, no network, no clock: `fromSnapshot` makes the
// state, `apply` folds one event into it and notes in `changes` what has to be drawn again.

export const OUTPUT_MAX = 200_000; // characters of a command's output kept here; the log has all

export function newChanges() {
  return { items: new Set(), turns: new Set(), parts: new Set(), finished: [] };
}

export function fromSnapshot(snapshot) {
  const state = {
    conversation: snapshot.conversation,
    seq: snapshot.seq,
    logId: snapshot.log_id,
    itemsBefore: snapshot.items_before ?? 0,
    firstItem: snapshot.items?.[0]?.seq ?? null,
    turns: new Map(),
    queue: snapshot.queue ?? [],
    usage: snapshot.usage ?? null,
    core: snapshot.core ?? null,
  };
  for (const view of snapshot.turns ?? []) {
    const turn = turnOf(state, view.turn_id);
    turn.status = view.status ?? "inProgress";
    turn.turn = view.turn;
    turn.diff = view.diff ?? null;
    turn.synthetic = view.synthetic ?? null;
  }
  for (const view of snapshot.items ?? []) addEnded(state, view);
  for (const view of snapshot.open_items ?? []) {
    put(state, view.turn_id, view.item_id, view.item_type, view.item).status = "open";
  }
  for (const view of snapshot.approvals ?? []) {
    const asked = { id: view.approval_id, itemId: view.item_id, asked: view, ended: null };
    turnOf(state, view.turn_id).approvals.set(view.approval_id, asked);
  }
  return state;
}

/** Put an ended item, as snapshots and pages of items show it, into the state. */
export function addEnded(state, view) {
  const entry = put(state, view.turn_id, view.item_id, view.item_type, view.item);
  entry.status = view.status === "discarded" ? "discarded" : "completed";
  entry.reason = view.synthetic ?? null;
  return entry;
}

/** Put older items before those that are there. */
export function addEarlier(state, views, left) {
  const newer = state.turns;
  state.turns = new Map();
  for (const view of views) addEnded(state, view);
  for (const [id, turn] of newer) {
    const older = state.turns.get(id);
    if (older) {
      turn.items = new Map([...older.items, ...turn.items]);
      state.turns.delete(id);
    }
    state.turns.set(id, turn);
  }
  for (const turn of state.turns.values()) if (turn.status === null) turn.status = "unknown";
  state.itemsBefore = left;
  state.firstItem = views[0]?.seq ?? state.firstItem;
}

/** Take in older events about approvals: snapshots do not show those that have ended. */
export function addApprovals(state, events) {
  for (const event of events) {
    if (!event.type.startsWith("approval/") || !state.turns.has(event.turn_id ?? "")) continue;
    HANDLERS[event.type]?.(state, event, event.data, newChanges());
  }
}

/** The running turn, the newest if there are several; null when the conversation is idle. */
export function running(state) {
  return [...state.turns.values()].reverse().find((turn) => turn.status === "inProgress") ?? null;
}

/** Whether a message that was sent has turned up, as an item or in the queue. */
export function hasMessage(state, submitId) {
  if (state.queue.some((each) => each.submit_id === submitId)) return true;
  for (const turn of state.turns.values())
    for (const entry of turn.items.values()) if (entry.item.clientId === submitId) return true;
  return false;
}

export function apply(state, event, changes) {
  if (typeof event.seq === "number") {
    if (event.seq <= state.seq) return; // only numbers that rise
    state.seq = event.seq;
  }
  const handler = HANDLERS[event.type];
  if (handler) handler(state, event, event.data ?? {}, changes);
}

const HANDLERS = {
  "turn/started"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    turn.status = "inProgress";
    turn.turn = data.turn ?? turn.turn;
    turnChanged(turn, changes);
  },
  "turn/completed"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    turn.status = event.status ?? data.turn?.status ?? "completed";
    turn.turn = data.turn ?? turn.turn;
    turn.synthetic = event.synthetic ?? null;
    turn.notice = null;
    turnChanged(turn, changes);
  },
  "turn/diff/updated"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    turn.diff = data.diff ?? null;
    changes.turns.add(turn);
  },
  error(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    turn.notice = { retry: data.willRetry === true, text: data.error?.message ?? "" };
    changes.turns.add(turn);
  },
  "item/started"(state, event, data, changes) {
    const entry = put(state, event.turn_id, event.item_id, event.item_type, data.item);
    entry.status = "open";
    itemChanged(state, entry, changes);
  },
  "item/completed"(state, event, data, changes) {
    const said = state.turns.get(event.turn_id ?? "")?.items.get(event.item_id)?.item;
    const entry = put(state, event.turn_id, event.item_id, event.item_type, data.item);
    entry.status = "completed";
    // The core leaves the output out of some finished commands; what streamed stays.
    if (said?.aggregatedOutput && !entry.item.aggregatedOutput) entry.item.aggregatedOutput = said.aggregatedOutput;
    else entry.cut = 0;
    if (entry.type === "agentMessage") changes.finished.push(entry.item.text ?? "");
    itemChanged(state, entry, changes);
  },
  // Text is missing here until the item ends, which brings all of it.
  "item/gap"(state, event, data, changes) {
    const entry = openItem(state, event);
    if (entry?.type === "agentMessage") textDelta(state, { ...event, text: " … " }, data, changes);
  },
  "turn/stalled"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    turn.notice = { retry: false, text: `No sign for ${data.silent_seconds} s: it is being interrupted.` };
    changes.turns.add(turn);
  },
  "item/discarded"(state, event, data, changes) {
    const entry = put(state, event.turn_id, event.item_id, event.item_type, data.item);
    entry.status = "discarded";
    entry.reason = data.reason ?? event.synthetic ?? "unknown";
    itemChanged(state, entry, changes);
  },
  "approval/requested"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    const itemId = event.item_id ?? null;
    turn.approvals.set(data.approval_id, { id: data.approval_id, itemId, asked: data, ended: null });
    changes.turns.add(turn);
  },
  "approval/resolved"(state, event, data, changes) {
    const turn = turnOf(state, event.turn_id);
    const approval = turn.approvals.get(data.approval_id) ?? { id: data.approval_id, itemId: event.item_id ?? null, asked: {} };
    turn.approvals.set(data.approval_id, { ...approval, ended: data });
    changes.turns.add(turn);
  },
  "queue/changed"(state, event, data, changes) {
    state.queue = changedQueue(state.queue, data);
    if (data.reason === "failed") state.queueError = data.error ?? "A waiting message could not be sent.";
    changes.parts.add("queue");
  },
  "thread/tokenUsage/updated"(state, event, data, changes) {
    state.usage = data.tokenUsage ?? state.usage;
    changes.parts.add("head");
  },
  "thread/name/updated"(state, event, data, changes) {
    state.conversation = { ...state.conversation, title: data.threadName ?? state.conversation.title };
    changes.parts.add("head").add("list");
  },
  "conversation/updated"(state, event, data, changes) {
    state.conversation = { ...state.conversation, ...data };
    changes.parts.add("head").add("list");
  },
  "core/state"(state, event, data, changes) {
    state.core = data;
    changes.parts.add("core");
  },
  "auth/required"(state, event, data, changes) {
    changes.parts.add("auth");
    if (!event.turn_id) return;
    const turn = turnOf(state, event.turn_id);
    turn.login = data;
    changes.turns.add(turn);
  },
  "feed/reset": (state, event, data, changes) => changes.parts.add("reload"),
  "conversation/reverted": (state, event, data, changes) => changes.parts.add("reload"),
  "conversation/deleted": (state, event, data, changes) => changes.parts.add("reload"),

  "item/agentMessage/delta": textDelta,
  "item/plan/delta": textDelta,
  "item/reasoning/summaryTextDelta": (state, event, data, changes) =>
    partDelta(state, event, "summary", data.summaryIndex ?? 0, changes),
  "item/reasoning/textDelta": (state, event, data, changes) =>
    partDelta(state, event, "content", data.contentIndex ?? 0, changes),
  "item/commandExecution/outputDelta"(state, event, data, changes) {
    const entry = openItem(state, event);
    if (!entry) return;
    const output = (entry.item.aggregatedOutput ?? "") + (event.text ?? "");
    entry.item.aggregatedOutput = output.length > 2 * OUTPUT_MAX ? output.slice(-OUTPUT_MAX) : output;
    entry.cut += output.length - entry.item.aggregatedOutput.length;
    changes.items.add(entry);
  },
};

/** What waits after a change of it: each that is named is put where it stands now. */
function changedQueue(queue, { removed, put, order }) {
  const gone = new Set([...removed, ...put.map(({ message }) => message.submit_id)]);
  const left = queue.filter((each) => !gone.has(each.submit_id));
  for (const { at, message } of put) left.splice(at, 0, message);
  const place = new Map((order ?? []).map((id, index) => [id, index]));
  return order ? left.sort((a, b) => place.get(a.submit_id) - place.get(b.submit_id)) : left;
}

function textDelta(state, event, data, changes) {
  const entry = openItem(state, event);
  if (!entry) return;
  entry.item.text = (entry.item.text ?? "") + (event.text ?? "");
  changes.items.add(entry);
}

function partDelta(state, event, field, index, changes) {
  const entry = openItem(state, event);
  if (!entry) return;
  const parts = (entry.item[field] ??= []);
  while (parts.length <= index) parts.push("");
  parts[index] += event.text ?? "";
  changes.items.add(entry);
}

/** The item a delta belongs to. What has ended takes no more. */
function openItem(state, event) {
  const found = state.turns.get(event.turn_id ?? "")?.items.get(event.item_id);
  if (found) return found.status === "open" ? found : null;
  return put(state, event.turn_id, event.item_id, event.item_type, { type: event.item_type });
}

function turnOf(state, turnId) {
  const id = turnId ?? "";
  let turn = state.turns.get(id);
  if (!turn) {
    turn = { id, status: null, turn: null, diff: null, synthetic: null, notice: null, login: null };
    turn.items = new Map();
    turn.approvals = new Map();
    state.turns.set(id, turn);
  }
  return turn;
}

/** An item is known by its turn and its id: the id alone is the provider's. */
function put(state, turnId, itemId, type, item) {
  const turn = turnOf(state, turnId);
  const old = turn.items.get(itemId);
  const entry = old ?? { turnId: turn.id, itemId, status: "open", reason: null, cut: 0 };
  entry.type = type ?? item?.type ?? "unknown";
  entry.item = { ...(item ?? old?.item ?? {}) };
  turn.items.set(itemId, entry);
  return entry;
}

function turnChanged(turn, changes) {
  changes.turns.add(turn);
  changes.parts.add("running").add("list");
}

function itemChanged(state, entry, changes) {
  const turn = state.turns.get(entry.turnId);
  if ((turn.notice?.retry || turn.login) && entry.status !== "discarded") {
    turn.notice = turn.login = null; // it goes on: the retry worked
    changes.turns.add(turn);
  }
  changes.items.add(entry);
}
