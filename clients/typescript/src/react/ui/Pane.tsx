/** One conversation, whole: head, messages, what waits, and where to write. */

import { lazy, Suspense, useState } from "react";

import { type Retrying, useCodex, useConversation, type UseConversation } from "../index.js";
import { Problem, useAction } from "./action.js";
import { Composer } from "./Composer.js";
import { Head } from "./Head.js";
import { Messages } from "./Messages.js";
import type { Place } from "./place.js";
import { Policy, type Policies } from "./Policy.js";
import { Queue } from "./Queue.js";

/** Few need it: it is loaded when it is opened. */
const Developer = lazy(async () => ({ default: (await import("./Developer.js")).Developer }));

interface PaneProps {
  readonly id: string;
  /** What is to be seen first, where not its end. */
  readonly at: Place | null;
  readonly scopes: readonly string[] | null;
  readonly focus: boolean;
  readonly onOpen: (id: string | null) => void;
}

export function Pane({ id, at, scopes, focus, onOpen }: PaneProps) {
  const conversation = useConversation(id);
  const { conversation: info, status, error, again, reconnecting, send, interrupt } = conversation;
  const client = useCodex();
  const patch = usePatch(id);
  const [developer, setDeveloper] = useState(false);
  if (status === "deleted") return <Gone onOpen={onOpen} />;
  const running = status === "running" || status === "waiting";
  return (
    <>
      {info && <Head conversation={conversation} info={info} onOpen={onOpen} onDeveloper={() => setDeveloper(!developer)} />}
      {reconnecting && (
        <p className="codex-banner" role="status">The connection is lost. It comes back by itself; nothing gets lost.</p>
      )}
      <Problem error={error} onAgain={again} />
      {info ? (
        <Messages conversation={conversation} at={at} scopes={scopes}>
          <Working conversation={conversation} />
        </Messages>
      ) : (
        <p className="codex-messages codex-hint" role="status">{error ? "" : "Reading …"}</p>
      )}
      {developer && (
        <Suspense fallback={<p className="codex-hint" role="status">Loading …</p>}>
          <Developer conversationId={id} onClose={() => setDeveloper(false)} />
        </Suspense>
      )}
      <Queue {...conversation} />
      <Composer
        key={id}
        conversationId={id}
        running={running}
        scopes={scopes}
        focus={focus}
        onSend={(message) => send(null, message)}
        onCommand={(command) => client.conversation(id).shell(command)}
        onStop={() => interrupt()}
      >
        <Policy of={info} scopes={scopes} disabled={patch.busy || info === null} onChange={(change) => void patch.run(change)} />
      </Composer>
      <Problem error={patch.error} onClose={patch.forget} />
    </>
  );
}

function usePatch(id: string) {
  const client = useCodex();
  return useAction(async (change: Policies) => client.conversation(id).patch(change));
}

/** That something is going on, while nothing of it is to be seen. */
function Working({ conversation: { status, items, retrying } }: { readonly conversation: UseConversation }) {
  const last = items.at(-1);
  if (retrying) return <Retry {...retrying} />;
  if (status !== "running" || (last?.status === "inProgress" && last.item_type === "agentMessage")) return null;
  return <p className="codex-working"><i /><i /><i /> Codex is working</p>;
}

/** That the model is tried again, and what went wrong. */
function Retry({ message, error: { additionalDetails: why } }: Retrying) {
  return (
    <div className="codex-working" role="status">
      <p><i /><i /><i /> Trying again. {message}</p>
      {why && <p className="codex-hint">{why}</p>}
    </div>
  );
}

function Gone({ onOpen }: Pick<PaneProps, "onOpen">) {
  return (
    <div className="codex-start codex-column">
      <h2>This conversation was deleted.</h2>
      <button type="button" className="codex-primary" onClick={() => onOpen(null)}>New conversation</button>
    </div>
  );
}
