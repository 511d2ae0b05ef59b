/** Where a message is written: text, images by paste and drop, files by @name; and commands, after an !. */

import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type ReactNode,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";

import type { SendOptions } from "../../conversation.js";
import { newKey } from "../../transport.js";
import { useCodex } from "../index.js";
import { Problem, useAction } from "./action.js";
import { EMPTY, inputOf, useDraft, type Draft } from "./draft.js";
import { FileMenu, useFileMenu } from "./FileMenu.js";
import { commandIn, noCommand } from "./shell.js";

type WhileBusy = NonNullable<SendOptions["while_busy"]>;

/** A message as it goes out. The same key with the same message is one message. */
export type Outgoing = Required<Pick<SendOptions, "input" | "key" | "while_busy">>;

interface ComposerProps {
  /** Whose draft this is; null where the conversation is not made yet. */
  readonly conversationId: string | null;
  readonly running: boolean;
  /** What this caller may do; null where it is not known. */
  readonly scopes: readonly string[] | null;
  /** Whether it takes the focus: where a person has just come here. */
  readonly focus: boolean;
  readonly onSend: (message: Outgoing) => Promise<unknown>;
  /** Run a command of the person's own. */
  readonly onCommand: (command: string) => Promise<unknown>;
  readonly onStop?: (() => Promise<unknown>) | undefined;
  /** Drawn beside the buttons. */
  readonly children?: ReactNode;
}

export function Composer({ conversationId, running, scopes, focus, onSend, onCommand, onStop, children }: ComposerProps) {
  const [draft, change] = useDraft(conversationId ?? "new");
  const [whileBusy, setWhileBusy] = useState<WhileBusy>("queue");
  const keyOf = useKeys();
  const input = inputOf(draft);
  const command = commandIn(draft.text);
  const lacking = command === null ? null : noCommand(scopes, running);
  const send = useAction(async () => {
    const message = { input, while_busy: whileBusy };
    await onSend({ ...message, input, key: keyOf(JSON.stringify(message)) });
    change(() => EMPTY);
  });
  const runIt = useAction(async () => {
    await onCommand(command ?? "");
    change((before) => (before.attachments.length > 0 ? { ...before, text: "" } : EMPTY));
  });
  const stop = useAction(async () => onStop?.());
  const attach = useImages(change);
  const doing = command === null ? send : runIt;
  const ready = command === null ? input.length > 0 && !attach.busy : command !== "" && lacking === null;
  const submit = () => {
    if (ready) void doing.run();
  };
  return (
    <form
      className="codex-composer"
      data-command={command !== null}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onDragOver={(event) => event.preventDefault()}
      onDrop={attach.onDrop}
    >
      <Attached draft={draft} onChange={change} busy={attach.busy} />
      <TextBox
        conversationId={conversationId}
        focus={focus}
        draft={draft}
        isCommand={command !== null}
        onChange={change}
        onSubmit={submit}
        onEscape={() => running && void stop.run()}
        onPaste={attach.onPaste}
      />
      {command !== null && (
        <p className="codex-hint" role="status">
          {lacking ?? "Runs in your shell, without sandbox and without asking. Codex sees it with your next message."}
        </p>
      )}
      <div className="codex-actions">
        {children}
        {running && <WhileBusySelect value={whileBusy} onChange={setWhileBusy} />}
        {running && onStop && (
          <button type="button" className="codex-stop" disabled={stop.busy} title="Esc" onClick={() => void stop.run()}>
            Stop
          </button>
        )}
        <button type="submit" className="codex-primary" disabled={!ready || doing.busy} title={lacking ?? undefined}>
          {command === null ? "Send" : "Run"}
        </button>
      </div>
      <Problem
        error={attach.error ?? doing.error ?? stop.error}
        onClose={() => [attach, send, runIt, stop].forEach((each) => each.forget())}
      />
    </form>
  );
}

/** One key for each message: sent again after an error it is the same message. */
function useKeys(): (message: string) => string {
  const last = useRef({ message: "", key: "" });
  return (message) => {
    if (last.current.message !== message) last.current = { message, key: newKey() };
    const { key } = last.current;
    return key;
  };
}

