/**
 * What a page gets: `window.codex`, named functions and nothing else. Everything else of Electron and
 * Node stays out of its reach. Exports nothing: a sandboxed preload script is no module.
 */

import { contextBridge, ipcRenderer } from "electron";

import type { Event } from "../types.js";
import type { CodexBridge } from "./bridge.js";
import { type CallName, channelOf, EVENTS, NAMES, OPEN, type Outcome, STATE } from "./channels.js";
import type { CodexState } from "./states.js";

/** Ask the main process. Rejects with `{name, message, code, status, hint}`. */
async function call(name: CallName, args: unknown[]): Promise<unknown> {
  const outcome = (await ipcRenderer.invoke(channelOf(name), ...args)) as Outcome;
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}

/** Be told of events. Returns what ends it. */
function onEvent(listener: (event: Event) => void): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    for (const event of data as Event[]) listener(event);
  };
  ipcRenderer.postMessage(EVENTS, null, [port2]);
  return () => port1.close();
}

function told<Value>(channel: string, listener: (value: Value) => void): () => void {
  const hear = (_: unknown, value: Value) => listener(value);
  ipcRenderer.on(channel, hear);
  return () => ipcRenderer.removeListener(channel, hear);
}

const calls = Object.fromEntries(NAMES.map((name) => [name, (...args: unknown[]) => call(name, args)]));

const bridge: CodexBridge = {
  ...(calls as unknown as Pick<CodexBridge, CallName>),
  onEvent,
  onState: (listener) => told<CodexState>(STATE, listener),
  onOpen: (listener) => told<string>(OPEN, listener),
};

contextBridge.exposeInMainWorld("codex", bridge);
