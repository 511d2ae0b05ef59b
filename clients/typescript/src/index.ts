/** The client of codex-http-server. */

export { AllEvents, type AllEventsOptions } from "./all.js";
export { CodexClient, type ClientOptions } from "./client.js";
export { Conversation, type CallOptions, type SendOptions } from "./conversation.js";
export * from "./errors.js";
export type { FollowOptions } from "./follow.js";
export { Login } from "./login.js";
export type { MadeRequest, RequestLog } from "./requests.js";
export { parts, type SnippetPart } from "./snippet.js";
export { older, reduce, type State } from "./state.js";
export { Events, Turn, type EventsOptions } from "./streams.js";
export type { Token } from "./transport.js";
export { Reset } from "./types.js";
export type * from "./types.js";
/** Every object and operation of the server, as openapi.json describes them. */
export type * as contract from "./generated/index.js";
