/** The server's own objects under the names that this client uses for them. */

import type {
  AnswerApproval,
  ApprovalView,
  Began,
  ConversationView,
  CreateConversation,
  EventView,
  Finished,
  ListConversationsData,
  LoginView,
  OpenItemView,
  ItemView,
  PatchConversation,
  QueuedView,
  Ran,
  Review,
  SendMessage,
  Snapshot,
  Submitted,
  TurnEnded,
  TurnView,
} from "./generated/index.js";

export type { Snapshot };

/** One event. Draw text from `text`; `data` is the core's own object. */
export type Event = EventView;

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
/** What a decision takes. */
export type Answer = Omit<AnswerApproval, "decision">;
export type ReviewTarget = NonNullable<Review["target"]>;
