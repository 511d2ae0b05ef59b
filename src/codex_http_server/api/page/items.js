// One node for each item of a conversation, drawn again in place when the item changes.

import { el, setText } from "./dom.js";
import { drawText, growText } from "./text.js";

const OUTPUT_SHOWN = 30_000; // characters of a command's output in the page
const DIFF_LINES = 400;

/** Make the node of an item: `{node, draw(entry)}`. `folder` is cut off paths. */
export function makeItem(entry, folder) {
  const make = MAKERS[entry.type] ?? other;
  const node = el("article", `item ${MAKERS[entry.type] ? entry.type : "other"}`);
  const broken = el("p", "broken");
  const draw = make(node, folder);
  node.append(broken);
  return {
    node,
    draw(now) {
      const off = now.status === "discarded";
      node.dataset.status = now.status;
      node.dataset.item = now.itemId;
      broken.hidden = !off;
      if (off) setText(broken, `broken off (${now.reason})`);
      draw(now);
    },
  };
}

const MAKERS = { userMessage, agentMessage, plan, reasoning, commandExecution, fileChange };

function userMessage(node) {
  const body = el("div", "bubble");
  node.append(el("h3", "hidden", "You"), body);
  return ({ item }) => setText(body, inputText(item.content));
}

/** What a person typed, in words: text parts, and names for the rest. */
export function inputText(parts) {
  return (parts ?? [])
    .map((part) => part.text ?? `[${part.type}${part.name ? ` ${part.name}` : ""}]`)
    .join("\n");
}

function agentMessage(node) {
  const body = el("div", "prose");
  node.append(el("h3", "hidden", "Codex"), body);
  return ({ item }) => drawText(body, item.text ?? "");
}

function plan(node) {
  const body = el("div", "prose");
  node.append(el("h3", "label", "Plan"), body);
  return ({ item }) => drawText(body, item.text ?? "");
}

function reasoning(node) {
  const what = el("span", "what");
  const body = el("div", "prose");
  node.append(el("details", "", el("summary", "", "Reasoning", what), body));
  return ({ item, status }) => {
    const text = [...(item.summary ?? []), ...(item.content ?? [])].filter(Boolean).join("\n\n");
    const head = /\*\*([^*\n]+)\*\*/.exec(text);
    setText(what, head ? `: ${head[1]}` : status === "open" ? " …" : "");
    node.hidden = !text && status !== "open";
    drawText(body, text);
  };
}

function commandExecution(node) {
  const line = el("code", "line");
  const state = el("span", "state");
  const cut = el("p", "hint");
  const output = el("pre", "output");
  output.tabIndex = 0;
  output.setAttribute("aria-label", "Output of the command");
  node.append(el("div", "bar", el("span", "sign", "$"), line, state), cut, output);
  return ({ item, status, cut: gone }) => {
    setText(line, shownCommand(item));
    const [kind, words] = commandState(item, status);
    state.dataset.kind = kind;
    setText(state, words);
    const text = (item.aggregatedOutput ?? "").replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
    // The cut moves in steps, so that a growing output is not drawn anew for each delta.
    const from = Math.max(0, Math.floor((text.length - OUTPUT_SHOWN) / OUTPUT_SHOWN) * OUTPUT_SHOWN);
    cut.hidden = from + gone === 0;
    setText(cut, `The first ${(from + gone).toLocaleString("en")} characters are not shown here.`);
    const low = output.scrollTop + output.clientHeight >= output.scrollHeight - 8;
    output.hidden = text === "";
    growText(output, text.slice(from));
    if (low) output.scrollTop = output.scrollHeight;
  };
}

/** The command without the shell that the core puts around it. */
export function shownCommand(item) {
  const actions = item.commandActions ?? [];
  if (actions.length === 1 && actions[0].command) return actions[0].command;
  const wrapped = /^\S*\/(?:ba|z|da)?sh -l?c '([^']*)'$/.exec(item.command ?? "");
  return wrapped ? wrapped[1] : (item.command ?? "");
}

