/** Tells a person who looks elsewhere that Codex has ended a turn or waits for an answer. */

import { useEffect, useRef } from "react";

import type { ConversationInfo } from "../../types.js";
import { useConversations } from "../index.js";
import { PRESENT } from "./Conversations.js";
import { nameOf } from "./Head.js";

/** Shows a notice; what is shown by default is a notification of the browser, where it is allowed. */
export type Notify = (title: string, body: string, conversationId: string) => void;

type Known = ReadonlyMap<string, Pick<ConversationInfo, "status" | "waiting_for_approval">>;

/** What is worth a notice between what was known of a conversation and what is. */
export function noticeOf(before: Known, now: ConversationInfo): string | null {
  const was = before.get(now.id);
  if (!was) return null;
  if (now.waiting_for_approval > was.waiting_for_approval) return "Codex waits for your answer.";
  return was.status === "running" && now.status === "idle" ? "Codex is done." : null;
}

export function useNotices(notify: Notify): void {
  const { conversations } = useConversations(PRESENT);
  const known = useRef<Known>(new Map());
  useEffect(() => {
    for (const each of conversations) {
      const words = document.hasFocus() ? null : noticeOf(known.current, each);
      if (words) notify(nameOf(each), words, each.id);
    }
    known.current = new Map(conversations.map((each) => [each.id, each]));
  }, [conversations]);
}

/** A notification of the browser, which brings the page to the front when it is clicked. */
export function notifyInBrowser(onOpen: (id: string) => void): Notify {
  return (title, body, id) => {
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    const shown = new Notification(title, { body, tag: id });
    shown.onclick = () => {
      window.focus();
      onOpen(id);
      shown.close();
    };
  };
}
