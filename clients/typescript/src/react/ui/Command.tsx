/** A command that Codex ran: its line, how it stands, and its output with the colours it wrote. */

import ansi from "ansi-to-react";
import { memo, useLayoutEffect, useRef, useState } from "react";

import { useCodex } from "../index.js";
import type { ChatItem } from "../conversation.js";
import { Problem, useAction } from "./action.js";
import { commandState, count, printed, shownCommand, str, type Json } from "./words.js";

// A CommonJS module: what is in it depends on who bundles it.
const Ansi = ((ansi as { default?: typeof ansi }).default ?? ansi) as typeof ansi;

const SHOWN = 20_000; // characters of output drawn at first: the last ones
const MOST = 2_000_000; // characters of output drawn at all
const LOW = 24; // pixels from the end that still count as the end

interface CommandProps {
  readonly item: ChatItem;
  readonly conversationId: string;
}

export const Command = memo(function Command({ item: row, conversationId }: CommandProps) {
  const item = (row.item ?? {}) as Json;
  const [mood, words] = commandState(item, row.status);
  const line = shownCommand(item);
  return (
    <div className="codex-command">
      <div className="codex-bar">
        <code className="codex-line" title={str(item["command"]) ?? line}>{line}</code>
        <span className={`codex-state codex-${mood}`}>{words}</span>
      </div>
      <Output
        text={str(item["aggregatedOutput"]) ?? ""}
        open={row.status === "inProgress"}
        of={{ conversationId, turnId: row.turn_id, itemId: row.item_id }}
      />
    </div>
  );
});

/** Where the server keeps all that a command wrote. */
interface Source {
  readonly conversationId: string;
  readonly turnId: string | null;
  readonly itemId: string | null;
}

function Output({ text, open, of }: { readonly text: string; readonly open: boolean; readonly of: Source }) {
  const whole = useWhole(of);
  const [box, onScroll] = useTail(text, open);
  if (!text) return null;
  const shown = whole.text ?? (text.length > SHOWN ? text.slice(-SHOWN) : text);
  return (
    <>
      {text.length > SHOWN && whole.text === null && (
        <button type="button" className="codex-more" disabled={whole.busy} onClick={() => void whole.run()}>
          Show all {count(text.length)} characters
        </button>
      )}
      <Problem error={whole.error} />
      <pre ref={box} className="codex-output" tabIndex={0} role="region" aria-label="Output" onScroll={onScroll}>
        <Ansi useClasses={true}>{printed(shown)}</Ansi>
      </pre>
    </>
  );
}

/** A box that stays at the end of a text that grows, unless somebody has scrolled up in it. */
function useTail(text: string, open: boolean) {
  const box = useRef<HTMLPreElement>(null);
  const low = useRef(true);
  useLayoutEffect(() => {
    if (box.current && open && low.current) box.current.scrollTop = box.current.scrollHeight;
  }, [text, open]);
  const onScroll = () => {
    const at = box.current;
    if (at) low.current = at.scrollTop + at.clientHeight >= at.scrollHeight - LOW;
  };
  return [box, onScroll] as const;
}

/** All that a command wrote, once somebody asks for it; at most `MOST` characters. */
function useWhole({ conversationId, turnId, itemId }: Source) {
  const client = useCodex();
  const [text, setText] = useState<string | null>(null);
  const { run, busy, error } = useAction(async () => {
    const path = { conversation_id: conversationId, turn_id: turnId ?? "", item_id: itemId ?? "" };
    let read = "";
    for (let offset = 0; read.length < MOST; ) {
      const page = await client.api.readOutput({ path, query: { offset } });
      read += page.text;
      offset = page.next_offset;
      if (page.text === "" || offset >= page.size) break;
    }
    setText(read);
  });
  return { text, run, busy, error };
}
