/** The app: the chat, in the frame of a page that has an address and a title. */

import "codex-http-client/react/ui.css";

import { CodexClient } from "codex-http-client";
import { CodexProvider, useAccount, useConversations } from "codex-http-client/react";
import { CodexChat } from "codex-http-client/react/ui";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { askedFor, useOpen } from "./address";
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
      <header className="hidden"><h1>codex-http-server</h1></header>
      <Title id={id} />
      <Chat id={id} onOpen={open} />
    </CodexProvider>
  );
}

interface ChatProps {
  readonly id: string | null;
  readonly onOpen: (id: string | null) => void;
}

function Chat({ id, onOpen }: ChatProps) {
  const folder = askedFor("working_directory");
  const examples = useDemo(folder) ? EXAMPLES : [];
  return (
    <CodexChat conversationId={id} onConversation={onOpen} workingDirectory={folder} examples={examples} signInNote={LOOKING} />
  );
}

/** For who has no login yet. */
const LOOKING = <>Only looking? <code>codex-http-server demo</code> shows all of this without a login.</>;

/** What the model of the offline demo understands. */
const EXAMPLES = ["show me what you can do", "list the files", "create a file notes.txt with some text", "run echo hello"];

/** Whether this is the offline demo: its model needs no login, and its folder is called after it. */
function useDemo(asked: string): boolean {
  const { account } = useAccount();
  const { conversations } = useConversations({ archived: false }); // the chat's own list
  const folder = asked || (conversations[0]?.working_directory ?? "");
  return account?.reason === "provider_needs_no_login" && /\/codex-demo-[^/]+(?:\/|$)/.test(folder);
}
