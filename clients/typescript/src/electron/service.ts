/**
 * The agent as plain calls, in the shape that apps knew from MCP: start a conversation, send, be told,
 * answer. Speaks HTTP through the way that it is given; owns one stream for all who listen.
 */

import type { AllEvents } from "../all.js";
import { CodexClient } from "../client.js";
import type { AuthStatus, Health, StartLogin } from "../generated/index.js";
import { sleep } from "../time.js";
import type {
  Answer,
  Approval,
  ConversationFilter,
  ConversationInfo,
  CreateOptions,
  Event,
  LoginInfo,
  MessageOptions,
  Sent,
  Snapshot,
} from "../types.js";
import type { Fetch } from "./backend.js";

const BASE = "http://server.invalid"; // never called: the way knows where the server is
const AGAIN = 2_000; // milliseconds before a stream that failed is opened anew

/** How to get to the server, and to the system's browser. */
export interface ServiceOptions {
  /** Asks the server: a path, and what `fetch` takes. */
  readonly ask: Fetch;
  /** Opens an address in the system's browser. */
  readonly openOutside: (url: string) => Promise<void>;
}

export class CodexService {
  /** All that the server can do, typed. */
  readonly client: CodexClient;
  private readonly listeners = new Set<(event: Event) => void>();
  private following: AbortController | null = null;
  /** Resolves once it is fixed from where on events are told: what is sent after that is in them. */
  private placed: Promise<void> = Promise.resolve();

  constructor(private readonly options: ServiceOptions) {
    const ask = (input: RequestInfo | URL, init?: RequestInit) =>
      options.ask(String(input).slice(BASE.length), init);
    this.client = new CodexClient({ baseUrl: BASE, token: null, fetch: ask });
  }

  /** Whether the server is there, and how its core stands. */
  checkHealth(): Promise<Health> {
    return this.client.api.getHealth();
  }

  /** Who is signed in; if nobody, why, and what to do. */
  getAuthStatus(): Promise<AuthStatus> {
    return this.client.authStatus();
  }

  /**
   * Begin to sign in, by default in the browser, which is opened. How it ends is told by the event
   * `account/login/completed`, and by `getAuthStatus`.
   */
  async login(how: StartLogin = { method: "browser" }): Promise<LoginInfo> {
    const { info } = await this.client.login(how);
    if (info.state === "pending" && info.url) await this.options.openOutside(info.url);
    return info;
  }

  /** Sign out. */
  async logout(): Promise<void> {
    await this.client.logout();
  }

  /** Start a conversation in a folder. */
  async createConversation(workingDirectory: string, options: CreateOptions = {}): Promise<ConversationInfo> {
    return await (await this.client.create(workingDirectory, options)).get();
  }

  /** Conversations, newest first; at most `limit`, 50 by default. */
  async listConversations(wanted: ConversationFilter & { limit?: number } = {}): Promise<ConversationInfo[]> {
    const { limit = 50, ...filter } = wanted;
    return (await this.client.api.listConversations({ query: { ...filter, limit } })).data;
  }

  /** All that a first paint of a conversation needs. */
  getConversation(id: string): Promise<Snapshot> {
    return this.client.conversation(id).snapshot();
  }

  /** Send a message. What comes of it is told by events. */
  async sendMessage(id: string, text: string, options: MessageOptions = {}): Promise<Sent> {
    await this.placed;
    return await this.client.conversation(id).send(text, options);
  }

  /** End the running turn. */
  async interrupt(id: string): Promise<void> {
    await this.client.conversation(id).interrupt();
  }

  /** Answer what the core asks; `decision` is one of those that it offered. */
  answerApproval(id: string, approvalId: string, decision: string | null, answer: Answer = {}): Promise<Approval> {
    return this.client.conversation(id).answer(approvalId, decision, answer);
  }

  // --- events -----------------------------------------------------------------------------------

  /**
   * Be told of all that happens from now on, in all conversations. None is lost or doubled, whatever
   * becomes of the connection; where that can't be, a `feed/reset` says: read anew what you show.
   * Returns what ends it.
   */
  onEvent(listener: (event: Event) => void): () => void {
    this.listeners.add(listener);
    if (!this.following) void this.follow((this.following = new AbortController()));
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.unfollow();
    };
  }

  /** Tell nobody any more. */
  dispose(): void {
    this.listeners.clear();
    this.unfollow();
  }

  private unfollow(): void {
    this.following?.abort();
    this.following = null;
  }

  private async follow({ signal }: AbortController): Promise<void> {
    let mark: { after: string; log: string | null } = { after: "latest", log: null };
    while (!signal.aborted) {
      const events = this.client.events({ ...mark, patience: Infinity, signal });
      this.placed = events.ready().catch(() => undefined);
      await this.hand(events, signal);
      if (events.position !== null) mark = { after: events.position, log: events.logId };
      await sleep(AGAIN, signal).catch(() => undefined);
    }
  }

  /** Hand out a stream's events until it ends; without a server it will be tried again. */
  private async hand(events: AllEvents, signal: AbortSignal): Promise<void> {
    try {
      for await (const event of events) {
        for (const listener of this.listeners) tell(listener, event);
      }
    } catch (error) {
      if (!signal.aborted) console.error("codex: the stream of events ended:", String(error));
    }
  }
}

/** A listener that throws is its own trouble, not that of the others. */
function tell(listener: (event: Event) => void, event: Event): void {
  try {
    listener(event);
  } catch (error) {
    console.error("codex: a listener failed:", error);
  }
}
