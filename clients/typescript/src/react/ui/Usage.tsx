/** What is used up: the model's context, this conversation's tokens, and the limits of the account. */

import { type KeyboardEvent, type ReactNode, useState } from "react";

import type { RateLimit } from "../../generated/index.js";
import { useUsage, type UseConversation } from "../index.js";
import { Problem } from "./action.js";
import { count, limitName, moment, type Spent, spent } from "./words.js";

export function Usage({ usage }: Pick<UseConversation, "usage">) {
  const [open, setOpen] = useState(false); // the limits are read only for those who look
  const tokens = spent(usage);
  return (
    <details className="codex-usage" onToggle={({ currentTarget }) => setOpen(currentTarget.open)} onKeyDown={closeOnEscape}>
      <summary aria-label={tokens ? undefined : "Usage"}>
        {tokens ? `${count(tokens.total)} tokens` : "Usage"}
        {tokens?.context && `, ${tokens.context.left} % left`}
      </summary>
      {open && (
        <div role="group" aria-label="Usage">
          {tokens && <Tokens {...tokens} />}
          <h3>Limits of the account</h3>
          <Limits />
        </div>
      )}
    </details>
  );
}

function closeOnEscape({ key, currentTarget }: KeyboardEvent<HTMLElement>): void {
  if (key !== "Escape") return;
  currentTarget.removeAttribute("open");
  currentTarget.querySelector("summary")?.focus();
}

function Tokens({ total, input, cached, output, context }: Spent) {
  return (
    <>
      {context && (
        <>
          <h3>Context of the model</h3>
          <Gauge name="Context in use" percent={100 - context.left}>
            {count(context.used)} of {count(context.window)} tokens, {context.left} % left
          </Gauge>
        </>
      )}
      <h3>This conversation</h3>
      <p>{count(total)} tokens: {count(input)} in ({count(cached)} of them cached), {count(output)} out</p>
    </>
  );
}

const REASONS: Readonly<Record<string, string>> = {
  not_signed_in: "Nobody is signed in.",
  api_key: "An API key has no such limits.",
  provider_needs_no_login: "The model's provider has no such limits.",
  unreadable: "They can't be read at the moment.",
  core_unavailable: "They can't be read at the moment.",
};

function Limits() {
  const { usage, error, again } = useUsage();
  if (error) return <Problem error={error} onAgain={again} />;
  if (usage === null) return <p className="codex-hint" role="status">Reading …</p>;
  const { rate_limits: limits, reason, credits } = usage;
  return (
    <>
      {limits.length === 0 && <p className="codex-hint">{REASONS[reason ?? ""] ?? "None is known."}</p>}
      {limits.map((limit) => <Limit key={`${limit.limit_id} ${limit.window}`} limit={limit} />)}
      {credits?.has_credits && credits.balance !== null && <p>Credits: {credits.balance}</p>}
      {usage.stale && usage.fetched_at && <p className="codex-hint">As of {moment(usage.fetched_at, Date.now())}</p>}
    </>
  );
}

function Limit({ limit }: { readonly limit: RateLimit }) {
  const { used_percent: used, resets_at: anew, reached } = limit;
  const name = limitName(limit);
  return (
    <Gauge name={name} percent={used}>
      {name}: {used === null ? "not known" : `${used} % used`}
      {anew && `, begins anew ${moment(anew, Date.now())}`}
      {reached && <span className="codex-state codex-bad"> reached</span>}
    </Gauge>
  );
}

interface GaugeProps {
  readonly name: string;
  /** What is used, 0 to 100. */
  readonly percent: number | null;
  readonly children: ReactNode;
}

function Gauge({ name, percent, children }: GaugeProps) {
  return (
    <div className="codex-gauge">
      <p>{children}</p>
      {percent !== null && <meter aria-label={name} min={0} max={100} low={75} high={90} optimum={0} value={percent} />}
    </div>
  );
}
