/** The messages that wait for the end of the running turn: to be changed, moved and taken back. */

import { type FormEvent, useState } from "react";

import type { QueuedMessage } from "../../types.js";
import type { UseConversation } from "../index.js";
import { Problem, useAction } from "./action.js";
import { summary, textOf } from "./words.js";

const SHOWN = 20; // of a long queue, the next ones

type QueueProps = Pick<UseConversation, "queue" | "edit" | "takeBack" | "reorder">;

export function Queue({ queue, edit, takeBack, reorder }: QueueProps) {
  const remove = useAction(takeBack);
  const move = useAction(async (index: number) => {
    const order = queue.map(({ submit_id: id }) => id);
    order.splice(index - 1, 2, order[index] as string, order[index - 1] as string);
    await reorder(order);
  });
  if (queue.length === 0) return null;
  return (
    <section className="codex-queue" aria-label="Waiting messages">
      <h3>Waiting{queue.length > SHOWN ? ` (${queue.length}, the next ${SHOWN} are shown)` : ""}</h3>
      <ol>
        {queue.slice(0, SHOWN).map((message, index) => (
          <Waiting
            key={message.submit_id}
            message={message}
            onEdit={edit}
            onRemove={() => void remove.run(message.submit_id)}
            onUp={index > 0 ? () => void move.run(index) : null}
          />
        ))}
      </ol>
      <Problem error={remove.error ?? move.error} />
    </section>
  );
}

interface WaitingProps {
  readonly message: QueuedMessage;
  readonly onEdit: UseConversation["edit"];
  readonly onRemove: () => void;
  readonly onUp: (() => void) | null;
}

function Waiting({ message, onEdit, onRemove, onUp }: WaitingProps) {
  const [editing, setEditing] = useState(false);
  const words = summary(message.input);
  if (editing) return <li><Edit message={message} onEdit={onEdit} onEnd={() => setEditing(false)} /></li>;
  return (
    <li>
      <span className="codex-line">{words}</span>
      {why(message) && <span className="codex-hint">{why(message)}</span>}
      {onUp && <button type="button" aria-label={`Move up: ${words}`} onClick={onUp}>↑</button>}
      <button type="button" aria-label={`Edit: ${words}`} onClick={() => setEditing(true)}>Edit</button>
      <button type="button" aria-label={`Remove: ${words}`} onClick={onRemove}>×</button>
    </li>
  );
}

function why({ status, waits }: QueuedMessage): string | null {
  if (status === "waiting_for_login") return "until somebody has signed in";
  if (waits?.reason === "quota") return "until the quota allows it";
  return waits?.reason === "held" ? "held back: everything was stopped" : null;
}

interface EditProps {
  readonly message: QueuedMessage;
  readonly onEdit: UseConversation["edit"];
  readonly onEnd: () => void;
}

function Edit({ message, onEdit, onEnd }: EditProps) {
  const [text, setText] = useState(textOf(message.input));
  const { run, busy, error } = useAction(onEdit);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(message.submit_id, text)) onEnd();
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <textarea autoFocus aria-label="Waiting message" value={text} onChange={({ target }) => setText(target.value)} />
      <button className="codex-primary" disabled={busy || !text.trim()}>Save</button>
      <button type="button" onClick={onEnd}>Cancel</button>
      <Problem error={error} />
    </form>
  );
}
