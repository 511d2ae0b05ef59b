/** What the core and git say of changed files, made ready to be drawn. Pure. */

import parser, { type File } from "gitdiff-parser";

import { list, shortPath, str, type Json } from "./words.js";

/** What can be said of a file above its lines. */
export interface Change {
  readonly path: string;
  readonly words: string;
  readonly file: File | null;
  /** Shown where there are no lines: what git says of a binary file, or what is not understood. */
  readonly plain: string;
}

const KINDS: Readonly<Record<string, string>> = {
  add: "new file",
  delete: "deleted",
  update: "changed",
  modify: "changed",
  rename: "renamed",
  copy: "copied",
};

/** How many lines came and went. */
export function counts(file: File | null): readonly [number, number] {
  const kinds = (file?.hunks ?? []).flatMap(({ changes }) => changes.map(({ type }) => type));
  const those = (kind: string) => kinds.filter((each) => each === kind).length;
  return [those("insert"), those("delete")];
}

function parse(text: string): File[] {
  try {
    return parser.parse(text);
  } catch {
    return []; // it is shown as it is
  }
}

/** The files of a whole diff. */
export function ofDiff(text: string, folder: string | null): readonly Change[] {
  const files = parse(text.includes("diff --git ") ? text : withHeads(text));
  if (files.length === 0) return text.trim() ? [{ path: "", words: "changed", file: null, plain: text }] : [];
  return files.map((file) => ({
    path: file.type === "delete" ? shortPath(file.oldPath, folder) : moved(file, folder),
    words: KINDS[file.type] ?? file.type,
    file,
    plain: file.isBinary ? "A binary file." : "",
  }));
}

/** The head that git writes before each file: the diffs of questions have only the names. */
function withHeads(text: string): string {
  return text.replace(/^--- (.*)\n\+\+\+ (.*)\n(?=@@|--- |$(?![\s\S]))/gm, (_, from: string, to: string) => headOf(from, to));
}

const NOWHERE = "/dev/null";

function headOf(from: string, to: string): string {
  const mode = from === NOWHERE ? "new file mode 100644\n" : to === NOWHERE ? "deleted file mode 100644\n" : "";
  const [old, now] = [from === NOWHERE ? to : from, to === NOWHERE ? from : to];
  const side = (letter: string, path: string) => (path === NOWHERE ? path : `${letter}/${path}`);
  return `diff --git a/${old} b/${now}\n${mode}--- ${side("a", from)}\n+++ ${side("b", to)}\n`;
}

function moved({ oldPath, newPath, type }: File, folder: string | null): string {
  const to = shortPath(newPath, folder);
  return type === "rename" || type === "copy" ? `${shortPath(oldPath, folder)} → ${to}` : to;
}

interface CoreChange {
  readonly path?: string;
  readonly diff?: string;
  readonly kind?: { readonly type?: string; readonly move_path?: string | null };
}

/** The files of an item of the type `fileChange`. */
export function ofItem(item: Json, status: string, folder: string | null): readonly Change[] {
  const state = status === "inProgress" ? "writing" : str(item["status"]);
  return list<CoreChange>(item["changes"]).map(({ path = "", diff = "", kind }) => {
    const type = kind?.type ?? "update";
    const to = kind?.move_path;
    const file = parse(headed(path, type, to ?? path, diff))[0] ?? null;
    return {
      path: shortPath(path, folder) + (to ? ` → ${shortPath(to, folder)}` : ""),
      words: state && state !== "completed" ? state : (KINDS[type] ?? type),
      file,
      plain: file || !diff ? "" : diff,
    };
  });
}

/** A change of the core with its head. Of a file that comes or goes it sends the content, without signs. */
function headed(path: string, type: string, to: string, diff: string): string {
  const head = headOf(type === "add" ? NOWHERE : path, type === "delete" ? NOWHERE : to);
  if ((type !== "add" && type !== "delete") || diff.startsWith("@@")) return head + diff;
  const sign = type === "add" ? "+" : "-";
  const lines = diff.replace(/\n$/, "").split("\n");
  const range = type === "add" ? `-0,0 +1,${lines.length}` : `-1,${lines.length} +0,0`;
  return `${head}@@ ${range} @@\n${lines.map((line) => sign + line).join("\n")}\n`;
}
