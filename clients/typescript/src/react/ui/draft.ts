/** What is being written, for each conversation, kept for this tab: a reload loses nothing. */

import { useRef, useState } from "react";

import type { SendOptions } from "../../conversation.js";

/** Something that goes with a message beside its text. */
export type Attachment =
  | { readonly kind: "image"; readonly uploadId: string; readonly name: string }
  | { readonly kind: "file"; readonly path: string; readonly name: string };

export interface Draft {
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

export const EMPTY: Draft = { text: "", attachments: [] };

const nameOf = (of: string) => `codex-draft/${of}`;

function read(of: string): Draft {
  try {
    return { ...EMPTY, ...(JSON.parse(sessionStorage.getItem(nameOf(of)) ?? "{}") as Partial<Draft>) };
  } catch {
    return EMPTY; // a page may have no storage
  }
}

function write(of: string, draft: Draft): void {
  try {
    if (draft === EMPTY) sessionStorage.removeItem(nameOf(of));
    else sessionStorage.setItem(nameOf(of), JSON.stringify(draft));
  } catch {
    // Then it is lost with the page, as everything that is typed into one.
  }
}

/** The draft of a conversation, or of the one that is not made yet. */
export function useDraft(of: string): readonly [Draft, (change: (draft: Draft) => Draft) => void] {
  const [draft, setDraft] = useState(() => read(of));
  const newest = useRef(draft);
  const change = (by: (draft: Draft) => Draft) => {
    newest.current = by(newest.current);
    // Not in an updater of the state: that is not run for a box that is gone, as after a first message.
    write(of, newest.current);
    setDraft(newest.current);
  };
  return [draft, change];
}

/** A draft as the server takes it. A file is named in the text, and said to be one if it still is there. */
export function inputOf({ text, attachments }: Draft): NonNullable<SendOptions["input"]> {
  const parts = attachments.flatMap((each): NonNullable<SendOptions["input"]> => {
    if (each.kind === "image") return [{ type: "image", upload_id: each.uploadId }];
    return text.includes(`@${each.name}`) ? [{ type: "mention", name: each.name, path: each.path }] : [];
  });
  return text.trim() ? [{ type: "text", text }, ...parts] : parts;
}
