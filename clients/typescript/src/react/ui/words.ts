/** The core's objects in words. Pure; whatever is missing in an object is missing in the words. */

import type { ApprovalView, RateLimit } from "../../generated/index.js";
import type { Plan } from "../../types.js";

export type Json = Readonly<Record<string, unknown>>;

/** One part of what a person said. */
interface InputPart {
  readonly type?: string;
  readonly text?: string;
  readonly name?: string;
  readonly path?: string;
  readonly url?: string;
}

export function str(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function num(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

export function list<Of = Json>(value: unknown): readonly Of[] {
  return Array.isArray(value) ? (value as Of[]) : [];
}

/** The text of a message. */
export function textOf(parts: unknown): string {
  return list<InputPart>(parts).flatMap(({ text }) => text ?? []).join("\n");
}

/** What goes with a message beside its text: images to be shown, and the names of the rest. */
export function attachmentsOf(parts: unknown): readonly { image: string | null; name: string }[] {
  return list<InputPart>(parts)
    .filter(({ type }) => type !== "text")
    .map(({ type, url, path, name }) => ({
      image: type === "image" && url?.startsWith("data:image/") ? url : null,
      // An upload's file has a number for a name.
      name: name ?? (/image/i.test(type ?? "") ? "image" : (path?.split("/").pop() ?? type ?? "")),
    }));
}

/** A whole message in a line, for lists. */
export function summary(parts: unknown): string {
  return textOf(parts) || attachmentsOf(parts).map(({ name }) => `[${name}]`).join(" ");
}

/** A path as seen from a folder. */
export function shortPath(path: string | null | undefined, folder: string | null | undefined): string {
  if (!path || !folder) return path ?? "";
  const from = `${folder.replace(/\/$/, "")}/`;
  if (path.startsWith(from)) return path.slice(from.length);
  // A turn's diff has paths from somewhere above the folder, where that is no repository (measured).
  const parts = from.slice(1).split("/");
  const tails = parts.slice(0, -2).map((_, index) => parts.slice(index).join("/"));
  return path.slice(tails.find((tail) => path.startsWith(tail))?.length ?? 0);
}

/** The last part of a path, which is what people call a project by. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, "").split("/").pop() || path;
}

// --- commands ----------------------------------------------------------------------------------

/** A command without the shell that the core puts around it. */
export function shownCommand(item: Json): string {
  const actions = list<{ command?: string }>(item["commandActions"]);
  if (actions.length === 1 && actions[0]?.command) return actions[0].command;
  const command = str(item["command"]) ?? "";
  return /^\S*\/(?:ba|z|da)?sh -l?c '([^']*)'$/.exec(command)?.[1] ?? command;
}

/** What a terminal would do with more than colours: titles, cursors, links. None of it is drawn. */
const TRICKS = /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b\[[0-9;?<>=]*[@-ln-~]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f]/g;

/** What a command printed, with its colours and without the rest. */
export function printed(text: string): string {
  return text.replace(TRICKS, "");
}

export type Mood = "busy" | "good" | "bad" | "off";

/** How a command stands. `status` is the item's in the log. */
export function commandState(item: Json, status: string): readonly [Mood, string] {
  if (status === "discarded") return ["off", "broken off"];
  if (status === "inProgress") return ["busy", "running"];
  if (item["status"] === "declined") return ["bad", "declined, not run"];
  const exit = num(item["exitCode"]);
  if (exit === null) return ["off", str(item["status"]) ?? "ended"];
  const took = num(item["durationMs"]) ?? 0;
  return [exit === 0 ? "good" : "bad", `exit ${exit}${took >= 1000 ? `, ${duration(took)}` : ""}`];
}

// --- turns -------------------------------------------------------------------------------------

const ENDS: Readonly<Record<string, string>> = {
  completed: "Done",
  interrupted: "Interrupted",
  failed: "Failed",
};

/** How a turn ended, and after how long; null while it runs, or where that is not known. */
export function turnEnd(turn: { status: string | null; turn: Json | null }): string | null {
  if (turn.status === null || turn.status === "inProgress") return null;
  const took = num(turn.turn?.["durationMs"]);
  return `${ENDS[turn.status] ?? turn.status}${took === null ? "" : ` in ${duration(took)}`}`;
}

export function turnError(turn: Json | null): string | null {
  const error = turn?.["error"] as Json | null | undefined;
  return error ? (str(error["message"]) ?? "The turn has failed.") : null;
}

