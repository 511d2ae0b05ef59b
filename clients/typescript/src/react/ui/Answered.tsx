/** What Codex asked, once it has ended: what was decided, by whom and when; what it was about is folded. */

import type { ReactNode } from "react";

import type { Approval } from "../../types.js";
import { resolved } from "./decisions.js";
import { useMine } from "./mine.js";
import { askedFor, type Json } from "./words.js";

const MARKS = { good: "✓", bad: "✕", off: "–" } as const;

interface AnsweredProps {
  readonly approval: Approval;
  readonly resolution: NonNullable<Approval["resolution"]>;
  /** What it was about. */
  readonly children: ReactNode;
}

export function Answered({ approval, resolution, children }: AnsweredProps) {
  const { approval_id: id, kind } = approval;
  const { mood, words, who } = resolved(approval, resolution, useMine(id));
  const at = new Date(resolution.at);
  return (
    <details className="codex-fold codex-answered" data-answered={id}>
      <summary>
        <span className={`codex-state codex-${mood}`} aria-hidden="true">{MARKS[mood]}</span> <strong>{words}</strong>
        {who && ` ${who}`} · <time dateTime={resolution.at} title={at.toLocaleString()}>{at.toLocaleTimeString([], { timeStyle: "short" })}</time>
      </summary>
      <div className="codex-answered-body">
        <p>{askedFor(kind)}.</p>
        {children}
        <Given kind={kind} answer={resolution.answer} />
      </div>
    </details>
  );
}

/** What a person filled in. */
function Given({ kind, answer }: { readonly kind: Approval["kind"]; readonly answer: Json | null }) {
  if (!answer || (kind !== "question" && kind !== "elicitation" && kind !== "tool_call")) return null;
  return <pre className="codex-output">{JSON.stringify(answer, null, 2)}</pre>;
}
