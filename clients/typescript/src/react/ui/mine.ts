/** Which approvals were answered in this tab: the server knows callers, not tabs. A reload keeps it. */

import { useSyncExternalStore } from "react";

const NAME = "codex-answered";
const MOST = 500; // the newest are kept

const mine = new Set(read());
const listeners = new Set<() => void>();

function read(): readonly string[] {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]") as string[];
  } catch {
    return []; // a page may have no storage
  }
}

/** This one was. */
export function remember(id: string): void {
  mine.add(id);
  try {
    sessionStorage.setItem(NAME, JSON.stringify([...mine].slice(-MOST)));
  } catch {
    // Then a reload tells it as it tells of others.
  }
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useMine(id: string): boolean {
  const look = () => mine.has(id);
  return useSyncExternalStore(subscribe, look, look);
}
