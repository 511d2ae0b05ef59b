/** A place in a conversation that is to be brought into view, such as one that a search has found. */

import { useEffect, useRef, useState } from "react";

import type { Row } from "./rows.js";

const PAGES = 50; // pages of older items that are read for one place

/** An item, by its ids. Another object is another wish to see it. */
export interface Place {
  readonly turn_id: string;
  readonly item_id: string;
}

/** Whether a row is the item of a place. */
export function isAt(row: Row, place: Place | null): boolean {
  return place !== null && row.kind === "item" && row.item.item_id === place.item_id && row.item.turn_id === place.turn_id;
}

/** Where the way to a place has come to: `far`: not within `PAGES`; `gone`: in none of them. */
export type Way = "reading" | "there" | "far" | "gone";

interface Going {
  readonly place: Place | null;
  readonly rows: readonly Row[];
  readonly hasOlder: boolean;
  /** Read the next older ones; the rows change, or it has failed. */
  readonly onOlder: () => void;
  /** Bring a row into view. */
  readonly onThere: (index: number) => void;
}

/** Go to a place once; older items are read until it is there. */
export function useWay({ place, rows, hasOlder, onOlder, onThere }: Going): Way | null {
  const [end, setEnd] = useState<{ of: Place; way: Way } | null>(null);
  const read = useRef<{ of: Place | null; pages: number }>({ of: null, pages: 0 });
  const over = end?.of === place;
  useEffect(() => {
    if (!place || over) return;
    if (read.current.of !== place) read.current = { of: place, pages: 0 };
    const index = rows.findIndex((row) => isAt(row, place));
    const way = index >= 0 ? "there" : !hasOlder ? "gone" : read.current.pages === PAGES ? "far" : null;
    if (index >= 0) onThere(index);
    if (way) return setEnd({ of: place, way });
    read.current.pages += 1;
    onOlder();
  }, [place, over, rows, hasOlder]);
  if (!place) return null;
  return over && end ? end.way : "reading";
}
