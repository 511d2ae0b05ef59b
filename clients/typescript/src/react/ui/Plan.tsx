/** What the agent means to do in a turn: its steps, and how each stands. Folded once the turn is over. */

import type { Plan } from "../../types.js";
import { planWords } from "./words.js";

type Status = Plan["steps"][number]["status"];

/** A mark for those who see it, words for those who listen. */
const STANDS: Readonly<Record<Status, readonly [string, string]>> = {
  completed: ["✓", "done"],
  inProgress: ["▸", "in progress"],
  pending: ["○", "to do"],
};

interface PlanCardProps {
  readonly plan: Plan;
  /** Whether its turn runs. */
  readonly running: boolean;
}

export function PlanCard({ plan: { explanation, steps }, running }: PlanCardProps) {
  return (
    <details className="codex-plan" open={running}>
      <summary>{planWords(steps)}</summary>
      {explanation && <p className="codex-hint">{explanation}</p>}
      <ol aria-label="Plan">
        {steps.map(({ step, status }, index) => {
          const [mark, words] = STANDS[status] ?? STANDS.pending;
          return (
            <li key={index} data-status={status} aria-current={status === "inProgress" ? "step" : undefined}>
              <span aria-hidden="true">{mark}</span>
              <span>{step}<span className="codex-hidden">, {words}</span></span>
            </li>
          );
        })}
      </ol>
    </details>
  );
}