// --- numbers -----------------------------------------------------------------------------------

export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** How long ago a time is, for lists. */
export function ago(time: string, now: number): string {
  const minutes = Math.floor((now - Date.parse(time)) / 60_000);
  if (!(minutes >= 1)) return "now";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

export function count(value: number): string {
  if (value < 1000) return String(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)} k` : `${(value / 1e6).toFixed(1)} M`;
}

/** What a conversation took in tokens, and how full the model's context is; `left` in percent. */
export interface Spent {
  readonly total: number;
  readonly input: number;
  readonly cached: number;
  readonly output: number;
  readonly context: { readonly used: number; readonly window: number; readonly left: number } | null;
}

/** The core's token report; null before the first one. */
export function spent(usage: Json | null): Spent | null {
  const of = (part: string, name: string) => num((usage?.[part] as Json | undefined)?.[name]);
  const total = of("total", "totalTokens");
  if (total === null) return null;
  const used = of("last", "totalTokens");
  const window = num(usage?.["modelContextWindow"]);
  const left = used === null || !window ? null : Math.round(100 * Math.max(0, 1 - used / window));
  return {
    total,
    input: of("total", "inputTokens") ?? 0,
    cached: of("total", "cachedInputTokens") ?? 0,
    output: of("total", "outputTokens") ?? 0,
    context: left === null ? null : { used: used ?? 0, window: window ?? 0, left },
  };
}

const HOUR = 60;
const DAY = 24 * HOUR;

/** What a limit is called: by its own name, if it has one, and by how long its window is. */
export function limitName({ limit_name, window, window_minutes: length }: RateLimit): string {
  const own = limit_name ? `${limit_name}, ` : "";
  if (!length) return `${own}${window}`;
  if (length % DAY === 0) return `${own}${length === DAY ? "1 day" : `${length / DAY} days`}`;
  return `${own}${length % HOUR === 0 ? `${length / HOUR} h` : `${length} min`}`;
}

/** A time near now, for people: the hour, and the day unless it is today. */
export function moment(time: string, now: number): string {
  const at = new Date(time);
  const isToday = at.toDateString() === new Date(now).toDateString();
  const day = isToday ? {} : ({ weekday: "short", day: "numeric", month: "short" } as const);
  return at.toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit" });
}

// --- plans -------------------------------------------------------------------------------------

/** How far a plan is, in a line. */
export function planWords(steps: Plan["steps"]): string {
  const done = steps.filter(({ status }) => status === "completed").length;
  const now = steps.find(({ status }) => status === "inProgress")?.step;
  return `Plan: ${done} of ${steps.length} done${now ? `. Now: ${now}` : ""}`;
}

// --- approvals ---------------------------------------------------------------------------------

const ASKED: Readonly<Record<ApprovalView["kind"], string>> = {
  command: "wants to run a command",
  file_change: "wants to change files",
  permissions: "asks for permissions",
  question: "has a question",
  elicitation: "asks for something on behalf of an MCP server",
  tool_call: "asks for the result of a tool",
  unknown: "asks for approval",
};

export function askedFor(kind: ApprovalView["kind"]): string {
  return `Codex ${ASKED[kind] ?? ASKED.unknown}`;
}

const DECISIONS: Readonly<Record<string, string>> = {
  accept: "Allow once",
  approved: "Allow once",
  acceptForSession: "Allow for this session",
  approved_for_session: "Allow for this session",
  acceptAlways: "Always allow",
  decline: "Deny",
  denied: "Deny",
  cancel: "Deny and stop",
  abort: "Deny and stop",
  answer: "Answer",
  result: "Send the result",
};

interface Amendments {
  readonly acceptWithExecpolicyAmendment?: { readonly execpolicy_amendment?: readonly string[] };
  readonly applyNetworkPolicyAmendment?: {
    readonly network_policy_amendment?: { readonly action: string; readonly host: string };
  };
}

/** What a decision is called on its button. */
export function decisionName(id: string, answer: Json): string {
  const known = DECISIONS[id];
  if (known) return known;
  const amendments = (answer["decision"] ?? {}) as Amendments;
  const command = amendments.acceptWithExecpolicyAmendment?.execpolicy_amendment;
  if (command) return `Always allow: ${command.join(" ")}`;
  const rule = amendments.applyNetworkPolicyAmendment?.network_policy_amendment;
  return rule ? `Always ${rule.action} ${rule.host}` : id;
}
