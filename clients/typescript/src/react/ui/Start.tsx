/** Where a conversation begins: a folder, what it runs under, and the first message. */

import { useId, useRef, useState } from "react";

import type { Conversation } from "../../conversation.js";
import { useConversations } from "../index.js";
import { PRESENT } from "./Conversations.js";
import { useAction, Problem } from "./action.js";
import { Composer, type Outgoing } from "./Composer.js";
import { Policy, type Policies } from "./Policy.js";

interface StartProps {
  readonly folder: string;
  readonly scopes: readonly string[] | null;
  readonly pickFolder?: (() => Promise<string | null>) | undefined;
  readonly examples: readonly string[];
  readonly focus: boolean;
  readonly onOpen: (id: string) => void;
}

export function Start({ folder: given, scopes, pickFolder, examples, focus, onOpen }: StartProps) {
  const { conversations, create } = useConversations(PRESENT);
  const folders = [...new Set(conversations.map(({ working_directory }) => working_directory))];
  const [typed, setTyped] = useState<string | null>(null);
  const folder = typed ?? (given || (folders[0] ?? ""));
  const [policies, setPolicies] = useState<Policies>({});
  const begin = useBegin(create, onOpen);
  const say = (message: Pick<Outgoing, "input"> & Partial<Outgoing>) => begin(folder, policies, (of) => of.send(null, message));
  const example = useAction((text: string) => say(inWords(text)));
  return (
    <div className="codex-start">
      <div className="codex-scroll codex-column">
        <h2>What should Codex do?</h2>
        <p className="codex-hint">It works in one folder on the machine that runs the server. Your first message starts it.</p>
        <Folder value={folder} known={folders} pickFolder={pickFolder} onChange={setTyped} />
        {examples.length > 0 && (
          <div className="codex-examples" role="group" aria-label="Examples">
            {examples.map((text) => (
              <button key={text} type="button" disabled={example.busy || !folder} onClick={() => void example.run(text)}>
                {text}
              </button>
            ))}
          </div>
        )}
        <Problem error={example.error} onClose={example.forget} />
      </div>
      <Composer
        conversationId={null}
        running={false}
        scopes={scopes}
        focus={focus}
        onSend={say}
        onCommand={(command) => begin(folder, policies, (of) => of.shell(command))}
      >
        <Policy of={null} chosen={policies} scopes={scopes} onChange={(change) => setPolicies({ ...policies, ...change })} />
      </Composer>
    </div>
  );
}

function inWords(text: string): Pick<Outgoing, "input"> {
  return { input: [{ type: "text", text }] };
}

/** Makes the conversation, once even where its message has to be sent again, and does the first thing in it. */
function useBegin(create: ReturnType<typeof useConversations>["create"], onOpen: (id: string) => void) {
  const made = useRef<{ of: string; conversation: Conversation } | null>(null);
  return async (folder: string, policies: Policies, first: (of: Conversation) => Promise<unknown>) => {
    const of = JSON.stringify([folder, policies]);
    if (made.current?.of !== of) made.current = { of, conversation: await create(folder, policies) };
    const { conversation } = made.current;
    await first(conversation);
    onOpen(conversation.id);
  };
}

interface FolderProps {
  readonly value: string;
  readonly known: readonly string[];
  readonly pickFolder?: (() => Promise<string | null>) | undefined;
  readonly onChange: (folder: string) => void;
}

function Folder({ value, known, pickFolder, onChange }: FolderProps) {
  const id = useId();
  const pick = useAction(async () => {
    const folder = await pickFolder?.();
    if (folder) onChange(folder);
  });
  return (
    <div className="codex-inline">
      <label className="codex-field">
        Working directory
        <input
          list={id}
          spellCheck={false}
          autoComplete="off"
          placeholder="/path/to/project"
          value={value}
          onChange={({ target }) => onChange(target.value)}
        />
      </label>
      <datalist id={id}>{known.map((each) => <option key={each} value={each} />)}</datalist>
      {pickFolder && <button type="button" disabled={pick.busy} onClick={() => void pick.run()}>Choose …</button>}
      <Problem error={pick.error} />
    </div>
  );
}
