/** What pages find in `window.codex`: calls that the main process answers. Only types. */

import type { Event } from "../types.js";
import type { CodexService } from "./service.js";
import type { CodexState } from "./states.js";

export type { CodexState };

type Shared =
  | "checkHealth"
  | "getAuthStatus"
  | "login"
  | "logout"
  | "createConversation"
  | "listConversations"
  | "getConversation"
  | "sendMessage"
  | "interrupt"
  | "answerApproval";

/** The agent's calls as in `CodexService`; they reject with `CallError`. */
export interface CodexBridge extends Pick<CodexService, Shared> {
  /** What a `CodexClient` of this app shows as its token. */
  getKey(): Promise<string>;
  /** How the server stands. */
  getState(): Promise<CodexState>;
  /** Start it again after it has failed. */
  start(): Promise<void>;
  /** Have a person choose a folder; null if none was chosen. */
  pickFolder(): Promise<string | null>;
  /** Show the server's log in its folder. */
  showLog(): Promise<void>;
  /** Be told of the events of all conversations from now on. Returns what ends it. */
  onEvent(listener: (event: Event) => void): () => void;
  /** Be told how the server stands. Returns what ends it. */
  onState(listener: (state: CodexState) => void): () => void;
  /** Be told which conversation to show: its notice was clicked. Returns what ends it. */
  onOpen(listener: (conversationId: string) => void): () => void;
}
