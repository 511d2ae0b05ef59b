/** The messages of a conversation, newest at the end; only the rows in view are in the document. */

import { memo, type ReactNode, type RefObject, useEffect, useMemo, useRef, useState } from "react";
import { useStickToBottom } from "use-stick-to-bottom";
import { Virtualizer, type VirtualizerHandle } from "virtua";

import type { TurnInfo } from "../../types.js";
import type { UseConversation } from "../index.js";
import { Problem, useAction } from "./action.js";
import { Approval } from "./Approval.js";
import { Diff } from "./Diff.js";
import { Item } from "./Item.js";
import { isAt, type Place, useWay, type Way } from "./place.js";
import { PlanCard } from "./Plan.js";
import { type Row, rowsOf } from "./rows.js";
import { str, turnEnd, turnError, type Json } from "./words.js";

const ABOVE = 56; // pixels that what stands before the first row takes

interface MessagesProps {
  readonly conversation: UseConversation;
  /** What is to be brought into view. */
  readonly at: Place | null;
  readonly scopes: readonly string[] | null;
  /** Drawn after the last row. */
  readonly children?: ReactNode;
}

export function Messages({ conversation, at, scopes, children }: MessagesProps) {
  const { items, turns, approvals, answered, hasOlder, loadOlder, answer } = conversation;
  const id = conversation.conversation?.id ?? "";
  const folder = conversation.conversation?.working_directory ?? null;
  const rows = useMemo(() => rowsOf({ items, turns, approvals, answered }), [items, turns, approvals, answered]);
  const { scrollRef, contentRef, isAtBottom, scrollToBottom, stopScroll } = useStickToBottom({ initial: "instant", resize: "instant" });
  const older = useAction(loadOlder);
  const list = useRef<VirtualizerHandle>(null);
  const onThere = (index: number) => {
    stopScroll(); // of the end, which else is kept in view
    list.current?.scrollToIndex(index, { align: "start", offset: -ABOVE });
  };
  const way = useWay({ place: at, rows, hasOlder, onOlder: () => void older.run(), onThere });
  return (
    <div className="codex-messages">
      <OnTheWay way={way} />
      <div className="codex-scroll" ref={scrollRef} tabIndex={0} role="region" aria-label="Messages">
        <div ref={contentRef} className="codex-column">
          <div className="codex-older" style={{ height: ABOVE }}>
            {hasOlder && (
              <button type="button" disabled={older.busy} onClick={() => void older.run()}>
                {older.busy ? "Reading …" : "Show older messages"}
              </button>
            )}
          </div>
          <Problem error={older.error} />
          <Virtualizer
            ref={list}
            scrollRef={scrollRef as RefObject<HTMLElement | null>}
            startMargin={ABOVE}
            shift={useGrownAbove(rows)}
            data={rows}
          >
            {(row) => (
              <div key={row.key} className={isAt(row, at) ? "codex-found" : undefined}>
                <RowView row={row} id={id} folder={folder} scopes={scopes} answer={answer} />
              </div>
            )}
          </Virtualizer>
          {children}
        </div>
      </div>
      {!isAtBottom && (
        <button type="button" className="codex-newest" onClick={() => void scrollToBottom("instant")}>
          Newest ↓
        </button>
      )}
      <Announced conversation={conversation} />
    </div>
  );
}

const WAYS: Readonly<Record<Way, string | null>> = {
  reading: "Looking for what was found …",
  there: null,
  far: "What was found lies further back: show older messages.",
  gone: "What was found is not in this conversation any more.",
};

/** How far the way to what was found has come. */
function OnTheWay({ way }: { readonly way: Way | null }) {
  const words = way && WAYS[way];
  return words ? <p className="codex-banner" role="status">{words}</p> : null;
}

/** Whether rows have come before the first one: then what is in view stays where it is. */
function useGrownAbove(rows: readonly Row[]): boolean {
  const before = useRef<{ first: string; length: number } | null>(null);
  const first = rows[0]?.key ?? "";
  const { current: known } = before;
  const grown = known !== null && known.first !== "" && known.first !== first && rows.length > known.length;
  useEffect(() => {
    before.current = { first, length: rows.length };
  });
  return grown;
}

interface RowProps {
  readonly row: Row;
  readonly id: string;
  readonly folder: string | null;
  readonly scopes: readonly string[] | null;
  readonly answer: UseConversation["answer"];
}

const RowView = memo(function RowView({ row, id, folder, scopes, answer }: RowProps) {
  switch (row.kind) {
    case "item":
      return <Item item={row.item} conversationId={id} folder={folder} />;
    case "approval":
      return <Approval approval={row.approval} scopes={scopes} answer={answer} folder={folder} />;
    case "plan":
      return <PlanCard plan={row.plan} running={row.running} />;
    case "foot":
      return <Foot turn={row.turn} folder={folder} />;
  }
});

/** How a turn ended, and all that it changed. */
function Foot({ turn, folder }: { readonly turn: TurnInfo; readonly folder: string | null }) {
  const [shown, show] = useState(false);
  const error = turnError(turn.turn);
  return (
    <footer className={`codex-foot codex-${turn.status}`}>
      {error && <p className="codex-problem" role="note">{error}</p>}
      <p>
        {turnEnd(turn)}
        {turn.diff && (
          <button type="button" className="codex-link" aria-expanded={shown} onClick={() => show(!shown)}>
            {shown ? "Hide" : "Show"} what it changed
          </button>
        )}
      </p>
      {shown && turn.diff && <Diff text={turn.diff} folder={folder} />}
    </footer>
  );
}

/** For those who listen: each answer once it is whole, and what Codex asks. */
function Announced({ conversation: { items, approvals } }: { readonly conversation: UseConversation }) {
  const last = items.findLast(({ item_type, status }) => item_type === "agentMessage" && status !== "inProgress");
  const first = useRef(last?.key);
  const text = last && last.key !== first.current ? (str((last.item as Json | null)?.["text"]) ?? "") : "";
  return (
    <div className="codex-hidden" aria-live="polite">
      {approvals.length > 0 ? "Codex waits for your answer." : text}
    </div>
  );
}
