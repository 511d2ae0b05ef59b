/** The files that fit what follows an @ in the message. */

import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";

import type { HitView } from "../../generated/index.js";
import { useCodex } from "../index.js";
import type { Draft } from "./draft.js";

const PAUSE = 120; // milliseconds after a key before it is asked
const SHOWN = 8;

interface FileMenuOptions {
  readonly conversationId: string | null;
  readonly text: string;
  readonly box: RefObject<HTMLTextAreaElement | null>;
  readonly onChange: (by: (draft: Draft) => Draft) => void;
}

/** The word at the caret, if it begins with an @: where it begins and what follows. */
export function mentioned(text: string, caret: number): { start: number; query: string } | null {
  const found = /(?:^|\s)@(\S*)$/.exec(text.slice(0, caret));
  return found ? { start: caret - (found[1]?.length ?? 0) - 1, query: found[1] ?? "" } : null;
}

export type FileMenuState = ReturnType<typeof useFileMenu>;

export function useFileMenu({ conversationId, text, box, onChange }: FileMenuOptions) {
  const [query, setQuery] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const hits = useHits(conversationId, query);
  const close = () => setQuery(null);
  const look = ({ value, selectionStart }: HTMLTextAreaElement) => {
    setQuery(mentioned(value, selectionStart)?.query ?? null);
    setActive(0);
  };
  const choose = ({ path, name }: HitView) => {
    const caret = box.current?.selectionStart ?? text.length;
    const at = mentioned(text, caret);
    if (!at) return;
    const typed = `@${path} `;
    onChange((draft) => ({
      text: draft.text.slice(0, at.start) + typed + draft.text.slice(caret),
      attachments: [...draft.attachments, { kind: "file", path, name: path || name }],
    }));
    close();
    const next = at.start + typed.length;
    requestAnimationFrame(() => box.current?.setSelectionRange(next, next));
  };
  /** Whether the key was for the menu. */
  const onKeyDown = (event: KeyboardEvent): boolean => {
    const hit = hits[active];
    if (!hit) return false;
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") {
      setActive((active + (key === "ArrowDown" ? 1 : hits.length - 1)) % hits.length);
    } else if (key === "Enter" || key === "Tab") choose(hit);
    else if (key === "Escape") close();
    else return false;
    event.preventDefault();
    return true;
  };
  return { hits, active, look, choose, close, onKeyDown };
}

const NONE: readonly HitView[] = [];

function useHits(conversationId: string | null, query: string | null): readonly HitView[] {
  const client = useCodex();
  const [hits, setHits] = useState(NONE);
  const newest = useRef(0);
  useEffect(() => {
    const mine = (newest.current += 1);
    if (conversationId === null || !query) {
      setHits(NONE);
      return;
    }
    const timer = setTimeout(() => {
      const wanted = { conversation_id: conversationId, q: query, limit: SHOWN };
      // No files is no error: the message can be written without.
      client.api.searchFiles({ query: wanted }).then(
        ({ data }) => mine === newest.current && setHits(data),
        () => mine === newest.current && setHits(NONE),
      );
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [client, conversationId, query]);
  return query === null ? NONE : hits;
}

interface FileMenuProps {
  readonly menu: FileMenuState;
  readonly id: string;
}

export function FileMenu({ menu: { hits, active, choose }, id }: FileMenuProps) {
  return (
    <ul id={id} className="codex-menu" role="listbox" aria-label="Files" hidden={hits.length === 0}>
      {hits.map((hit, index) => (
        <li
          key={hit.path}
          id={`${id}-${index}`}
          role="option"
          aria-selected={index === active}
          // Before the text box loses the focus.
          onMouseDown={(event) => {
            event.preventDefault();
            choose(hit);
          }}
        >
          {hit.path}
        </li>
      ))}
    </ul>
  );
}