interface WhileBusyProps {
  readonly value: WhileBusy;
  readonly onChange: (value: WhileBusy) => void;
}

function WhileBusySelect({ value, onChange }: WhileBusyProps) {
  return (
    <select aria-label="While Codex works" value={value} onChange={({ target }) => onChange(target.value as WhileBusy)}>
      <option value="queue">send afterwards</option>
      <option value="steer">into this turn</option>
      <option value="interrupt">stop, then send</option>
    </select>
  );
}

// --- the text ----------------------------------------------------------------------------------

type Change = (by: (draft: Draft) => Draft) => void;

interface TextBoxProps {
  readonly conversationId: string | null;
  readonly focus: boolean;
  readonly draft: Draft;
  /** A command has no files to be named. */
  readonly isCommand: boolean;
  readonly onChange: Change;
  readonly onSubmit: () => void;
  readonly onEscape: () => void;
  readonly onPaste: (event: ClipboardEvent) => void;
}

function TextBox({ conversationId, focus, draft, isCommand, onChange, onSubmit, onEscape, onPaste }: TextBoxProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  const listId = useId();
  const menu = useFileMenu({ conversationId, text: draft.text, box, onChange });
  useLayoutEffect(() => {
    if (!box.current) return;
    box.current.style.height = "auto"; // else it never gets lower
    box.current.style.height = `${box.current.scrollHeight}px`;
  }, [draft.text]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing || menu.onKeyDown(event)) return;
    if (event.key === "Escape") onEscape();
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    onSubmit();
  };
  return (
    <div className="codex-text">
      <FileMenu menu={menu} id={listId} />
      <textarea
        ref={box}
        autoFocus={focus}
        rows={1}
        aria-label="Message"
        placeholder="Message Codex (@ file, ! command)"
        spellCheck={!isCommand}
        aria-autocomplete="list"
        aria-controls={listId}
        aria-activedescendant={menu.hits.length > 0 ? `${listId}-${menu.active}` : undefined}
        value={draft.text}
        onChange={({ target }) => {
          onChange((before) => ({ ...before, text: target.value }));
          if (commandIn(target.value) === null) menu.look(target);
          else menu.close();
        }}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onBlur={menu.close}
      />
    </div>
  );
}

// --- images ------------------------------------------------------------------------------------

function useImages(change: Change) {
  const client = useCodex();
  const { run, busy, error, forget } = useAction(async (files: readonly File[]) => {
    for (const file of files) {
      const { upload_id: uploadId } = await client.upload(file);
      const image = { kind: "image", uploadId, name: file.name || "image" } as const;
      change((draft) => ({ ...draft, attachments: [...draft.attachments, image] }));
    }
  });
  const take = (data: DataTransfer | null, event: { preventDefault(): void }) => {
    const images = [...(data?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    if (images.length === 0) return;
    event.preventDefault();
    void run(images);
  };
  return {
    busy,
    error,
    forget,
    onPaste: (event: ClipboardEvent) => take(event.clipboardData, event),
    onDrop: (event: DragEvent) => {
      event.preventDefault(); // else the browser leaves the page for the file
      take(event.dataTransfer, event);
    },
  };
}

interface AttachedProps {
  readonly draft: Draft;
  readonly onChange: Change;
  readonly busy: boolean;
}

function Attached({ draft, onChange, busy }: AttachedProps) {
  const images = draft.attachments.filter(({ kind }) => kind === "image");
  const drop = (gone: (typeof images)[number]) =>
    onChange((before) => ({ ...before, attachments: before.attachments.filter((each) => each !== gone) }));
  return (
    <>
      {images.map((image, index) => (
        <span key={index} className="codex-chip">
          {image.name}
          <button type="button" aria-label={`Remove ${image.name}`} onClick={() => drop(image)}>×</button>
        </span>
      ))}
      {busy && <span className="codex-chip">uploading …</span>}
    </>
  );
}
