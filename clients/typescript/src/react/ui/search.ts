/** Searching while a person types: after a pause, one question at a time, the last one counts. */

import { useEffect, useState } from "react";

import type { CodexClient } from "../../client.js";
import type { SearchFilter, SearchHit } from "../../types.js";
import { useCodex } from "../index.js";

const PAUSE = 250; // milliseconds without a key before the server is asked
const PAGE = 20;
const EVERYWHERE: SearchFilter["kind"] = ["title", "preview", "message", "answer", "file", "command", "output"];

/** What was found so far. */
export interface Found {
  readonly hits: readonly SearchHit[];
  /** Whether there is more. */
  readonly next: string | null;
  /** Whether all is searched; the server may still be reading an old log. */
  readonly complete: boolean;
}

export interface Search {
  /** Null until the first answer; that of the last question while the next one runs. */
  readonly found: Found | null;
  readonly busy: boolean;
  readonly error: Error | null;
  /** Ask at once: the pause is for those who type on. */
  readonly now: () => void;
  readonly more: () => void;
}

/** What is asked; another object is another question. */
interface Question {
  readonly words: string;
  readonly commands: boolean;
  readonly cursor: string | null;
}

/** `commands`: in commands and their output too. Nothing is asked for no words. */
export function useSearch(words: string, commands: boolean): Search {
  const client = useCodex();
  const [found, setFound] = useState<Found | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [question, ask] = useState<Question | null>(null);
  const [answered, setAnswered] = useState<Question | null>(null);
  const now = () => ask(words ? { words, commands, cursor: null } : null);
  useEffect(() => {
    ask(null); // what runs is of no use any more
    setError(null);
    if (!words) setFound(null);
    const timer = setTimeout(now, PAUSE);
    return () => clearTimeout(timer);
  }, [words, commands]);
  useEffect(() => {
    if (!question) return;
    const leaving = new AbortController();
    const end = (then: () => void) => {
      if (leaving.signal.aborted) return;
      setAnswered(question);
      then();
    };
    setError(null);
    read(client, question, leaving.signal).then(
      (page) => end(() => setFound((before) => (question.cursor && before ? joined(before, page) : page))),
      (failure: Error) => end(() => setError(failure)),
    );
    return () => leaving.abort();
  }, [client, question]);
  const more = () => found?.next && ask({ words, commands, cursor: found.next });
  return { found, busy: words !== "" && (question === null || answered !== question), error, now, more: () => void more() };
}

async function read({ api }: CodexClient, { words, commands, cursor }: Question, signal: AbortSignal): Promise<Found> {
  const where = commands ? { kind: EVERYWHERE } : {};
  const query = { q: words, prefix: true, limit: PAGE, ...where, ...(cursor && { cursor }) };
  const { data, next_cursor: next, complete } = await api.search({ query, signal });
  return { hits: data, next, complete };
}

function joined(before: Found, { hits, ...page }: Found): Found {
  return { ...page, hits: [...before.hits, ...hits] };
}
