/**
 * The reducer against recordings: `node build/tests/states.js <file>` prints what is wrong.
 *
 * The file has, of each recording, what the server's own fold says after every event.
 */

import { readFileSync } from "node:fs";

import { type Event, reduce, type Snapshot, type State } from "codex-http-client";

import { equal } from "./harness.js";

interface Recording {
  readonly name: string;
  readonly events: Event[];
  readonly log: Event[];
  readonly snapshots: Snapshot[];
  readonly states: (Pick<Snapshot, "items" | "open_items" | "turns" | "retrying" | "usage"> & { seq: number })[];
}

/** The state before the first event. */
function nothing({ snapshots: [first] }: Recording): State {
  if (first === undefined) throw new Error("there is no snapshot");
  const conversation = { ...first.conversation, preview: "", head: 0 };
  const none = { items: [], open_items: [], turns: [], approvals: [], queue: [], retrying: null };
  return { ...first, ...none, conversation, usage: null, seq: 0 };
}

/** Every state on the way, by its seq; none of them may be changed by what comes after. */
function walk(start: State, events: Event[]): Map<number, State> {
  const found = new Map<number, State>();
  let state = frozen(start);
  for (const event of events) {
    const before = state;
    state = frozen(reduce(state, frozen(event)));
    if (event.type.endsWith("elta") && state.items !== before.items) throw new Error("a delta copies");
    found.set(state.seq, state);
  }
  return found;
}

function frozen<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

/** Where all is said of a conversation: what follows from its events. */
function said(state: State) {
  const { conversation, items, items_before, open_items, turns, retrying, usage, approvals, queue } = state;
  return { conversation, items, items_before, open_items, turns, retrying, usage, approvals, queue };
}

function check(recording: Recording): void {
  const { events, log, snapshots, states } = recording;
  const live = walk(nothing(recording), events);
  for (const { seq, ...wanted } of states) {
    const { items, open_items, turns, retrying, usage } = live.get(seq) ?? nothing(recording);
    equal({ items, open_items, turns, retrying, usage }, wanted, `after event ${seq} the states`);
  }
  for (const [number, first] of snapshots.entries()) {
    const after = walk(first, events);
    for (const later of snapshots.slice(number + 1)) {
      const state = after.get(later.seq);
      equal(state && said(state), said(later), `snapshots ${first.seq} and ${later.seq}`);
    }
  }
  const last = [...live.values()].at(-1);
  const logged = walk(nothing(recording), log).get(last?.seq ?? 0);
  equal(logged && said(logged), last && said(last), "what came and what the log has");
}

const recordings = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Recording[];
for (const recording of recordings) {
  try {
    check(recording);
  } catch (error) {
    console.log(`${recording.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
