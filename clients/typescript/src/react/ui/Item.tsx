/** One item of a conversation, whatever it is. */

import { memo, type ReactNode } from "react";

import type { ChatItem } from "../conversation.js";
import { Command } from "./Command.js";
import { FileChanges } from "./Diff.js";
import { Markdown } from "./Markdown.js";
import { attachmentsOf, duration, list, num, str, textOf, type Json } from "./words.js";

interface ItemProps {
  readonly item: ChatItem;
  readonly conversationId: string;
  /** Cut off paths. */
  readonly folder: string | null;
}

export const Item = memo(function Item({ item, conversationId, folder }: ItemProps) {
  const draw = DRAW[item.item_type ?? ""] ?? other;
  const drawn = draw(item, conversationId, folder);
  if (drawn === null) return null;
  const broken = item.status === "discarded";
  return (
    <article className={`codex-item codex-${item.item_type ?? "other"}`} data-item={item.item_id} data-status={item.status}>
      {drawn}
      {broken && <p className="codex-broken">Broken off here.</p>}
    </article>
  );
});

type Draw = (row: ChatItem, conversationId: string, folder: string | null) => ReactNode;

const open = ({ status }: ChatItem) => status === "inProgress";
const of = ({ item }: ChatItem): Json => item ?? {};

const DRAW: Readonly<Record<string, Draw>> = {
  userMessage: (row) => <Said content={of(row)["content"]} />,
  agentMessage: (row) => (
    <>
      <h3 className="codex-hidden">Codex</h3>
      <Markdown text={str(of(row)["text"]) ?? ""} open={open(row)} />
    </>
  ),
  reasoning: (row) => reasoning(row),
  plan: (row) => (
    <details className="codex-fold" open>
      <summary>Plan</summary>
      <Markdown text={str(of(row)["text"]) ?? ""} open={open(row)} />
    </details>
  ),
  commandExecution: (row, conversationId) => <Command item={row} conversationId={conversationId} />,
  fileChange: (row, _, folder) => <FileChanges item={of(row)} status={row.status} folder={folder} />,
  mcpToolCall: (row) => (
    <Tool row={row} name={`${str(of(row)["server"]) ?? "MCP"}: ${str(of(row)["tool"]) ?? ""}`} />
  ),
  dynamicToolCall: (row) => <Tool row={row} name={str(of(row)["tool"]) ?? "tool"} />,
  webSearch: (row) => <Line mark="Searched the web">{str(of(row)["query"])}</Line>,
  imageView: (row) => <Line mark="Looked at">{str(of(row)["path"])}</Line>,
  contextCompaction: () => <Line mark="The conversation so far was put into a summary." />,
  enteredReviewMode: (row) => <Line mark="Review of">{str(of(row)["review"])}</Line>,
  exitedReviewMode: (row) => <Markdown text={str(of(row)["review"]) ?? ""} />,
  sleep: (row) => <Line mark="Waited">{duration(num(of(row)["durationMs"]) ?? 0)}</Line>,
};

function Said({ content }: { readonly content: unknown }) {
  const text = textOf(content);
  return (
    <>
      <h3 className="codex-hidden">You</h3>
      {attachmentsOf(content).map(({ image, name }, index) => (
        image ? <img key={index} src={image} alt={name} /> : <span key={index} className="codex-chip">{name}</span>
      ))}
      {text && <div className="codex-bubble">{text}</div>}
    </>
  );
}

/** Reasoning is folded; its heading says what it is about. */
function reasoning(row: ChatItem): ReactNode {
  const item = of(row);
  const text = [...list<string>(item["summary"]), ...list<string>(item["content"])].filter(Boolean).join("\n\n");
  if (!text && !open(row)) return null;
  const head = /\*\*([^*\n]+)\*\*/.exec(text)?.[1];
  return (
    <details className="codex-fold">
      <summary>{open(row) ? "Thinking" : "Thought"}{head ? `: ${head}` : open(row) ? " …" : ""}</summary>
      <Markdown text={text} open={open(row)} />
    </details>
  );
}

function Line({ mark, children }: { readonly mark: string; readonly children?: ReactNode }) {
  return <p className="codex-note">{mark}{children ? <> <code>{children}</code></> : null}</p>;
}

/** A call of a tool: its name and how it went; what went in and came out is folded. */
function Tool({ row, name }: { readonly row: ChatItem; readonly name: string }) {
  const item = of(row);
  const failed = item["error"] || item["success"] === false || item["status"] === "failed";
  const words = open(row) ? "running" : failed ? "failed" : "done";
  return (
    <details className="codex-fold">
      <summary>
        <code>{name}</code> <span className={`codex-state codex-${failed ? "bad" : open(row) ? "busy" : "good"}`}>{words}</span>
      </summary>
      <Value name="Arguments" value={item["arguments"]} />
      <Value name="Result" value={item["error"] ?? item["result"] ?? item["contentItems"]} />
    </details>
  );
}

const VALUE_MOST = 50_000; // characters

function Value({ name, value }: { readonly name: string; readonly value: unknown }) {
  if (value === null || value === undefined) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return (
    <>
      <h4>{name}</h4>
      <pre className="codex-output" tabIndex={0} role="region" aria-label={name}>{text.slice(0, VALUE_MOST)}</pre>
    </>
  );
}

/** What has no form of its own here: its type, and all of it. */
function other(row: ChatItem): ReactNode {
  const words = (row.item_type ?? "item").replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
  return (
    <details className="codex-fold">
      <summary>{words}{open(row) ? " …" : ""}</summary>
      <Value name="Its contents" value={row.item} />
    </details>
  );
}
