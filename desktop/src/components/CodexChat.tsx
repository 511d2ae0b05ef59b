/** Codex in a window: how the server stands, and once it runs the whole chat. */

import { CodexClient } from "codex-http-client";
import type { CodexBridge, CodexState } from "codex-http-client/electron/preload";
import { CodexChat as Chat } from "codex-http-client/react/ui";
import { useEffect, useState } from "react";

import "codex-http-client/react/ui.css";
import "./CodexChat.css";

declare global {
  interface Window {
    readonly codex: CodexBridge;
  }
}

const { codex } = window;
const client = new CodexClient({ baseUrl: "codex://app/api", token: () => codex.getKey() });

export function CodexChat() {
  const server = useServer();
  const [current, open] = useState<string | null>(null);
  useEffect(() => codex.onOpen(open), []); // a notice was clicked
  if (server === null || ["starting", "failed", "stopped"].includes(server.state)) {
    return <NoServer server={server} />;
  }
  return (
    <Chat
      client={client}
      conversationId={current}
      onConversation={open}
      pickFolder={() => codex.pickFolder()}
      notify={() => undefined} // the main process shows the system's own
    />
  );
}

/** How the server stands; null until that is known. */
function useServer(): CodexState | null {
  const [state, setState] = useState<CodexState | null>(null);
  useEffect(() => {
    const leave = codex.onState(setState);
    void codex.getState().then(setState);
    return leave;
  }, []);
  return state;
}

function NoServer({ server }: { server: CodexState | null }) {
  const failed = server?.state === "failed";
  return (
    <main className="alone" role={failed ? "alert" : "status"}>
      <h1>{server?.message ?? "Codex is starting."}</h1>
      {server?.hint && <p>{server.hint}</p>}
      {failed && <button onClick={() => void codex.start()}>Try again</button>}
      {failed && <button onClick={() => void codex.showLog()}>Show the log</button>}
      {server && server.log.length > 0 && <pre>{server.log.join("\n")}</pre>}
    </main>
  );
}
