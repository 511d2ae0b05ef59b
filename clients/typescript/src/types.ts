/** The server's own objects under the names that this client uses for them. */

import type {
  AnswerApproval,
  ApprovalView,
  Began,
  CodexThreadItem,
  ConversationView,
  CreateConversation,
  EventOther,
  Finished,
  ListConversationsData,
  LoginView,
  OpenItemView,
  ItemView,
  KnownEvent,
  PatchConversation,
  PlanView,
  QueuedView,
  Ran,
  RetryingView,
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

export type { KnownEvent, Snapshot };

/**
 * A type that this version does not know: any word but those of `KnownEvent`, to be compared as
 * `String(event.type)`. It is no word of its own: types only narrow by single values.
 */
export declare enum UnknownType {
  Any = "",
}

/** An event that a newer server or core may send: nothing is known of what it carries. */
export type OtherEvent = EventOther & { readonly type: UnknownType };

/**
 * One event: the envelope, which is the server's and stays as it is, around what happened. `type` says
 * what is in `data`: after `event.type === "turn/completed"` it is that of a turn's end. An object of
 * the core may change with the core's version (`core`): draw text from `text`. What each type means is
 * in the server's docs/events.md.
 */
export type Event = KnownEvent | OtherEvent;

/** The types of events that this version knows. */
export type EventType = KnownEvent["type"];
/** The event of one type, or of several. */
export type EventOf<Type extends EventType> = Extract<KnownEvent, { readonly type: Type }>;
/** The core's own object of an item, of one type, or of any. */
export type CodexItem<Type extends CodexThreadItem["type"] = CodexThreadItem["type"]> = Extract<
  CodexThreadItem,
  { readonly type: Type }
>;

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
/** That the core tries its model again: what went wrong, in its words. */
export type Retrying = RetryingView;
/** What the agent means to do in a turn, step by step. */
export type Plan = PlanView;
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
