/** The conversations, by the folder that they work in. */

import { type KeyboardEvent, memo, useMemo, useState } from "react";

import type { ConversationInfo } from "../../types.js";
import { useConversations } from "../index.js";
import { Problem } from "./action.js";
import { nameOf } from "./Head.js";
import { Hits } from "./Hits.js";
import type { Place } from "./place.js";
import { useSearch } from "./search.js";
import { ago, baseName } from "./words.js";

/** Those that are not put away: all who look at them share one list, which is read once for all. */
export const PRESENT = { archived: false };

const LONGEST = 500; // characters that the server searches for

interface ConversationsProps {
  readonly current: string | null;
  /** `at`: what of it is to be seen first. */
  readonly onOpen: (id: string | null, at?: Place | null) => void;
}

export function Conversations({ current, onOpen }: ConversationsProps) {
  const [archived, setArchived] = useState(false);
  const [wanted, setWanted] = useState("");
  const [commands, setCommands] = useState(false);
  const { conversations, loading, error, again, hasMore, loadMore } = useConversations(archived ? { archived } : PRESENT);
  const groups = useMemo(() => grouped(conversations, wanted), [conversations, wanted]);
  const shown = useMemo(() => new Set(groups.flatMap(([, those]) => those.map(({ id }) => id))), [groups]);
  const search = useSearch(wanted.trim(), commands);
  const now = Date.now();
  return (
    <div className="codex-list-whole" onKeyDown={step}>
      <div className="codex-list-head">
        <button type="button" className="codex-primary" onClick={() => onOpen(null)}>New conversation</button>
        <input
          type="search"
          aria-label="Search conversations"
          placeholder="Search"
          maxLength={LONGEST}
          value={wanted}
          onChange={({ target }) => setWanted(target.value)}
          onKeyDown={({ key }) => (key === "Enter" ? search.now() : key === "Escape" && setWanted(""))}
        />
      </div>
      <div className="codex-list-body">
        {groups.map(([folder, those]) => (
          <section key={folder} aria-label={folder}>
            <h2 title={folder}>{baseName(folder)}</h2>
            <ul>
              {those.map((each) => (
                <Entry key={each.id} of={each} current={each.id === current} age={ago(each.updated_at, now)} onOpen={onOpen} />
              ))}
            </ul>
          </section>
        ))}
        {!wanted && !loading && groups.length === 0 && <p className="codex-hint">None yet.</p>}
        {!wanted && hasMore && <button type="button" onClick={() => void loadMore()}>Show older ones</button>}
        {wanted.trim() && <Hits search={search} shown={shown} commands={commands} onCommands={setCommands} onOpen={onOpen} />}
        <Problem error={error} onAgain={again} />
      </div>
      <label className="codex-option codex-list-foot">
        <input type="checkbox" checked={archived} onChange={({ target }) => setArchived(target.checked)} /> Archived
      </label>
    </div>
  );
}

/** The arrows go from the box to what stands below it, and on from there. */
function step(event: KeyboardEvent<HTMLElement>): void {
  const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  const stops = [...event.currentTarget.querySelectorAll<HTMLElement>("input[type=search], li button")];
  const next = stops[stops.indexOf(event.target as HTMLElement) + by];
  if (by === 0 || !stops.includes(event.target as HTMLElement) || !next) return;
  event.preventDefault();
  next.focus();
}

type Group = readonly [folder: string, those: readonly ConversationInfo[]];

/** By folder, those with the newest first. Every word that is searched for is somewhere in one that fits. */
function grouped(all: readonly ConversationInfo[], wanted: string): readonly Group[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, ConversationInfo[]>();
  for (const each of all) {
    const text = `${each.title ?? ""} ${each.preview} ${each.working_directory}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const those = groups.get(each.working_directory);
    if (those) those.push(each);
    else groups.set(each.working_directory, [each]);
  }
  return [...groups];
}

interface EntryProps {
  readonly of: ConversationInfo;
  readonly current: boolean;
  readonly age: string;
  readonly onOpen: (id: string) => void;
}

const Entry = memo(function Entry({ of, current, age, onOpen }: EntryProps) {
  const { id, status, waiting_for_approval: waiting } = of;
  const state = waiting > 0 ? "waits for you" : status === "running" ? "working" : null;
  return (
    <li>
      <button type="button" aria-current={current ? "page" : undefined} data-conversation={id} onClick={() => onOpen(id)}>
        <span className="codex-line">{nameOf(of)}</span>
        {state ? (
          <span className={`codex-pill codex-${waiting > 0 ? "waiting" : "running"}`}>{state}</span>
        ) : (
          <span className="codex-hint">{age}</span>
        )}
      </button>
    </li>
  );
});
