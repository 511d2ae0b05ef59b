/** React: a provider, and hooks that follow conversations. They draw nothing. */

import { useMemo, useSyncExternalStore } from "react";

import type { CodexClient } from "../client.js";
import type { Conversation, SendOptions } from "../conversation.js";
import type { AuthStatus, StartLogin, Usage } from "../generated/index.js";
import type { Login } from "../login.js";
import type { State } from "../state.js";
import type {
  Approval,
  ConversationFilter,
  ConversationInfo,
  Event,
  LoginInfo,
  QueuedMessage,
  Retrying,
  TurnInfo,
} from "../types.js";
import { type ChatItem, chatItems, ConversationStore } from "./conversation.js";
import { useStores } from "./provider.js";

export { type Model, useModels, useScopes } from "./offered.js";
export { CodexProvider, type CodexProviderProps, useCodex, useOptionalCodex } from "./provider.js";
export type { ChatItem, Retrying };

// --- one conversation ----------------------------------------------------------------------------

/** `waiting`: its turn waits for an answer of yours; `failed`: see `error`. */
export type ConversationStatus = "loading" | "idle" | "running" | "waiting" | "deleted" | "failed";

/** A conversation as it is now, and what can be done with it. */
export interface UseConversation {
  readonly status: ConversationStatus;
  /** Null until it was read. */
  readonly conversation: ConversationInfo | null;
  /** In the order in which they are drawn. What did not change is the same object. */
  readonly items: readonly ChatItem[];
  readonly turns: readonly TurnInfo[];
  /** What the core asks and nobody has answered. */
  readonly approvals: readonly Approval[];
  /** What it asked and what became of it (`resolution`), as far back as `items`; in no order. */
  readonly answered: readonly Approval[];
  /** The messages that wait. */
  readonly queue: readonly QueuedMessage[];
  readonly usage: State["usage"];
  readonly core: State["core"] | null;
  /** The core tries its model again, and why; null once the turn goes on. */
  readonly retrying: Retrying | null;
  /** Why it is followed no more, if it is not; `again()` tries once more. */
  readonly error: Error | null;
  /** The connection was lost; it comes back by itself. */
  readonly reconnecting: boolean;
  /** Whether there are older items than those shown. */
  readonly hasOlder: boolean;
  readonly loadOlder: () => Promise<void>;
  readonly again: () => void;
  /** While a turn runs the message waits for its end. */
  readonly send: Conversation["send"];
  /** Give it to the running turn. */
  readonly steer: Conversation["send"];
  readonly interrupt: Conversation["interrupt"];
  readonly answer: Conversation["answer"];
  readonly edit: Conversation["edit"];
  readonly takeBack: Conversation["takeBack"];
  readonly reorder: Conversation["reorder"];
}

const NONE = [] as const;

/** Follow a conversation, with all other components that do. */
export function useConversation(id: string): UseConversation {
  const stores = useStores();
  const store = useMemo(() => stores.conversation(id), [stores, id]);
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  const actions = useMemo(() => actionsOf(store), [store]);
  const state = view.data?.state ?? null;
  const items = useMemo(() => (state ? chatItems(state) : NONE), [state?.items, state?.open_items]);
  return {
    status: statusOf(view.error, state, view.data?.deleted ?? false),
    conversation: state?.conversation ?? null,
    items,
    turns: state?.turns ?? NONE,
    approvals: state?.approvals ?? NONE,
    answered: view.data?.answered ?? NONE,
    queue: state?.queue ?? NONE,
    usage: state?.usage ?? null,
    core: state?.core ?? null,
    retrying: state?.retrying ?? null,
    error: view.error,
    reconnecting: view.connection === "lost",
    hasOlder: (state?.items_before ?? 0) > 0,
    ...actions,
  };
}

function statusOf(error: Error | null, state: State | null, deleted: boolean): ConversationStatus {
  if (deleted) return "deleted";
  if (error) return "failed";
  if (!state) return "loading";
  return state.approvals.length > 0 ? "waiting" : state.conversation.status;
}

