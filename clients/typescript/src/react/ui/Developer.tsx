/** For those who build on the server: the events of a conversation as they come, and the last requests for curl. */

import { memo, useEffect, useRef, useState, useSyncExternalStore } from "react";

import type { Event } from "../../types.js";
import { useCodex, useEvents } from "../index.js";
import { Problem, useAction } from "./action.js";
import { curlOf, nameOf } from "./curl.js";

interface DeveloperProps {
  readonly conversationId: string;
  readonly onClose: () => void;
}

export function Developer({ conversationId, onClose }: DeveloperProps) {
  return (
    <section
      className="codex-developer"
      aria-label="Events and requests"
      onKeyDown={({ key }) => key === "Escape" && onClose()}
    >
      <button type="button" className="codex-close" aria-label="Close events and requests" onClick={onClose}>×</button>
      <Events conversationId={conversationId} />
      <Requests />
    </section>
  );
}

function Events({ conversationId }: Pick<DeveloperProps, "conversationId">) {
  const { events, error, again } = useEvents(conversationId);
  const [held, hold] = useState<readonly Event[] | null>(null);
  const first = useRef<HTMLButtonElement>(null);
  useEffect(() => first.current?.focus(), []);
  const shown = held ?? events;
  const missed = held ? events.length - 1 - events.indexOf(held.at(-1) as Event) : 0;
  return (
    <>
      <div className="codex-bar">
        <h3>Events</h3>
        <span className="codex-hint">{held ? `paused, ${missed} more` : `the newest ${shown.length}`}</span>
        <button ref={first} type="button" aria-pressed={held !== null} onClick={() => hold(held ? null : events)}>
          {held ? "Go on" : "Pause"}
        </button>
        <Copy text={() => shown.map((each) => JSON.stringify(each)).join("\n")}>Copy all</Copy>
      </div>
      <Problem error={error} onAgain={again} />
      <div className="codex-events" tabIndex={0} role="group" aria-label="Events, newest first">
        <ol>{shown.toReversed().map((event) => <Line key={keyOf(event)} event={event} />)}</ol>
      </div>
    </>
  );
}

const keys = new WeakMap<object, number>();
let made = 0;

/** A number of its own for each: not all events have one, and requests have none. */
function keyOf(of: object): number {
  const known = keys.get(of) ?? ++made;
  keys.set(of, known);
  return known;
}

/** One event; its JSON is only made when somebody opens it. */
const Line = memo(function Line({ event }: { readonly event: Event }) {
  const [open, setOpen] = useState(false);
  return (
    <li>
      <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <time dateTime={event.at}>{(event.at ?? "").slice(11, 23)}</time> <span className="codex-seq">{event.seq ?? "–"}</span>{" "}
          <code>{event.type}</code>
        </summary>
        {open && <Shown event={event} />}
      </details>
    </li>
  );
});

function Shown({ event }: { readonly event: Event }) {
  const text = JSON.stringify(event, null, 2);
  return (
    <>
      <pre className="codex-output" tabIndex={0} role="region" aria-label={`JSON of ${event.type}`}>{text}</pre>
      <Copy text={() => text}>Copy</Copy>
    </>
  );
}

function Requests() {
  const { requests } = useCodex();
  const all = useSyncExternalStore(requests.subscribe, requests.newest, requests.newest);
  const [chosen, choose] = useState<number | null>(null);
  // What a person does is what is looked for, and not what the page reads after it.
  const request = all.find((each) => keyOf(each) === chosen) ?? all.find(({ method }) => method !== "GET") ?? all[0];
  if (!request) return <p className="codex-hint">Nothing was asked yet.</p>;
  return (
    <>
      <div className="codex-bar">
        <h3>Requests</h3>
        <select
          aria-label="Request"
          value={keyOf(request)}
          onChange={({ target }) => choose(Number(target.value))}
        >
          {all.map((each) => <option key={keyOf(each)} value={keyOf(each)}>{nameOf(each)}</option>)}
        </select>
        <Copy text={() => curlOf(request)}>Copy as curl</Copy>
      </div>
      <pre className="codex-output" tabIndex={0} role="region" aria-label="As curl">{curlOf(request)}</pre>
      <p className="codex-hint">Put your token into CODEX_HTTP_TOKEN; where none is needed, leave that line out.</p>
    </>
  );
}

interface CopyProps {
  readonly text: () => string;
  readonly children: string;
}

/** Puts a text into the clipboard, and says so. */
function Copy({ text, children }: CopyProps) {
  const [done, setDone] = useState(false);
  const { run, error } = useAction(async () => navigator.clipboard.writeText(text()));
  const copy = async () => {
    setDone(await run());
    setTimeout(() => setDone(false), 1500); // milliseconds that it is told
  };
  return (
    <>
      <button type="button" onClick={() => void copy()}>{done ? "Copied" : children}</button>
      {error && <span className="codex-hint" role="alert">It can't be copied here: select it.</span>}
    </>
  );
}
