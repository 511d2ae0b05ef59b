/** The whole chat: the conversations beside the one that is open, signing in, notices. */

import { type ReactNode, useCallback, useEffect, useState } from "react";

import type { CodexClient } from "../../client.js";
import { CodexProvider, useOptionalCodex, useScopes } from "../index.js";
import { Account, type OpenAddress, SignIn } from "./Account.js";
import { Conversations } from "./Conversations.js";
import { type Notify, notifyInBrowser, useNotices } from "./notices.js";
import { Pane } from "./Pane.js";
import type { Place } from "./place.js";
import { Start } from "./Start.js";

export interface CodexChatProps {
  /** By default that of the `<CodexProvider>` around it, else `new CodexClient()`. */
  readonly client?: CodexClient;
  /** Which conversation is open, where the app decides; null: a new one. */
  readonly conversationId?: string | null;
  /** Told when a person opens another one. */
  readonly onConversation?: (id: string | null) => void;
  /** Where new conversations work unless a person types another folder; an absolute path of the server's machine. */
  readonly workingDirectory?: string;
  /** Asks a person for a folder, where the app can: null if they gave it up. */
  readonly pickFolder?: () => Promise<string | null>;
  /** Opens the address of a login; by default in a new tab. */
  readonly openAddress?: OpenAddress;
  /** Stands with what asks a person to sign in. */
  readonly signInNote?: ReactNode;
  /** Shows a notice; by default one of the browser's, where the person has allowed it. */
  readonly notify?: Notify;
  /** First messages that are offered. */
  readonly examples?: readonly string[];
  /** `auto`: as the person's system has it. */
  readonly theme?: "auto" | "light" | "dark";
}

export function CodexChat({ client, ...props }: CodexChatProps) {
  const around = useOptionalCodex();
  const chat = <Chat {...props} />;
  if (around && (!client || client === around)) return chat;
  return client ? <CodexProvider client={client}>{chat}</CodexProvider> : <CodexProvider>{chat}</CodexProvider>;
}

const newTab: OpenAddress = (address) => void window.open(address, "_blank", "noopener");
const NONE: readonly string[] = [];

function Chat({ workingDirectory = "", pickFolder, openAddress = newTab, signInNote, notify, examples = NONE, theme = "auto", ...which }: Omit<CodexChatProps, "client">) {
  const [id, open] = useOpen(which);
  const [listed, setListed] = useState(false); // on a narrow screen the list is in the way
  const [at, setAt] = useState<Place | null>(null); // what is to be seen of the one that is open
  const [came, setCame] = useState(false); // only what a person has opened takes the focus
  const scopes = useScopes();
  const show = useCallback((next: string | null, place: Place | null = null) => {
    open(next);
    setAt(place);
    setListed(false);
    setCame(matchMedia("(pointer: fine)").matches); // a touch screen would show its keyboard
  }, [open]);
  useNotices(notify ?? notifyInBrowser(show));
  return (
    <div className="codex-chat" data-theme={theme} data-listed={listed}>
      <nav className="codex-list" aria-label="Conversations">
        <Conversations current={id} onOpen={show} />
        <Allow hidden={notify !== undefined} />
        <Account />
      </nav>
      <main className="codex-pane" aria-label="Conversation">
        <button type="button" className="codex-toggle" aria-expanded={listed} aria-label="Conversations" onClick={() => setListed(!listed)}>☰</button>
        <SignIn openAddress={openAddress} note={signInNote} />
        {id === null ? (
          <Start folder={workingDirectory} scopes={scopes} pickFolder={pickFolder} examples={examples} focus={came} onOpen={show} />
        ) : (
          <Pane key={id} id={id} at={at} scopes={scopes} focus={came} onOpen={show} />
        )}
      </main>
    </div>
  );
}

/** Which one is open: as the app says, or else as was clicked. */
function useOpen({ conversationId, onConversation }: Pick<CodexChatProps, "conversationId" | "onConversation">) {
  const [own, setOwn] = useState<string | null>(null);
  const open = useCallback((id: string | null) => {
    setOwn(id);
    onConversation?.(id);
  }, [onConversation]);
  return [conversationId === undefined ? own : conversationId, open] as const;
}

/** Asks for the right to show notices: only when a person wants them. */
function Allow({ hidden }: { readonly hidden: boolean }) {
  const [state, setState] = useState("granted");
  useEffect(() => setState("Notification" in globalThis ? Notification.permission : "denied"), []);
  if (hidden || state !== "default") return null;
  return (
    <button type="button" className="codex-link" onClick={() => void Notification.requestPermission().then(setState)}>
      Tell me when Codex is done
    </button>
  );
}
