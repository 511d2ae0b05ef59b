/** The server's own objects under the names that this client uses for them. */

import type {
  AnswerApproval,
  ApprovalView,
  Began,
  ConversationView,
  CreateConversation,
  Finished,
  ListConversationsData,
  LoginView,
  OpenItemView,
  ItemView,
  PatchConversation,
  QueuedView,
  Ran,
  Review,
  SearchData,
  SearchHitView,
  SendMessage,
  Snapshot,
  SnippetView,
  Submitted,
  TurnEnded,
  TurnView,
} from "./generated/index.js";

export type { Snapshot };

/**
 * One event: the envelope, which is the server's and stays as it is, around what the core said. What
 * each type has in `data` is in the server's docs/events.md and openapi.json.
 */
export interface Event {
  readonly type: string;
  /** Its number in the conversation; missing where it is not in the log of one. */
  readonly seq?: number | null;
  /** Its place on the stream of everything. */
  readonly position?: string | null;
  /** Null for events of the server and the account. */
  readonly conversation_id: string | null;
  readonly turn_id?: string | null;
  /** Unique only within its turn. */
  readonly item_id?: string | null;
  readonly item_type?: string | null;
  /** On deltas: the text to append. */
  readonly text?: string | null;
  /** How a turn or an item stands. */
  readonly status?: string | null;
  /** Why the server made this event in the core's stead. */
  readonly synthetic?: string | null;
  /** On `turn/started`: all that the turn runs under. */
  readonly policy?: Readonly<Record<string, unknown>> | null;
  /** On an item's end: how many deltas the log no longer has. */
  readonly folded?: number | null;
  readonly at: string;
  /** The version of the core that made `data`. */
  readonly core?: string | null;
  /** The core's own object. It may change with the core's version: draw text from `text`. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * The numbers that the reader had mean nothing any more: forget what you drew, draw `snapshot`;
 * the events that follow come after its `seq`.
 */
export class Reset {
  readonly type = "feed/reset";

  /** `reason` is `ahead` (the log ends before that number) or `other_log`. */
  constructor(
    readonly reason: string,
    readonly snapshot: Snapshot,
  ) {}

  get seq(): number {
    return this.snapshot.seq;
  }
}

/** What has become of a message so far. `turn` and `reply` are there once it has ended. */
export type Sent = Submitted & Partial<Pick<Finished, "turn" | "reply">>;

/** A turn that no message started; the rest is there with `wait`, once it has ended. */
export type OwnTurn = Began & Partial<Omit<TurnEnded, keyof Began>>;
/** A command that a person ran. `exit_code` is null where it was cut off. */
export type ShellRun = Began & Partial<Omit<Ran, keyof Began>>;

/** A conversation as the server shows it. */
export type ConversationInfo = ConversationView;
export type Approval = ApprovalView;
export type QueuedMessage = QueuedView;
export type Item = ItemView;
export type OpenItem = OpenItemView;
export type TurnInfo = TurnView;
export type LoginInfo = LoginView;

/** What a conversation is made with, beside its directory. */
export type CreateOptions = Omit<CreateConversation, "working_directory">;
/** What of a conversation can be changed later. */
export type ConversationOptions = PatchConversation;
/** What goes with a message; overrides hold for its turn only. */
export type MessageOptions = Omit<SendMessage, "message">;
/** Which conversations a list shows. */
export type ConversationFilter = Omit<
  NonNullable<ListConversationsData["query"]>,
  "limit" | "cursor"
>;
/** Where to search; `prefix`: the last word is still being typed. */
export type SearchFilter = Omit<NonNullable<SearchData["query"]>, "q" | "limit" | "cursor">;
/** An item or a conversation's title that was found. */
export type SearchHit = SearchHitView;
/** The text around what was found. */
export type Snippet = SnippetView;
/** What a decision takes. */
export type Answer = Omit<AnswerApproval, "decision">;
export type ReviewTarget = NonNullable<Review["target"]>;