function commandState(item, status) {
  if (status === "discarded") return ["off", "broken off"];
  if (status === "open") return ["busy", "running"];
  if (item.status === "declined") return ["bad", "declined, not run"];
  if (typeof item.exitCode !== "number") return ["off", item.status ?? "ended"];
  const took = item.durationMs >= 1000 ? `, ${(item.durationMs / 1000).toFixed(1)} s` : "";
  return [item.exitCode === 0 ? "good" : "bad", `exit ${item.exitCode}${took}`];
}

function fileChange(node, folder) {
  const files = el("div", "files");
  node.append(files);
  let drawn = "";
  return ({ item, status }) => {
    const state = status === "open" ? "writing" : item.status === "completed" ? "" : (item.status ?? "");
    const now = JSON.stringify([item.changes, state]);
    if (now === drawn) return;
    drawn = now;
    files.replaceChildren(...(item.changes ?? []).map((change) => file(change, state, folder)));
  };
}

const KINDS = { add: "new file", delete: "deleted", update: "changed" };

function file(change, state, folder) {
  const kind = change.kind?.type ?? "update";
  // Of a whole file that comes or goes the core sends the content, without signs.
  const sign = { add: "+", delete: "-" }[kind];
  const text = change.diff ?? "";
  const whole = sign && !text.startsWith("@@");
  const lines = text.replace(/\n$/, "").split("\n");
  const to = change.kind?.move_path;
  const path = shortPath(change.path, folder) + (to ? ` → ${shortPath(to, folder)}` : "");
  return diffBox(path, state || KINDS[kind] || kind, whole ? lines.map((each) => sign + each) : lines);
}

export function shortPath(path, folder) {
  const prefix = folder ? `${folder.replace(/\/$/, "")}/` : null;
  return prefix && path?.startsWith(prefix) ? path.slice(prefix.length) : (path ?? "");
}

function diffBox(path, words, lines) {
  const added = lines.filter((line) => line.startsWith("+")).length;
  const gone = lines.filter((line) => line.startsWith("-")).length;
  const counts = el("span", "counts", el("ins", "", `+${added}`), " ", el("del", "", `−${gone}`));
  const bar = el("div", "bar", el("code", "line", path), el("span", "state", words), counts);
  return el("div", "file", bar, diffLines(lines));
}

/** A diff by lines: signs and colours both, so that neither alone has to tell. */
export function diffLines(lines) {
  const rows = [];
  let header = false; // between "diff --git" and the first "@@" only names and modes are told
  for (const line of lines.slice(0, DIFF_LINES)) {
    const names = /^diff --git a\/.* b\/(.*)$/.exec(line);
    if (names) header = true;
    else if (line.startsWith("@@")) header = false;
    if (names) rows.push(el("div", "row meta name", names[1]));
    else if (!header) rows.push(diffLine(line));
    else if (!/^(index |--- |\+\+\+ )/.test(line)) rows.push(el("div", "row meta", line));
  }
  if (lines.length > DIFF_LINES) {
    rows.push(el("div", "row meta", `… ${lines.length - DIFF_LINES} more lines`));
  }
  const box = el("div", "diff", ...rows);
  box.tabIndex = 0;
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Changed lines");
  return box;
}

function diffLine(line) {
  const [kind, sign] = SIGNS[line[0]] ?? ["meta", ""];
  const text = kind === "meta" ? line : line.slice(1);
  return el("div", `row ${kind}`, el("span", "sign", sign), el("span", "text", text));
}

const SIGNS = { "+": ["add", "+"], "-": ["del", "−"], " ": ["same", " "] };

/** Items without a form of their own here: their type, what names them, and their JSON. */
function other(node) {
  const name = el("span", "name");
  const what = el("span", "what");
  const body = el("pre", "json");
  const fold = el("details", "", el("summary", "", name, " ", what), body);
  node.append(fold);
  let shown = null;
  const fill = () => fold.open && setText(body, JSON.stringify(shown, null, 2).slice(0, 50_000));
  fold.addEventListener("toggle", fill);
  return ({ item, type, status }) => {
    shown = item;
    setText(name, type.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`));
    const told = [item.server, item.tool, item.query, item.path].filter((each) => typeof each === "string");
    setText(what, [...told, status === "open" ? "…" : ""].join(" "));
    fill();
  };
}
