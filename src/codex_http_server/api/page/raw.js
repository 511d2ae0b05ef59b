// The raw events: one line for each, the last 500, the whole JSON when opened.

import { $, button, copy, el } from "./dom.js";

const ROWS = 500;
const KEPT = 20_000; // characters of one event kept in the page

export class RawLog {
  constructor(box, note) {
    this.box = box;
    this.note = note;
    box.addEventListener("keydown", (event) => this.move(event));
    this.reset();
  }

  reset() {
    this.shown = 0;
    this.total = 0;
    this.box.replaceChildren();
    this.note.textContent = "No event yet.";
  }

  /** One Tab stop for all rows: the arrow keys go from row to row, Enter opens one. */
  move(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    if (!step) return;
    const at = document.activeElement.closest("#events li");
    const row = at ? at[step] : this.box.lastElementChild;
    row?.querySelector("summary").focus();
    event.preventDefault();
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }

  /** Add events as they came: `[parsed, text]`. Called once for each drawn frame. */
  add(events) {
    if (!events.length) return;
    this.total += events.length;
    const low = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 24;
    this.box.append(...events.slice(-ROWS).map(([event, text]) => row(event, text)));
    while (this.box.childElementCount > ROWS) this.box.firstElementChild.remove();
    const shown = this.box.childElementCount;
    this.note.textContent = this.total > shown ? `The last ${shown} of ${this.total} events read here.` : "";
    if (low) this.toEnd();
  }
}

function row(event, text) {
  const seq = typeof event.seq === "number" ? String(event.seq) : "–";
  const line = oneLine(event, text);
  const name = el("span", "type", event.type ?? "?");
  if (/delta$/i.test(event.type ?? "")) name.classList.add("delta");
  const head = el("summary", "", el("span", "seq", seq), name, el("span", "json", line));
  head.tabIndex = -1;
  const fold = el("details", "", head);
  const kept = text.length > KEPT ? `${text.slice(0, KEPT)}\n… ${text.length - KEPT} more characters` : text;
  fold.addEventListener("toggle", () => fold.childElementCount === 1 && fold.append(el("pre", "", pretty(kept))));
  return el("li", "", fold);
}

/** The JSON in one line, without what every event of this conversation repeats. */
function oneLine(event, text) {
  if (text.length > KEPT) return `${text.slice(0, 300)}…`;
  const { seq, type, position, conversation_id, turn_id, item_id, item_type, at, core, ...rest } = event;
  const { threadId, turnId, itemId, delta, ...data } = rest.data ?? {};
  const line = JSON.stringify({ text: event.text, ...rest, data: delta === event.text ? data : rest.data });
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The commands that do the same from a terminal. */
export function drawCurl(id) {
  const base = `${location.origin}/conversations/${id}`;
  const commands = [
    ["Follow the events", `curl -N -H 'Accept: text/event-stream' ${base}/events`],
    [
      "Send a message",
      `curl -s -X POST ${base}/messages -H 'Content-Type: application/json' -d '{"message": "Hello world"}'`,
    ],
  ];
  $("curl-list").replaceChildren(
    ...commands.map(([label, command]) => {
      const code = el("code", "", command);
      const press = button("Copy", "quiet copy", () => copy(command, press, code));
      press.setAttribute("aria-label", `Copy: ${label}`);
      return el("div", "curl-row", el("span", "label", label), press, el("pre", "", code));
    }),
  );
}
