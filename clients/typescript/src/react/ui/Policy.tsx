/** What the next turns run under: model, effort, sandbox, and when Codex asks. */

import type { ConversationInfo, ConversationOptions } from "../../types.js";
import { useModels } from "../index.js";

export type Policies = Pick<ConversationOptions, "model" | "reasoning_effort" | "sandbox" | "approval_policy">;

interface PolicyProps {
  /** As it is; null where the conversation is not made yet. */
  readonly of: Pick<ConversationInfo, "model" | "reasoning_effort" | "sandbox" | "approval_policy"> | null;
  /** What was chosen for a conversation that is not made yet. */
  readonly chosen?: Policies;
  readonly scopes: readonly string[] | null;
  readonly disabled?: boolean;
  readonly onChange: (change: Policies) => void;
}

const SANDBOXES = [
  ["read-only", "Only reads"],
  ["workspace-write", "Writes in its folder"],
  ["danger-full-access", "No sandbox"],
] as const;
const APPROVALS = [
  ["untrusted", "Asks for most"],
  ["on-request", "Asks if needed"],
  ["never", "Never asks"],
] as const;
const ELEVATED: ReadonlySet<string> = new Set(["danger-full-access", "never"]);

export function Policy({ of, chosen = {}, scopes, disabled = false, onChange }: PolicyProps) {
  const models = useModels();
  const standard = models?.find((each) => each.standard)?.id ?? null;
  const model = chosen.model ?? of?.model ?? standard;
  const efforts = models?.find(({ id }) => id === model)?.efforts ?? [];
  const elevate = scopes === null || scopes.includes("elevate");
  const refuse = (value: string) => ELEVATED.has(value) && !elevate;
  return (
    <fieldset className="codex-policy" disabled={disabled}>
      <legend className="codex-hidden">What the next turns run under</legend>
      <Choice
        name="Model"
        value={model}
        options={(models ?? []).map(({ id, name }) => [id, name])}
        onChange={(value) => onChange({ model: value, reasoning_effort: null })}
      />
      {efforts.length > 0 && (
        <Choice
          name="Effort"
          value={chosen.reasoning_effort ?? of?.reasoning_effort ?? null}
          options={efforts.map((effort) => [effort, effort])}
          onChange={(value) => onChange({ reasoning_effort: value })}
        />
      )}
      <Choice
        name="Sandbox"
        value={chosen.sandbox ?? of?.sandbox ?? null}
        options={SANDBOXES}
        refuse={refuse}
        onChange={(value) => onChange({ sandbox: value as NonNullable<Policies["sandbox"]> })}
      />
      <Choice
        name="Approvals"
        value={chosen.approval_policy ?? (typeof of?.approval_policy === "string" ? of.approval_policy : null)}
        options={APPROVALS}
        refuse={refuse}
        onChange={(value) => onChange({ approval_policy: value as NonNullable<Policies["approval_policy"]> })}
      />
    </fieldset>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly value: string | null;
  readonly options: readonly (readonly [string, string])[];
  readonly refuse?: (value: string) => boolean;
  readonly onChange: (value: string) => void;
}

/** One of a few. A value that is not among them is shown as it is. */
function Choice({ name, value, options, refuse, onChange }: ChoiceProps) {
  const known = value !== null && options.some(([id]) => id === value);
  return (
    <select aria-label={name} title={name} value={value ?? ""} onChange={({ target }) => onChange(target.value)}>
      {value === null && <option value="" disabled>{name}: default</option>}
      {value !== null && !known && <option value={value}>{value}</option>}
      {options.map(([id, words]) => (
        <option key={id} value={id} disabled={refuse?.(id)}>
          {words}{refuse?.(id) ? " (needs the scope elevate)" : ""}
        </option>
      ))}
    </select>
  );
}
