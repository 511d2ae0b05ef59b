/** A chat with what it needs at least: the list, a conversation, sending, stopping, answering. */

import type { Approval } from "codex-http-client";
import { type ChatItem, useCodex, useConversation, useConversations } from "codex-http-client/react";
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";

import { nameOf } from "./title";

interface ChatProps {
  readonly conversationId: string | null;
  readonly onConversation: (id: string | null) => void;
  readonly workingDirectory: string;
}

export function Chat({ conversationId, onConversation, workingDirectory }: ChatProps) {
  return (
    <div className="chat">
      <List open={conversationId} onOpen={onConversation} />
      <main aria-label="Conversation">
        {conversationId === null ? (
          <Start folder={workingDirectory} onOpen={onConversation} />
        ) : (
          <Talk key={conversationId} id={conversationId} />
        )}
      </main>
    </div>
  );
}

interface ListProps {
  readonly open: string | null;
  readonly onOpen: (id: string | null) => void;
}

function List({ open, onOpen }: ListProps) {
  const { conversations, error } = useConversations();
  return (
    <nav aria-label="Conversations">
      <button type="button" onClick={() => onOpen(null)}>New conversation</button>
      <Problem error={error} />
      <ul>
        {conversations.map((each) => (
          <li key={each.id}>
            <button type="button" aria-current={each.id === open} onClick={() => onOpen(each.id)}>{nameOf(each)}</button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

// --- a new one ---------------------------------------------------------------------------------

const SANDBOXES = ["read-only", "workspace-write", "danger-full-access"] as const;
type Sandbox = (typeof SANDBOXES)[number];

interface StartProps {
  readonly folder: string;
  readonly onOpen: (id: string) => void;
}

function Start({ folder: given, onOpen }: StartProps) {
  const client = useCodex();
  const mayElevate = useMayElevate();
  const [folder, setFolder] = useState(given);
  const [sandbox, setSandbox] = useState<Sandbox | "">("");
  const send = async (text: string) => {
    const conversation = await client.create(folder, sandbox ? { sandbox } : {});
    await conversation.send(text);
    onOpen(conversation.id);
  };
  return (
    <>
      <label>
        Working directory <input value={folder} onChange={({ target }) => setFolder(target.value)} />
      </label>
      <label>
        Sandbox{" "}
        <select value={sandbox} onChange={({ target }) => setSandbox(target.value as Sandbox | "")}>
          <option value="">as configured</option>
          {SANDBOXES.map((each) => (
            <option key={each} value={each} disabled={each === "danger-full-access" && !mayElevate}>
              {each}
              {each === "danger-full-access" && !mayElevate ? " (needs the scope elevate: codex-http-server open)" : ""}
            </option>
          ))}
        </select>
      </label>
      <Composer onSend={send} />
    </>
  );
}

function useMayElevate(): boolean {
  const client = useCodex();
  const [may, setMay] = useState(false);
  useEffect(() => {
    client.api.getSession().then(({ scopes }) => setMay(scopes.includes("elevate")), () => undefined);
  }, [client]);
  return may;
}

// --- one that is there -------------------------------------------------------------------------

function Talk({ id }: { readonly id: string }) {
  const { conversation, items, approvals, queue, status, error, reconnecting, send, interrupt, answer } = useConversation(id);
  return (
    <>
      {conversation && <h2>{nameOf(conversation)}</h2>}
      {reconnecting && <p role="status">The connection is lost. It comes back by itself.</p>}
      <Problem error={error} />
      <section aria-label="Messages">
        {items.map((item) => <Item key={item.key} item={item} />)}
        {approvals.map((each) => (
          <Asked key={each.approval_id} approval={each} onAnswer={(decision) => void answer(each.approval_id, decision)} />
        ))}
      </section>
      <ol aria-label="Waiting messages">
        {queue.map(({ submit_id, input }) => <li key={submit_id}>{wordsOf({ content: input })}</li>)}
      </ol>
      {(status === "running" || status === "waiting") && (
        <button type="button" onClick={() => void interrupt()}>Stop</button>
      )}
      <Composer onSend={async (text) => void (await send(text))} />
    </>
  );
}

function Item({ item: { item_type: type, item, status } }: { readonly item: ChatItem }) {
  return <article data-type={type} data-status={status}>{wordsOf(item ?? {})}</article>;
}

/** What an item says, in the order of what says it best. */
function wordsOf(item: Readonly<Record<string, unknown>>): string {
  if (Array.isArray(item["content"])) return item["content"].map((part: { text?: string }) => part.text ?? "").join("");
  const said = item["text"] ?? item["aggregatedOutput"] ?? item["command"];
  return typeof said === "string" ? said : JSON.stringify(item["changes"] ?? item["summary"] ?? null);
}

interface AskedProps {
  readonly approval: Approval;
  readonly onAnswer: (decision: string) => void;
}

function Asked({ approval: { kind, decisions }, onAnswer }: AskedProps) {
  return (
    <section aria-label="Approval">
      Codex asks: {kind}
      {decisions.map(({ id }) => <button key={id} type="button" onClick={() => onAnswer(id)}>{id}</button>)}
    </section>
  );
}

// --- writing -----------------------------------------------------------------------------------

function Composer({ onSend }: { readonly onSend: (text: string) => Promise<void> }) {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    setText("");
    setError(null);
    onSend(text).catch((failure: Error) => setError(failure));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    form.current?.requestSubmit();
  };
  return (
    <form ref={form} onSubmit={submit}>
      <Problem error={error} />
      <textarea aria-label="Message" value={text} onChange={({ target }) => setText(target.value)} onKeyDown={onKeyDown} />
      <button type="submit">Send</button>
    </form>
  );
}

function Problem({ error }: { readonly error: Error | null }) {
  if (!error) return null;
  const { hint, code } = error as { hint?: string | null; code?: string };
  return <p role="alert">{[error.message, hint, code].filter(Boolean).join(" ")}</p>;
}
