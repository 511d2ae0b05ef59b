import { CodexClient } from "/client/index.js";

// Shows how the server stands, and the text of the conversation that it is told to follow.
const at = (id) => document.getElementById(id);

function show({ state, source, message, hint }) {
  at("state").textContent = [state, source, message].filter(Boolean).join(": ");
  at("hint").textContent = hint ?? "";
}

codex.onState(show);
codex.getState().then(show);

globalThis.api = async (path, body) => {
  const headers = { Authorization: `Bearer ${await codex.getKey()}`, "Content-Type": "application/json" };
  const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  const answer = await fetch(`/api${path}`, init);
  return { status: answer.status, body: await answer.json() };
};

// Every piece of text in the order in which it came: a stream is one, if they are many.
globalThis.follow = async (id) => {
  globalThis.seen = { pieces: [], seqs: [], ends: [] };
  const client = new CodexClient({ baseUrl: "codex://app/api", token: () => codex.getKey() });
  for await (const event of client.conversation(id).events({ patience: Infinity })) {
    if (typeof event.seq === "number") seen.seqs.push(event.seq);
    if (event.type === "item/agentMessage/delta") {
      seen.pieces.push(event.text);
      at("text").textContent += event.text;
    }
    if (event.type === "turn/completed") seen.ends.push(event.status);
  }
};
