/** What Codex asks, with exactly the answers that it takes. */

import { memo, type ReactNode, useId, useState } from "react";

import type { Approval as Asked } from "../../types.js";
import type { UseConversation } from "../index.js";
import { Problem, useAction } from "./action.js";
import { Answered } from "./Answered.js";
import { Diff } from "./Diff.js";
import { Questions, SchemaForm } from "./Forms.js";
import { remember } from "./mine.js";
import { askedFor, decisionName, str, type Json } from "./words.js";

interface ApprovalProps {
  readonly approval: Asked;
  readonly scopes: readonly string[] | null;
  readonly answer: UseConversation["answer"];
  /** Cut off paths. */
  readonly folder: string | null;
}

type Filled = Readonly<Record<string, unknown>> | string;

export const Approval = memo(function Approval(props: ApprovalProps) {
  const { approval, folder } = props;
  if (!approval.resolution) return <Waiting {...props} />;
  return <Answered approval={approval} resolution={approval.resolution}><Told approval={approval} folder={folder} /></Answered>;
});

function Waiting({ approval, scopes, answer, folder }: ApprovalProps) {
  const [filled, setFilled] = useState<Filled>({});
  const heading = useId();
  const { approval_id: id, kind, decisions, deadline_at: deadline } = approval;
  const { run, busy, error } = useAction(async (decision: string, takes: string | null) => {
    await answer(id, decision, takes ? { [takes]: filled } : {});
    remember(id);
  });
  const takes = decisions.some((each) => each.takes);
  return (
    <section className="codex-approval" role="group" aria-labelledby={heading} data-approval={id}>
      <h3 id={heading}>{askedFor(kind)}</h3>
      <Told approval={approval} folder={folder} />
      {takes && <Fields approval={approval} onChange={setFilled} />}
      <div className="codex-decisions">
        {decisions.map(({ id: decision, answer: meant, takes: wanted, needs }, index) => {
          const lacking = lack(needs, scopes);
          return (
            <button
              key={decision}
              type="button"
              className={index === 0 ? "codex-primary" : undefined}
              data-decision={decision}
              disabled={busy || lacking !== null}
              title={lacking ?? undefined}
              onClick={() => void run(decision, wanted)}
            >
              {decisionName(decision, meant)}
            </button>
          );
        })}
      </div>
      <Lacking needs={decisions.map((each) => each.needs)} scopes={scopes} />
      <Problem error={error} />
      <p className="codex-hint">
        {deadline ? `Denied at ${new Date(deadline).toLocaleTimeString()} if nobody answers.` : "It waits for an answer."}
      </p>
    </section>
  );
}

/** Why a decision can't be taken here; null where it can. */
function lack(needs: string, scopes: readonly string[] | null): string | null {
  if (scopes === null || scopes.includes(needs)) return null;
  return `This needs a token with the scope ${needs}.`;
}

/** The reason, in words that are there without a pointer. */
function Lacking({ needs, scopes }: { readonly needs: readonly string[]; readonly scopes: readonly string[] | null }) {
  const lacking = [...new Set(needs.flatMap((each) => lack(each, scopes) ?? []))];
  return lacking.map((words) => <p key={words} className="codex-hint">Greyed out: {words}</p>);
}

function Told({ approval: { kind, request, diff }, folder }: Pick<ApprovalProps, "approval" | "folder">): ReactNode {
  const asked = (request ?? {}) as Json;
  const words = [asked["reason"], asked["message"], asked["url"]].flatMap((each) => str(each) ?? []);
  const root = str(asked["grantRoot"]);
  return (
    <>
      {str(asked["command"]) && <pre className="codex-output">{str(asked["command"])}</pre>}
      {asked["permissions"] ? <pre className="codex-output">{JSON.stringify(asked["permissions"], null, 2)}</pre> : null}
      {kind === "tool_call" && (
        <pre className="codex-output">{str(asked["tool"])} {JSON.stringify(asked["arguments"], null, 2)}</pre>
      )}
      {words.map((each) => <p key={each}>{each}</p>)}
      {root && <p>It asks to write anywhere below <code>{root}</code>.</p>}
      {diff && <Diff text={diff} folder={folder} />}
    </>
  );
}

interface FieldsProps {
  readonly approval: Asked;
  readonly onChange: (filled: Filled) => void;
}

function Fields({ approval: { kind, request }, onChange }: FieldsProps) {
  const asked = (request ?? {}) as Json;
  if (kind === "question") return <Questions questions={asked["questions"]} onChange={onChange} />;
  if (kind === "elicitation") return <SchemaForm schema={asked["requestedSchema"]} onChange={onChange} />;
  return (
    <label className="codex-field">
      Result
      <textarea rows={3} onChange={({ target }) => onChange(target.value)} />
    </label>
  );
}
