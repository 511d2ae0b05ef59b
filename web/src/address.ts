/** The page's address: `#<conversation id>` names the one that is open, so that it can be kept and shared. */

import { useCallback, useSyncExternalStore } from "react";

const NAMED = /^#([\w-]{8,})$/;

function subscribe(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  addEventListener("popstate", listener);
  return () => {
    removeEventListener("hashchange", listener);
    removeEventListener("popstate", listener);
  };
}

const named = () => NAMED.exec(location.hash)?.[1] ?? null;

/** Which conversation is open, null for a new one, and what opens another. */
export function useOpen(): readonly [string | null, (id: string | null) => void] {
  const id = useSyncExternalStore(subscribe, named);
  const open = useCallback((next: string | null) => {
    if (next === named()) return;
    history.pushState(null, "", location.pathname + location.search + (next ? `#${next}` : ""));
    dispatchEvent(new PopStateEvent("popstate")); // the browser tells of its own steps only
  }, []);
  return [id, open];
}

/** A parameter of the address; empty where it has none. */
export function askedFor(name: string): string {
  return new URLSearchParams(location.search).get(name) ?? "";
}
