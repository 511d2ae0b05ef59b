/** How an approval ended, in words. Pure. */

import type { Approval } from "../../types.js";
import { decisionName } from "./words.js";

type Resolution = NonNullable<Approval["resolution"]>;

const DONE: Readonly<Record<string, string>> = {
  "Allow once": "Allowed once",
  "Allow for this session": "Allowed for this session",
  "Always allow": "Always allowed",
  "Deny": "Denied",
  "Deny and stop": "Denied and stopped",
  "Answer": "Answered",
  "Send the result": "Result sent",
};

/** Where nobody here decided. */
const ENDED: Readonly<Record<Resolution["reason"], string>> = {
  answered: "Answered",
  answered_elsewhere: "Answered",
  while_not_connected: "Answered",
  expired: "Nobody answered in time",
  interrupted: "Not answered: the turn was interrupted",
  turn_ended: "Not answered: the turn ended",
  core_lost: "Not answered: the core went away",
  server_stopped: "Not answered: the server was stopped",
  unknown_method: "Refused: this server does not know what was asked",
  no_conversation: "Refused: its conversation is not here",
};

/** What is told of the end of an approval: good or bad for what was asked, what was decided, and who did. */
export interface Resolved {
  readonly mood: "good" | "bad" | "off";
  readonly words: string;
  readonly who: string | null;
}

/** `mine`: it was answered in this tab. */
export function resolved({ decisions }: Pick<Approval, "decisions">, resolution: Resolution, mine: boolean): Resolved {
  const { decision, reason } = resolution;
  const taken = decisions.find(({ id }) => id === decision);
  const name = decision === null ? null : decisionName(decision, taken?.answer ?? {});
  return {
    mood: name === null ? "off" : /^(?:Deny|Always deny)/.test(name) ? "bad" : "good",
    words: name === null ? ENDED[reason] ?? "Ended" : past(name),
    who: mine ? "by you" : whoOf(resolution),
  };
}

/** "Always allow: npm test" was "Always allowed: npm test". */
function past(name: string): string {
  return DONE[name] ?? name.replace(/^Always allow\b/, "Always allowed").replace(/^Always deny\b/, "Always denied");
}

function whoOf({ by, reason, decision }: Resolution): string | null {
  if (reason === "expired") return decision === null ? null : "as nobody answered in time";
  if (by === "client") return `in another client of the core${reason === "while_not_connected" ? ", while this server was away" : ""}`;
  if (by === "server" || by === "core_lost") return null;
  if (by === "local") return "on this machine, without a token";
  const [kind, name] = [by.slice(0, by.indexOf(":")), by.slice(by.indexOf(":") + 1)];
  if (kind === "token") return `with the token “${name}”`;
  return kind === "page" ? "in the server's own page" : `by ${by}`;
}