function actionsOf({ conversation, loadOlder, again }: ConversationStore) {
  return {
    loadOlder,
    again,
    send: conversation.send.bind(conversation),
    steer: (text: string | null, options: SendOptions = {}) =>
      conversation.send(text, { ...options, while_busy: "steer" }),
    interrupt: conversation.interrupt.bind(conversation),
    answer: conversation.answer.bind(conversation),
    edit: conversation.edit.bind(conversation),
    takeBack: conversation.takeBack.bind(conversation),
    reorder: conversation.reorder.bind(conversation),
  };
}

// --- its events ------------------------------------------------------------------------------------

/** The events of a conversation as they came. */
export interface UseEvents {
  /** The newest 500, oldest first, with some that there were before; those of the server among them. */
  readonly events: readonly Event[];
  readonly error: Error | null;
  readonly reconnecting: boolean;
  readonly again: () => void;
}

/** Look at the events of a conversation as they come, for those who look into what goes on. */
export function useEvents(id: string): UseEvents {
  const stores = useStores();
  const store = useMemo(() => stores.events(id), [stores, id]);
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  return { events: view.data ?? NONE, error: view.error, reconnecting: view.connection === "lost", again: store.again };
}

// --- the list --------------------------------------------------------------------------------------

/** Conversations, newest first, as they are now. */
export interface UseConversations {
  readonly conversations: readonly ConversationInfo[];
  readonly loading: boolean;
  readonly error: Error | null;
  readonly reconnecting: boolean;
  readonly hasMore: boolean;
  readonly loadMore: () => Promise<void>;
  readonly again: () => void;
  /** Start one in a directory of the server's machine. */
  readonly create: CodexClient["create"];
}

/** Follow the conversations that fit. */
export function useConversations(filter: ConversationFilter = {}): UseConversations {
  const stores = useStores();
  const wanted = JSON.stringify(filter);
  const store = useMemo(() => stores.list(wanted), [stores, wanted]);
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  const { client } = stores;
  const create = useMemo(() => client.create.bind(client), [client]);
  return {
    conversations: view.data?.conversations ?? NONE,
    loading: view.data === null && view.error === null,
    error: view.error,
    reconnecting: view.connection === "lost",
    hasMore: view.data?.hasMore ?? false,
    loadMore: store.loadMore,
    again: store.again,
    create,
  };
}

// --- the account -----------------------------------------------------------------------------------

/** Who is signed in, and what can be done about it. */
export interface UseAccount {
  /** Null until it was read. `authenticated` is false where a message would not get through. */
  readonly account: AuthStatus | null;
  /** The login that is pending: a person opens its `url`, and types its `user_code` there. */
  readonly login: LoginInfo | null;
  readonly loading: boolean;
  readonly error: Error | null;
  readonly reconnecting: boolean;
  readonly again: () => void;
  readonly signIn: (how: StartLogin) => Promise<Login>;
  /** End a browser login from another machine, with the address that the browser ended at. */
  readonly finish: (address: string) => Promise<void>;
  readonly cancel: () => Promise<void>;
  readonly signOut: () => Promise<void>;
}

/** Follow the login of the server's Codex home, whoever changes it. */
export function useAccount(): UseAccount {
  const { account: store } = useStores();
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  const { again, signIn, finish, cancel, signOut } = store;
  return {
    account: view.data?.account ?? null,
    login: view.data?.login ?? null,
    loading: view.data === null && view.error === null,
    error: view.error,
    reconnecting: view.connection === "lost",
    again,
    signIn,
    finish,
    cancel,
    signOut,
  };
}

// --- usage -----------------------------------------------------------------------------------------

/** What is left of the account's limits, and what turns of this server took. */
export interface UseUsage {
  /** Null until it was read. */
  readonly usage: Usage | null;
  readonly error: Error | null;
  readonly again: () => void;
}

/** Follow the limits of the account. */
export function useUsage(): UseUsage {
  const { usage: store } = useStores();
  const view = useSyncExternalStore(store.subscribe, store.getView, store.getView);
  return { usage: view.data, error: view.error, again: store.again };
}
