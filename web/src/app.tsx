/** The app: the chat, in the frame of a page that has an address and a title. */

import { CodexClient } from "codex-http-client";
import { CodexProvider } from "codex-http-client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { askedFor, useOpen } from "./address";
import { Chat } from "./chat";
import { Title } from "./title";

const TOKEN_REQUIRED = 401;

/**
 * Draw it. `onRefused`: a request was refused because nobody knows who this is; a page loses its
 * session after some hours, and with the server.
 */
export function show(root: HTMLElement, onRefused: () => void): void {
  const watched: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (answer.status === TOKEN_REQUIRED) onRefused();
    return answer;
  };
  const client = new CodexClient({ fetch: watched });
  createRoot(root).render(<StrictMode><App client={client} /></StrictMode>);
}

function App({ client }: { readonly client: CodexClient }) {
  const [id, open] = useOpen();
  return (
    <CodexProvider client={client}>
      <Title id={id} />
      <Chat conversationId={id} onConversation={open} workingDirectory={askedFor("working_directory")} />
    </CodexProvider>
  );
}
