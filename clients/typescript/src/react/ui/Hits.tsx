/** What a search has found: in which conversation, who said it, and the words around it. */

import { memo, useState } from "react";

import { parts } from "../../snippet.js";
import type { SearchHit } from "../../types.js";
import { Problem } from "./action.js";
import type { Place } from "./place.js";
import type { Search } from "./search.js";
import { ago, baseName } from "./words.js";

const SAID: Readonly<Record<SearchHit["kind"], string>> = {
  title: "Title",
  preview: "You",
  message: "You",
  answer: "Codex",
  command: "Command",
  output: "Output",
  file: "File",
};

interface HitsProps {
  readonly search: Search;
  /** Conversations that are shown already: their titles are not told again. */
  readonly shown: ReadonlySet<string>;
  readonly commands: boolean;
  readonly onCommands: (on: boolean) => void;
  readonly onOpen: (id: string, at: Place | null) => void;
}

export function Hits({ search, shown, commands, onCommands, onOpen }: HitsProps) {
  const { found, busy, error, now, more } = search;
  const hits = (found?.hits ?? []).filter(({ kind, conversation_id: id }) => !(isName(kind) && shown.has(id)));
  const [at] = useState(Date.now);
  return (
    <section className="codex-hits" aria-label="Found in conversations" aria-busy={busy}>
      <div className="codex-bar">
        <h2>In conversations</h2>
        <p className="codex-hint" role="status">{told(search, hits.length)}</p>
      </div>
      <label className="codex-option codex-hint">
        <input type="checkbox" checked={commands} onChange={({ target }) => onCommands(target.checked)} /> Commands and their output too
      </label>
      {found?.complete === false && (
        <p className="codex-hint">Older conversations are still being read: search again in a moment.</p>
      )}
      <Problem error={error} onAgain={now} />
      <ul>
        {hits.map((hit) => <Hit key={`${hit.conversation_id}/${hit.kind}/${hit.seq ?? ""}`} hit={hit} now={at} onOpen={onOpen} />)}
      </ul>
      {found?.next && !busy && <button type="button" onClick={more}>Show more</button>}
    </section>
  );
}

const isName = (kind: SearchHit["kind"]) => kind === "title" || kind === "preview";

/** How the search stands. */
function told({ found, busy, error }: Search, count: number): string {
  if (busy) return "Searching …";
  if (error || !found) return "";
  if (count === 0) return "Nothing found";
  return found.next ? `The first ${count}` : `${count} found`;
}

interface HitProps {
  readonly hit: SearchHit;
  readonly now: number;
  readonly onOpen: HitsProps["onOpen"];
}

const Hit = memo(function Hit({ hit, now, onOpen }: HitProps) {
  const { conversation_id: id, kind, title, preview, turn_id, item_id, snippet, at } = hit;
  const place = turn_id !== null && item_id !== null ? { turn_id, item_id } : null;
  return (
    <li>
      <button type="button" className="codex-hit" data-hit={kind} title={hit.working_directory} onClick={() => onOpen(id, place)}>
        <span className="codex-bar">
          <span className="codex-line">{title || preview.split("\n")[0] || baseName(hit.working_directory)}</span>
          {hit.archived && <span className="codex-hint">archived</span>}
          <span className="codex-hint">{ago(at, now)}</span>
        </span>
        <span className="codex-snippet">
          <span className="codex-hint">{SAID[kind]}:</span>{" "}
          {snippet.cut_before && "… "}
          {parts(snippet).map((part, index) => (part.found ? <mark key={index}>{part.text}</mark> : part.text))}
          {snippet.cut_after && " …"}
        </span>
      </button>
    </li>
  );
});
