/** The chat, ready to be put into an app: `<CodexChat />`, and `codex-http-client/react/ui.css`. */

export { CodexChat, type CodexChatProps } from "./CodexChat.js";
export type { OpenAddress } from "./Account.js";
export type { Notify } from "./notices.js";
