/** The parts of what a search found. */

import type { Snippet } from "./types.js";

/** A part of a snippet's text; `found`: it is what was looked for. */
export interface SnippetPart {
  readonly text: string;
  readonly found: boolean;
}

/**
 * The text of a snippet in order, cut where what was found begins and ends: to be drawn as text, for
 * instance with `<mark>` around what was found. The server counts characters, strings here do not.
 */
export function parts({ text, matches }: Snippet): SnippetPart[] {
  const characters = [...text];
  const cut = (start: number, end?: number) => characters.slice(start, end).join("");
  const found: SnippetPart[] = [];
  let at = 0;
  for (const { start, end } of matches) {
    found.push({ text: cut(at, start), found: false }, { text: cut(start, end), found: true });
    at = end;
  }
  found.push({ text: cut(at), found: false });
  return found.filter((part) => part.text !== "");
}
