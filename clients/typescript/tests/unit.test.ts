/** Parts that need no server: when a request is tried again, and frames however they were cut. */

import { Attempts, Contact } from "../src/attempts.js";
import { ApiError, ConnectionLost, Unavailable } from "../src/errors.js";
import { Restarts } from "../src/server/restarts.js";
import { FrameReader } from "../src/sse.js";
import { equal, ok, type Test } from "./harness.js";

/** The wait that is said for an error, or the name of the error that is thrown. */
function said(error: unknown, { met = true, repeatable = true, patience = 10 } = {}): number | string {
  const contact = new Contact(patience);
  contact.met = met;
  try {
    return new Attempts(contact, repeatable).after(error);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.name : String(thrown);
  }
}

const refusal = (code: string, retryAfter: number | null = null) =>
  new Unavailable(503, { code, detail: "no" }, retryAfter);
const broken = new TypeError("fetch failed");
const notSent = new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } });

async function framesOf(pieces: Uint8Array[]): Promise<{ frames: unknown[]; retry: number }> {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const reader = new FrameReader();
  const frames: unknown[] = [];
  for await (const frame of reader.read(body, () => {})) frames.push(frame);
  return { frames, retry: reader.retry };
}

export const unitTests: Test[] = [
  {
    name: "what is tried again, and what is not",
    run: async () => {
      const isWait = (value: number | string) => typeof value === "number" && value <= 125;
      ok(isWait(said(broken)), "a lost connection is tried again");
      ok(isWait(said(notSent, { repeatable: false })), "so is what was never sent");
      equal(said(broken, { repeatable: false }), "ConnectionLost");
      equal(said(broken, { met: false }), "ConnectionLost");
      ok(isWait(said(refusal("request_in_progress"))), "our own first try is asked for again");
      equal(said(refusal("core_unavailable", 3)), 3000);
      equal(said(refusal("core_unavailable", 30)), "Unavailable", "longer than the patience");
      equal(said(refusal("core_timeout", 1)), "Unavailable", "its outcome is open");
      equal(said(new ApiError(409, { code: "conversation_busy" })), "ApiError");
      equal(said(broken, { patience: 0 }), "ConnectionLost");
    },
  },
  {
    name: "waits grow up to five seconds, and an error says why it was given up",
    run: async () => {
      const contact = new Contact(Infinity);
      contact.met = true;
      const attempts = new Attempts(contact, true);
      const waits = Array.from({ length: 12 }, () => attempts.after(broken));
      ok(waits.every((wait) => wait >= 75 && wait <= 6_250), `waits: ${waits}`);
      ok((waits.at(-1) ?? 0) >= 3_750, `waits: ${waits}`);
      try {
        new Attempts(new Contact(1), true).after(broken);
      } catch (error) {
        ok(error instanceof ConnectionLost && error.cause === broken, "the cause is kept");
        ok(error.message.includes("fetch failed") && error.hint, error.message);
        return;
      }
      throw new Error("it should have been given up");
    },
  },
  {
    name: "frames are the same wherever their bytes were cut",
    run: async () => {
      const text = 'retry: 500\n: hello\n\nid: 1\ndata: {"text":"Grüße 👋"}\n\ndata: a\ndata: b\n\n: beat\n\ndata: cut off';
      const bytes = new TextEncoder().encode(text);
      const wanted = ["alive", { data: '{"text":"Grüße 👋"}' }, { data: "a\nb" }, "alive"];
      for (let size = 1; size <= bytes.length; size += 1) {
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
        equal(await framesOf(pieces), { frames: wanted, retry: 500 }, `pieces of ${size}`);
      }
    },
  },
  {
    name: "a server is started again three times in two minutes",
    run: async () => {
      const restarts = new Restarts();
      const times = [0, 1, 2, 3, 119_999, 120_000, 120_001, 120_002, 120_003];
      const allowed = times.map((time) => restarts.allow(time));
      equal(allowed, [true, true, true, false, false, true, true, true, false]);
    },
  },
];
