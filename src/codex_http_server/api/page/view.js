// The conversation in the page: a section for each turn, in it its items and how it ended.

import { makeApproval } from "./approval.js";
import { el } from "./dom.js";
import { diffLines, makeItem } from "./items.js";

export class View {
  /** `answer(id, body)` answers an approval. */
  constructor(box, folder, answer) {
    this.box = box;
    this.folder = folder;
    this.answer = answer;
    this.turns = new Map();
    this.items = new Map();
    box.replaceChildren();
  }

  drawAll(state) {
    this.box.replaceChildren();
    this.turns.clear();
    this.items.clear();
    for (const turn of state.turns.values()) {
      for (const entry of turn.items.values()) this.drawItem(entry);
      this.drawTurn(turn);
    }
  }

  draw(changes) {
    for (const entry of changes.items) this.drawItem(entry);
    for (const turn of changes.turns) this.drawTurn(turn);
  }

  drawItem(entry) {
    const key = `${entry.turnId} ${entry.itemId}`;
    let made = this.items.get(key);
    if (!made) {
      made = makeItem(entry, this.folder);
      this.items.set(key, made);
      this.section(entry.turnId).items.append(made.node);
    }
    made.draw(entry);
  }

  section(id) {
    let found = this.turns.get(id);
    if (!found) {
      const items = el("div", "items");
      const foot = el("div", "turn-foot");
      const node = el("section", "turn", items, foot);
      node.dataset.turn = id;
      found = { node, items, foot, approvals: new Map(), drawn: "" };
      this.turns.set(id, found);
      this.box.append(node);
    }
    return found;
  }

  drawTurn(turn) {
    const section = this.section(turn.id);
    for (const approval of turn.approvals.values()) {
      this.drawApproval(section, approval, this.items.get(`${turn.id} ${approval.itemId}`)?.node);
    }
    const now = JSON.stringify([turn.status, turn.synthetic, turn.notice, turn.login, turn.diff, turn.turn]);
    if (now === section.drawn) return;
    section.drawn = now;
    const parts = [];
    if (turn.notice) parts.push(notice(turn.notice));
    if (turn.diff) parts.push(turnDiff(turn.diff, section.foot));
    if (["completed", "interrupted", "failed"].includes(turn.status)) parts.push(ending(turn));
    if (turn.login) parts.push(signIn(turn.login));
    section.foot.replaceChildren(...parts);
  }

  /** A question stands before the item that it is about. */
  drawApproval(section, approval, about) {
    let made = section.approvals.get(approval.id);
    if (!made) {
      made = makeApproval(this.answer);
      section.approvals.set(approval.id, made);
      section.items.insertBefore(made.node, about ?? null);
    }
    made.draw(approval);
  }
}

function notice({ retry, text }) {
  return el("p", retry ? "notice retry" : "notice failed", retry ? `The model's stream broke, retrying: ${text}` : plain(text));
}

/** The provider refused the login: what to do, and what becomes of the message. */
function signIn({ detail, hint, resend, submit_ids: ids }) {
  const node = el("div", "notice failed", el("strong", "", "Sign in again"), `: ${plain(detail)}`);
  node.append(el("p", "hint", hint));
  if (resend) node.append(el("p", "hint", "The message waits and is sent after the login."));
  else if (ids.length) node.append(el("p", "hint", "The turn had already begun its work, so the message is not sent again."));
  return node;
}

function turnDiff(diff, foot) {
  const open = foot.querySelector("details")?.open ?? false;
  const lines = diff.replace(/\n$/, "").split("\n");
  const files = lines.filter((line) => line.startsWith("diff --git ")).length;
  const what = files ? ` (${files} ${files === 1 ? "file" : "files"})` : "";
  const fold = el("details", "turn-diff", el("summary", "", `All changes of this turn${what}`), diffLines(lines));
  fold.open = open;
  return fold;
}

const REASONS = {
  core_lost: "the Codex core stopped",
  server_stopped: "the server was stopped",
};

function ending(turn) {
  const took = turn.turn?.durationMs;
  const time = typeof took === "number" ? `, ${(took / 1000).toFixed(1)} s` : "";
  if (turn.status === "completed") return el("p", "ending", `Turn done${time}`);
  if (turn.status === "interrupted") {
    const why = turn.synthetic ? `: ${REASONS[turn.synthetic] ?? turn.synthetic}` : "";
    return el("p", "ending stopped", `Turn interrupted${why}${time}`);
  }
  const error = turn.turn?.error ?? {};
  const node = el("div", "ending failed", el("strong", "", "Turn failed"));
  node.append(`: ${plain(error.message) || "no reason was given"}`);
  if (error.additionalDetails) node.append(el("p", "hint", error.additionalDetails));
  return node;
}

/** Some providers answer with JSON, which the core passes on as the message. */
function plain(message) {
  try {
    return JSON.parse(message).error.message ?? message;
  } catch {
    return message;
  }
}

/** A time in words, short: for the list of conversations. */
export function ago(iso, now) {
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 60) return "now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
