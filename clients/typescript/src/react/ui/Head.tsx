/** The head of a conversation: its title, where it works, how it stands, and what can be done with it. */

import { type FormEvent, useState } from "react";

import type { ConversationInfo } from "../../types.js";
import { useCodex, type UseConversation } from "../index.js";
import { Problem, useAction } from "./action.js";
import { Dialog } from "./Dialog.js";
import { Usage } from "./Usage.js";
import { WorkTree } from "./WorkTree.js";

interface HeadProps {
  readonly conversation: UseConversation;
  readonly info: ConversationInfo;
  readonly onOpen: (id: string | null) => void;
  readonly onDeveloper: () => void;
}

export function Head({ conversation, info, onOpen, onDeveloper }: HeadProps) {
  const [naming, setNaming] = useState(false);
  const [window, show] = useState<"tree" | "delete" | null>(null);
  const { run, busy, error, forget } = useDeeds(info.id);
  const fork = () => run(async (of) => onOpen((await of.fork()).id));
  return (
    <header className="codex-head">
      {naming ? (
        <Rename info={info} onEnd={() => setNaming(false)} />
      ) : (
        <h2 onDoubleClick={() => setNaming(true)}>{nameOf(info)}</h2>
      )}
      <Facts conversation={conversation} info={info} />
      <details className="codex-more-menu">
        <summary aria-label="More">⋯</summary>
        <div className="codex-menu" onClick={closeMenu}>
          <button type="button" onClick={() => setNaming(true)}>Rename</button>
          <button type="button" onClick={() => show("tree")}>Changes in the work tree</button>
          <button type="button" disabled={busy} onClick={() => void fork()}>Fork</button>
          <button type="button" disabled={busy} onClick={() => void run((of) => of.compact())}>Compact the context</button>
          <button type="button" disabled={busy} onClick={() => void run((of) => of.review())}>Review what is not committed</button>
          <button type="button" disabled={busy} onClick={() => void run((of) => (info.archived ? of.unarchive() : of.archive()))}>
            {info.archived ? "Take out of the archive" : "Archive"}
          </button>
          <button type="button" onClick={onDeveloper}>Events and requests</button>
          <button type="button" onClick={() => show("delete")}>Delete …</button>
        </div>
      </details>
      <Problem error={error} onClose={forget} />
      {window === "tree" && <WorkTree conversationId={info.id} onClose={() => show(null)} />}
      {window === "delete" && <Delete info={info} onClose={() => show(null)} onGone={() => onOpen(null)} />}
    </header>
  );
}

/** A native menu stays open when something in it was chosen. */
function closeMenu({ currentTarget }: { currentTarget: HTMLElement }): void {
  currentTarget.closest("details")?.removeAttribute("open");
}

/** What a conversation is called. */
export function nameOf({ title, preview }: Pick<ConversationInfo, "title" | "preview">): string {
  return title || preview.split("\n")[0] || "New conversation";
}

type Deed = ReturnType<ReturnType<typeof useCodex>["conversation"]>;

function useDeeds(id: string) {
  const client = useCodex();
  return useAction(async (deed: (of: Deed) => Promise<unknown>) => deed(client.conversation(id)));
}

function Facts({ conversation: { status, usage, core }, info }: Pick<HeadProps, "conversation" | "info">) {
  const words = status === "waiting" ? "waits for you" : status === "running" ? "working" : "idle";
  return (
    <div className="codex-facts">
      <span className={`codex-pill codex-${status}`} role="status">{words}</span>
      {core && core.state !== "ready" && <span className="codex-pill codex-bad">core {core.state}</span>}
      <span className="codex-path" title={info.working_directory}>{info.working_directory}</span>
      {info.forked_from && <span>forked</span>}
      {info.archived && <span>archived</span>}
      <Usage usage={usage} />
    </div>
  );
}

function Rename({ info, onEnd }: { readonly info: ConversationInfo; readonly onEnd: () => void }) {
  const [title, setTitle] = useState(nameOf(info));
  const { run, busy, error } = useDeeds(info.id);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run((of) => of.patch({ title }))) onEnd();
  };
  return (
    <form
      className="codex-inline"
      onSubmit={(event) => void submit(event)}
      onKeyDown={({ key }) => key === "Escape" && onEnd()}
    >
      <input autoFocus aria-label="Title" value={title} onFocus={({ target }) => target.select()} onChange={({ target }) => setTitle(target.value)} />
      <button className="codex-primary" disabled={busy || !title.trim()}>Save</button>
      <button type="button" onClick={onEnd}>Cancel</button>
      <Problem error={error} />
    </form>
  );
}

interface DeleteProps {
  readonly info: ConversationInfo;
  readonly onClose: () => void;
  readonly onGone: () => void;
}

function Delete({ info, onClose, onGone }: DeleteProps) {
  const { run, busy, error } = useDeeds(info.id);
  const gone = async () => {
    if (await run((of) => of.delete({ force: true }))) onGone();
  };
  return (
    <Dialog title="Delete this conversation?" onClose={onClose}>
      <p>“{nameOf(info)}” and all its events are deleted from this server. Files that Codex wrote stay.</p>
      <div className="codex-decisions">
        <button type="button" className="codex-stop" disabled={busy} onClick={() => void gone()}>Delete</button>
        <button type="button" onClick={onClose}>Keep it</button>
      </div>
      <Problem error={error} />
    </Dialog>
  );
}
