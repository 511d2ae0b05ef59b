/**
 * The calls of the app's pages, answered in the main process. Who calls, and with what, is looked at
 * before anything is done. Knows of Electron only what it is given.
 */

import type { Event } from "../types.js";
import { channelOf, errorOf, EVENTS, NAMES, type CallName, type Outcome, wrongIn } from "./channels.js";
import { isTrusted, type Pages, type Sender } from "./policy.js";

const BATCH = 16; // milliseconds of events that go in one message: a frame

/** As much of Electron's `MessagePortMain` as is used. */
export interface Port {
  postMessage(message: unknown): void;
  start(): void;
  close(): void;
  on(event: "close", listener: () => void): unknown;
}

export interface Call {
  readonly senderFrame: Sender | null;
  readonly ports?: readonly Port[];
}

/** As much of Electron's `ipcMain` as is used. */
export interface Main {
  handle(channel: string, listener: (event: Call, ...args: unknown[]) => Promise<Outcome>): void;
  removeHandler(channel: string): void;
  on(channel: string, listener: (event: Call) => void): unknown;
  removeListener(channel: string, listener: (event: Call) => void): unknown;
}

export type Calls = Readonly<Record<CallName, (...args: never[]) => unknown>>;

/** Answer the calls. Returns what ends that. */
export function answerCalls(
  main: Main,
  pages: Pages,
  calls: Calls,
  onEvent: (listener: (event: Event) => void) => () => void,
): () => void {
  for (const name of NAMES) {
    main.handle(channelOf(name), (event, ...args) => answered(name, event, args, pages, calls));
  }
  const events = (event: Call) => {
    const port = event.ports?.[0];
    if (!port) return;
    if (isTrusted(event.senderFrame, pages)) stream(port, onEvent);
    else port.close();
  };
  main.on(EVENTS, events);
  return () => {
    for (const name of NAMES) main.removeHandler(channelOf(name));
    main.removeListener(EVENTS, events);
  };
}

async function answered(
  name: CallName,
  event: Call,
  args: readonly unknown[],
  pages: Pages,
  calls: Calls,
): Promise<Outcome> {
  try {
    if (!isTrusted(event.senderFrame, pages)) throw new Error("This page may not use Codex.");
    const wrong = wrongIn(name, args);
    if (wrong !== null) throw new TypeError(wrong);
    return { value: await calls[name](...(args as never[])) };
  } catch (error) {
    return { error: errorOf(error) };
  }
}

/** Send events in batches until the page closes its end. */
function stream(port: Port, onEvent: (listener: (event: Event) => void) => () => void): void {
  let waiting: Event[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    port.postMessage(waiting);
    waiting = [];
  };
  const end = onEvent((event) => {
    waiting.push(event);
    timer ??= setTimeout(flush, BATCH);
  });
  port.on("close", () => {
    clearTimeout(timer);
    end();
  });
  port.start();
}
