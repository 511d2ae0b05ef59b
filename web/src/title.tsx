/** The tab's title follows the conversation that is open. */

import type { ConversationInfo } from "codex-http-client";
import { useConversation } from "codex-http-client/react";
import { useEffect } from "react";

const PAGE = "codex-http-server";
const MOST = 60; // characters of a conversation's name

interface TitleProps {
  readonly id: string | null;
}

/** Draws nothing. */
export function Title({ id }: TitleProps) {
  return id === null ? <Titled name={null} /> : <Following id={id} />;
}

function Following({ id }: { readonly id: string }) {
  const { conversation } = useConversation(id);
  return <Titled name={conversation && nameOf(conversation)} />;
}

function Titled({ name }: { readonly name: string | null }) {
  useEffect(() => {
    document.title = name ? `${name.slice(0, MOST)} – ${PAGE}` : PAGE;
  }, [name]);
  return null;
}

/** What a conversation is called: its title, else how its first message begins. */
export function nameOf({ title, preview }: ConversationInfo): string {
  return title || preview || "New conversation";
}
