// Codex for the main process. It registers everything that the page needs, `codex:*` channels included,
// brings the server with the app and ends it with the app.
const { join } = require("node:path");
const { app } = require("electron");
const { setUpCodex } = require("codex-http-client/electron/main");

const codex = setUpCodex({
  page: join(__dirname, "../../dist"), // where the built page is
  // A packaged app brings its server along; in development it is the one that is installed.
  ...(app.isPackaged && { python: join(process.resourcesPath, "python") }),
});

/** The calls that a service over `codex mcp` had. `onEvent` returns what ends it. */
const { service } = codex;
module.exports = {
  codex,
  checkHealth: () => service.checkHealth(),
  getAuthStatus: () => service.getAuthStatus(),
  login: (how) => service.login(how),
  createConversation: (folder, options) => service.createConversation(folder, options),
  listConversations: (wanted) => service.listConversations(wanted),
  sendMessage: (id, text, options) => service.sendMessage(id, text, options),
  onEvent: (listener) => service.onEvent(listener),
  interrupt: (id) => service.interrupt(id),
  answerApproval: (id, approvalId, decision, answer) => service.answerApproval(id, approvalId, decision, answer),
  dispose: () => codex.stop(),
};
