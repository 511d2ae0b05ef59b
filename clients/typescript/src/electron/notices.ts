/** What is worth a word while nobody looks. Pure. */

import type { Event, EventOf } from "../types.js";

export interface Notice {
  readonly title: string;
  readonly body: string;
  readonly conversationId: string;
}

const ENDS: Readonly<Record<string, string>> = {
  completed: "Codex has finished",
  failed: "Codex could not finish",
};

/** The notice of an event; null where there is none. */
export function noticeOf(event: Event): Notice | null {
  const { conversation_id: conversationId } = event;
  if (conversationId === null) return null;
  if (event.type === "approval/requested") {
    return { title: "Codex asks for your permission", body: questionOf(event), conversationId };
  }
  if (event.type === "auth/required") {
    return { title: "Codex needs you to sign in", body: "The message waits until then.", conversationId };
  }
  const title = event.type === "turn/completed" ? ENDS[event.status] : undefined;
  return title === undefined ? null : { title, body: "Click to see what it says.", conversationId };
}

function questionOf({ data: { kind } }: EventOf<"approval/requested">): string {
  if (kind === "command") return "To run a command.";
  return kind === "file_change" ? "To change files." : "It waits for your answer.";
}
