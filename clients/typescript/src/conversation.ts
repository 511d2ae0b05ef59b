/** One conversation, by its `id`. */

import { ProtocolError } from "./errors.js";
import type { FollowOptions } from "./follow.js";
import type {
  Api,
  Cleared,
  DeleteConversationData,
  Fork,
  GetDiffData,
  Interrupted,
  ItemPage,
  ListItemsData,
  ListTurnsData,
  Reverted,
  TurnDiff,
  TurnPage,
  WorkTreeDiff,
} from "./generated/index.js";
import { paged } from "./pages.js";
import { Events, Turn, type EventsOptions } from "./streams.js";
import { newKey, type Call, type Transport } from "./transport.js";
import type {
  Answer,
  Approval,
  ConversationInfo,
  ConversationOptions,
  MessageOptions,
  OwnTurn,
  QueuedMessage,
  ReviewTarget,
  Sent,
  ShellRun,
  Snapshot,
} from "./types.js";

const SLICE = 50; // seconds of one wait for a turn; a longer one asks again

/** What goes along with a request. */
export interface CallOptions {
  /** Ends the waiting; what was asked for may still be done. */
  readonly signal?: AbortSignal;
}

/** What goes along with a message. `key`: your own Idempotency-Key, to ask again later. */
export interface SendOptions extends MessageOptions, CallOptions {
  readonly key?: string;
}

export class Conversation {
  constructor(
    readonly id: string,
    private readonly api: Api,
    private readonly transport: Transport,
  ) {}

  // --- messages ------------------------------------------------------------------------------

  /** Send a message. What becomes of it is in the events. */
  async send(text: string | null, options: SendOptions = {}): Promise<Sent> {
    return await this.ask(text, options, 0);
  }

  /**
   * Send a message and wait until its turn has ended, at most `wait` seconds. The answer then has
   * `turn` and `reply`; without them the time was up, or it waits for somebody to sign in.
   */
  async run(text: string | null, options: SendOptions & { wait?: number } = {}): Promise<Sent> {
    const { wait = Infinity, ...rest } = { ...options, key: options.key ?? newKey() };
    const end = Date.now() + wait * 1000;
    for (let left = wait; ; left = (end - Date.now()) / 1000) {
      const sent = await this.ask(text, rest, Math.max(0, Math.min(left, SLICE)));
      const over = sent.status === "ended" || sent.status === "removed";
      if (left <= 0 || over || sent.status === "waiting_for_login") return sent;
    }
  }

  private async ask(text: string | null, options: SendOptions, wait: number): Promise<Sent> {
    const { key = newKey(), signal, ...body } = options;
    return await this.api.sendMessage({
      path: this.path,
      query: wait > 0 ? { wait } : {},
      body: text === null ? body : { ...body, message: text },
      headers: { "Idempotency-Key": key },
      ...(signal && { signal }),
    });
  }

  /** Send a message when the first event is asked for, and get the events of its turn. */
  stream(text: string | null, options: SendOptions & FollowOptions = {}): Turn {
    const { key = newKey(), signal, patience, quiet, onConnection, ...body } = options;
    const message: Call = {
      url: `${this.transport.baseUrl}/conversations/${encodeURIComponent(this.id)}/messages`,
      method: "POST",
      headers: new Headers({ "Content-Type": "application/json", "Idempotency-Key": key }),
      body: JSON.stringify(text === null ? body : { ...body, message: text }),
    };
    const how = { signal, patience, quiet, onConnection };
    return new Turn(this.transport, this.id, message, how);
  }

  /** The events after a number, and those that come. It goes on through lost connections. */
  events(options: EventsOptions = {}): Events {
    return new Events(this.transport, this.api, this.id, options);
  }

  /**
   * End the running turn. `clear_queue`: take back what waits, too. `wait`: seconds for the answer
   * to say what was ended with it.
   */
  async interrupt(
    options: { clear_queue?: boolean; wait?: number } = {},
  ): Promise<Interrupted & Partial<Cleared>> {
    const { wait, ...body } = options;
    const query = wait === undefined ? {} : { wait };
    return await this.api.interruptConversation({ path: this.path, query, body });
  }

  /** Send the message of the last turn again, if that was interrupted or failed. */
  async retry(options: { anyway?: boolean } = {}): Promise<Sent> {
    return await this.api.retryTurn({ path: this.path, body: options });
  }

  /** Take back a turn and all after it. Files stay as they are. */
  async revert(beforeTurnId: string): Promise<Reverted> {
    const body = { before_turn_id: beforeTurnId };
    return await this.api.revertConversation({ path: this.path, body });
  }

  // --- turns that no message starts ----------------------------------------------------------

  /** Put a summary in the place of what the model has read. `wait`: at most 600 seconds. */
  async compact(options: { wait?: number } = {}): Promise<OwnTurn> {
    return await this.api.compactConversation({ path: this.path, query: options });
  }

