/** Codex in a window: how the server stands, signing in, the conversations, the chat. */

import { CodexClient } from "codex-http-client";
import type { CodexBridge, CodexState } from "codex-http-client/electron/preload";
import {
  type ChatItem,
  CodexProvider,
  useAccount,
  useConversation,
  useConversations,
} from "codex-http-client/react";
import { type FormEvent, useEffect, useState } from "react";

import "./CodexChat.css";

declare global {
  interface Window {
    readonly codex: CodexBridge;
  }
}

const { codex } = window;
const client = new CodexClient({ baseUrl: "codex://app/api", token: () => codex.getKey() });

export function CodexChat() {
  const server = useServer();
  if (server === null || ["starting", "failed", "stopped"].includes(server.state)) {
    return <NoServer server={server} />;
  }
  return (
    <CodexProvider client={client}>
      <SignIn />
      <Conversations />
    </CodexProvider>
  );
}

/** How the server stands; null until that is known. */
function useServer(): CodexState | null {
  const [state, setState] = useState<CodexState | null>(null);
  useEffect(() => {
    const leave = codex.onState(setState);
    void codex.getState().then(setState);
    return leave;
  }, []);
  return state;
}

function NoServer({ server }: { server: CodexState | null }) {
  const failed = server?.state === "failed";
  return (
    <main className="alone" role={failed ? "alert" : "status"}>
      <h1>{server?.message ?? "Codex is starting."}</h1>
      {server?.hint && <p>{server.hint}</p>}
      {failed && <button onClick={() => void codex.start()}>Try again</button>}
      {failed && <button onClick={() => void codex.showLog()}>Show the log</button>}
      {server && server.log.length > 0 && <pre>{server.log.join("\n")}</pre>}
    </main>
  );
}

function SignIn() {
  const { account, login, cancel } = useAccount();
  if (account === null || account.authenticated || !account.requires_login) return null;
  return (
    <aside role="status">
      <span>{login ? "Sign in in your browser." : account.detail}</span>
      {login?.user_code && <strong>{login.user_code}</strong>}
      {login ? (
        <button onClick={() => void cancel()}>Cancel</button>
      ) : (
        <button onClick={() => void codex.login()}>Sign in</button>
      )}
    </aside>
  );
}

function Conversations() {
  const { conversations, create } = useConversations();
  const [current, open] = useState<string | null>(null);
  useEffect(() => codex.onOpen(open), []);
  const begin = async () => {
    const folder = await codex.pickFolder();
    if (folder !== null) open((await create(folder)).id);
  };
  return (
    <div className="app">
      <nav aria-label="Conversations">
        <button onClick={() => void begin()}>New in a folder …</button>
        {conversations.map(({ id, title, preview, working_directory }) => (
          <button key={id} aria-current={id === current} title={working_directory} onClick={() => open(id)}>
            {title || preview || working_directory}
          </button>
        ))}
      </nav>
      {current === null ? <main className="alone">Open a folder to begin.</main> : <Chat key={current} id={current} />}
    </div>
  );
}

/** Decisions that every approval has; a core may offer others. */
const WORDS: Readonly<Record<string, string>> = {
  accept: "Yes",
  acceptForSession: "Yes, for this session",
  acceptWithExecpolicyAmendment: "Yes, from now on",
  decline: "No",
  cancel: "No, and stop",
};

function Chat({ id }: { id: string }) {
  const { items, turns, approvals, status, reconnecting, send, answer, interrupt } = useConversation(id);
  const [text, setText] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    await send(text);
    setText("");
  };
  return (
    <main className="chat">
      <section aria-live="polite">
        {items.map((each) => <Item key={each.key} {...each} />)}
        {turns.map(({ turn_id, diff }) => diff && <pre key={turn_id} className="diff">{diff}</pre>)}
      </section>
      {approvals.map(({ approval_id, kind, request, decisions }) => (
        <div key={approval_id} className="asks" role="alertdialog" aria-label="Codex asks">
          <span>May Codex do this? ({kind}) {String((request as { command?: string }).command ?? "")}</span>
          {decisions.map(({ id: decision }) => (
            <button key={decision} onClick={() => void answer(approval_id, decision)}>
              {WORDS[decision] ?? decision}
            </button>
          ))}
        </div>
      ))}
      {reconnecting && <p role="status">The connection was lost; it comes back by itself.</p>}
      <form onSubmit={(event) => void submit(event)}>
        <textarea aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        <button disabled={!text.trim()}>Send</button>
        {status === "running" && <button type="button" onClick={() => void interrupt()}>Stop</button>}
      </form>
    </main>
  );
}

function Item({ item_type, item }: ChatItem) {
  return <div className={`item ${item_type}`}>{item ? textOf(item) : item_type}</div>;
}

/** What an item says; the objects are Codex's own. */
function textOf(item: NonNullable<ChatItem["item"]>): string {
  switch (item.type) {
    case "userMessage":
      return item.content.map((part) => (part.type === "text" ? part.text : "")).join("");
    case "commandExecution":
      return `$ ${item.command}\n${item.aggregatedOutput ?? ""}`;
    case "fileChange":
      return item.changes.map(({ path }) => path).join("\n");
    case "agentMessage":
    case "plan":
      return item.text;
    default:
      return item.type;
  }
}
