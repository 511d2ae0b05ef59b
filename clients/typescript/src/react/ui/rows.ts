/**
 * What a conversation shows, row by row: each item, what is asked about it below it, and of each turn
 * its plan and its end. Pure. A row of what did not change is the same object as before, so that it is not drawn anew.
 */

import type { Approval, Plan, TurnInfo } from "../../types.js";
import type { ChatItem } from "../conversation.js";
import { turnEnd } from "./words.js";

export type Row =
  | { readonly kind: "item"; readonly key: string; readonly item: ChatItem }
  | { readonly kind: "approval"; readonly key: string; readonly approval: Approval }
  | { readonly kind: "plan"; readonly key: string; readonly plan: Plan; readonly running: boolean }
  | { readonly kind: "foot"; readonly key: string; readonly turn: TurnInfo };

/** What the rows are made of. */
export interface Shown {
  readonly items: readonly ChatItem[];
  readonly turns: readonly TurnInfo[];
  readonly approvals: readonly Approval[];
  readonly answered: readonly Approval[];
}

const made = new WeakMap<object, Row>();

function row<Of extends object>(of: Of, make: (of: Of) => Row): Row {
  const known = made.get(of) ?? make(of);
  made.set(of, known);
  return known;
}

const itemRow = (item: ChatItem): Row => ({ kind: "item", key: `i/${item.key}`, item });
const footRow = (turn: TurnInfo): Row => ({ kind: "foot", key: `t/${turn.turn_id}`, turn });
const planned = new WeakMap<TurnInfo, Row>();

/** The turn's plan, if it has one. */
function planRow(turn: TurnInfo): readonly Row[] {
  if (!turn.plan?.steps.length) return [];
  const key = `p/${turn.turn_id}`;
  const known = planned.get(turn) ?? { kind: "plan", key, plan: turn.plan, running: turn.status === "inProgress" };
  planned.set(turn, known);
  return [known];
}

const approvalRow = (approval: Approval): Row => ({
  kind: "approval",
  key: `a/${approval.approval_id}`,
  approval,
});

/** All rows, oldest first. What has ended stands where it was asked; what waits stands somewhere in any case. */
export function rowsOf({ items, turns, approvals, answered }: Shown): readonly Row[] {
  const byId = new Map(turns.map((turn) => [turn.turn_id, turn]));
  const asked = askedByTurn(approvals, answered);
  const rows: Row[] = [];
  const ask = (turn: string | null, item?: string) => {
    const those = asked.get(turn) ?? [];
    const fit = item === undefined ? those : those.filter(({ item_id }) => item_id === item);
    if (fit.length === 0) return;
    rows.push(...fit.map((each) => row(each, approvalRow)));
    asked.set(turn, those.filter((each) => !fit.includes(each)));
  };
  items.forEach((item, index) => {
    rows.push(row(item, itemRow));
    const { turn_id: id, item_id } = item;
    if (item_id) ask(id, item_id);
    if (items[index + 1]?.turn_id === id) return;
    ask(id);
    const turn = byId.get(id ?? "");
    byId.delete(id ?? "");
    if (turn) rows.push(...planRow(turn));
    if (turn && turnEnd(turn)) rows.push(row(turn, footRow));
  });
  // Turns that say nothing of themselves but how they ended: one that failed before its first item.
  for (const turn of byId.values()) if (turn.status === "failed") rows.push(row(turn, footRow));
  for (const each of [...asked.values()].flat()) if (approvals.includes(each)) rows.push(row(each, approvalRow));
  return rows;
}

/** By turn, in the order in which they were asked. */
function askedByTurn(approvals: Shown["approvals"], answered: Shown["answered"]): Map<string | null, Approval[]> {
  const waiting = new Set(approvals.map(({ approval_id: id }) => id));
  const all = [...answered.filter(({ approval_id: id }) => !waiting.has(id)), ...approvals];
  const byTurn = new Map<string | null, Approval[]>();
  for (const each of all.sort((one, other) => one.requested_at.localeCompare(other.requested_at))) {
    byTurn.set(each.turn_id, [...(byTurn.get(each.turn_id) ?? []), each]);
  }
  return byTurn;
}