  /** Have changes reviewed: what is not committed, or `target`. */
  async review(target?: ReviewTarget, options: { wait?: number } = {}): Promise<OwnTurn> {
    const body = target && { target };
    return await this.api.reviewChanges({ path: this.path, query: options, body: body ?? {} });
  }

  /** Run a command without sandbox (scope `elevate`); `timeout` is the command's, in seconds. */
  async shell(command: string, options: { timeout?: number; wait?: number } = {}): Promise<ShellRun> {
    const { wait, ...body } = options;
    const query = wait === undefined ? {} : { wait };
    return await this.api.runCommand({ path: this.path, query, body: { command, ...body } });
  }

  // --- the conversation itself ---------------------------------------------------------------

  /** How it stands. */
  async get(): Promise<ConversationInfo> {
    const found = await this.api.getConversation({ path: this.path });
    if ("log_id" in found) throw new ProtocolError("The answer is a snapshot.");
    return found;
  }

  /** All that a first paint needs, at one `seq`. */
  async snapshot(options: CallOptions = {}): Promise<Snapshot> {
    const query = { include: "snapshot" as const };
    const found = await this.api.getConversation({ path: this.path, query, ...options });
    if (!("log_id" in found)) throw new ProtocolError("The answer is no snapshot.");
    return found;
  }

  /** Items by pages, both ways: `before` or `after` a seq. */
  async items(wanted: ListItemsData["query"] = {}): Promise<ItemPage> {
    return await this.api.listItems({ path: this.path, query: wanted });
  }

  /** Turns by pages, both ways: `before` or `after` the seq of their start. */
  async turns(wanted: ListTurnsData["query"] = {}): Promise<TurnPage> {
    return await this.api.listTurns({ path: this.path, query: wanted });
  }

  /** What a turn changed, by default the newest; `of: "work_tree"`: all that git sees changed. */
  async diff(wanted: GetDiffData["query"] = {}): Promise<TurnDiff | WorkTreeDiff> {
    return await this.api.getDiff({ path: this.path, query: wanted });
  }

  /** Change its title, or what its next turns run under. */
  async patch(options: ConversationOptions): Promise<ConversationInfo> {
    return await this.api.updateConversation({ path: this.path, body: options });
  }

  /** Put it away. */
  async archive(): Promise<ConversationInfo> {
    return await this.api.archiveConversation({ path: this.path });
  }

  /** Take it back. */
  async unarchive(): Promise<ConversationInfo> {
    return await this.api.unarchiveConversation({ path: this.path });
  }

  /** A new conversation that begins with what this one had, up to a turn. */
  async fork(options: Fork = {}): Promise<Conversation> {
    const made = await this.api.forkConversation({ path: this.path, body: options });
    return new Conversation(made.id, this.api, this.transport);
  }

  /** Delete it. `force`: interrupt its turn and take back what waits first. */
  async delete(options: DeleteConversationData["query"] = {}): Promise<void> {
    await this.api.deleteConversation({ path: this.path, query: options });
  }

  // --- approvals -----------------------------------------------------------------------------

  /** What the core asks here, newest first; `all`: with what has ended. */
  approvals(options: { all?: boolean } = {}): AsyncGenerator<Approval, void> {
    const { path } = this;
    return paged((page) =>
      this.api.listConversationApprovals({ path, query: { ...options, ...page } }),
    );
  }

  /** One of them, with its diff and what can be answered. */
  async approval(approvalId: string): Promise<Approval> {
    return await this.api.getApproval({ path: { ...this.path, approval_id: approvalId } });
  }

  /** Answer it, once: with the id of a decision, and with what that takes. */
  async answer(approvalId: string, decision: string | null, answer: Answer = {}): Promise<Approval> {
    const path = { ...this.path, approval_id: approvalId };
    const body = decision === null ? answer : { decision, ...answer };
    return await this.api.answerApproval({ path, body });
  }

  // --- the queue -----------------------------------------------------------------------------

  /** The messages that wait, in order. */
  async queue(): Promise<QueuedMessage[]> {
    return (await this.api.listQueue({ path: this.path })).data;
  }

  /** Put them in another order, each named once. */
  async reorder(submitIds: string[]): Promise<QueuedMessage[]> {
    return (await this.api.reorderQueue({ path: this.path, body: { order: submitIds } })).data;
  }

  /** Change what one says. */
  async edit(submitId: string, text: string): Promise<QueuedMessage> {
    const path = { ...this.path, submit_id: submitId };
    return await this.api.editQueued({ path, body: { message: text } });
  }

  /** Take one back. */
  async takeBack(submitId: string): Promise<void> {
    await this.api.removeQueued({ path: { ...this.path, submit_id: submitId } });
  }

  private get path(): { conversation_id: string } {
    return { conversation_id: this.id };
  }
}
