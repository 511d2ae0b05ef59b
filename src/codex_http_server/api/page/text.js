// Agent text as nodes: paragraphs, code blocks, `code` and **bold**. Nothing more, on purpose.

import { el } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^(#{1,6})\s+(.+)$/;
const INLINE = /(`+)(?!`)([\s\S]*?[^`])\1(?!`)|\*\*([^*\n]+)\*\*/g;
const PLAIN = 20_000; // characters from which a paragraph is shown as it is

/** Split text into blocks `{kind: "text" | "code" | "head", text}`. */
export function blocks(text) {
  const found = [];
  let open = null; // the fence of the code block we are in
  let lines = [];
  const flush = (kind) => {
    if (lines.length || kind === "code") found.push({ kind, text: lines.join("\n") });
    lines = [];
  };
  for (const line of text.split("\n")) {
    const fence = FENCE.exec(line);
    if (open !== null) {
      const closes = fence && fence[1].startsWith(open) && !fence[2];
      if (closes) {
        flush("code");
        open = null;
      } else lines.push(line);
    } else if (fence) {
      flush("text");
      open = fence[1];
    } else if (HEADING.test(line)) {
      flush("text");
      lines = [HEADING.exec(line)[2]];
      flush("head");
    } else if (line.trim() === "") flush("text");
    else lines.push(line);
  }
  flush(open !== null ? "code" : "text");
  return found;
}

/** Draw `text` into `box`; nodes of blocks that did not change stay. */
export function drawText(box, text) {
  const wanted = blocks(text);
  const drawn = (box.blocks ??= []);
  for (const [index, block] of wanted.entries()) {
    const old = drawn[index];
    if (old && old.kind === block.kind) {
      if (old.text !== block.text) fill(old.node, block, old.text);
      old.text = block.text;
      continue;
    }
    const node = el(block.kind === "code" ? "pre" : block.kind === "head" ? "h4" : "p", block.kind);
    if (block.kind === "code") node.append(el("code"));
    fill(node, block, "");
    if (old) old.node.replaceWith(node);
    else box.append(node);
    drawn[index] = { ...block, node };
  }
  for (const extra of drawn.splice(wanted.length)) extra.node.remove();
}

function fill(node, block, before) {
  if (block.kind === "code") growText(node.firstChild, block.text, before);
  else if (block.text.length > PLAIN) growText(node, block.text, before);
  else node.replaceChildren(...inline(block.text));
}

/** Set a node's text; only what is new is added when the text has grown. */
export function growText(node, text, before = node.textContent) {
  const only = node.childNodes.length === 1 ? node.firstChild : null;
  if (only && only.length === before.length && text.startsWith(before)) only.appendData(text.slice(before.length));
  else node.textContent = text;
}

function inline(text) {
  const nodes = [];
  let from = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > from) nodes.push(text.slice(from, found.index));
    nodes.push(found[3] ? el("strong", "", found[3]) : el("code", "", found[2].trim()));
    from = found.index + found[0].length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}
