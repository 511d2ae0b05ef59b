/** The provider: what all components below it share. */

import {
  createContext,
  createElement,
  type ReactElement,
  type ReactNode,
  useContext,
  useMemo,
  useState,
} from "react";

import { CodexClient } from "../client.js";
import type { ConversationFilter } from "../types.js";
import { AccountStore } from "./account.js";
import { ConversationStore } from "./conversation.js";
import { EventsStore } from "./events.js";
import { Hub } from "./hub.js";
import { ListStore } from "./list.js";
import { UsageStore } from "./usage.js";

/** What all components below a provider share: one stream, and what each looks at. */
export class Stores {
  private readonly conversations = new Map<string, ConversationStore>();
  private readonly lists = new Map<string, ListStore>();
  private readonly logs = new Map<string, EventsStore>();

  private readonly hub: Hub;
  readonly account: AccountStore;
  readonly usage: UsageStore;

  constructor(readonly client: CodexClient) {
    this.hub = new Hub(client);
    this.account = new AccountStore(client, this.hub, () => undefined);
    this.usage = new UsageStore(client, this.hub, () => undefined);
  }

  conversation(id: string): ConversationStore {
    const make = (idle: () => void) =>
      new ConversationStore(this.client.conversation(id), this.hub, idle);
    return kept(this.conversations, id, make);
  }

  events(id: string): EventsStore {
    return kept(this.logs, id, (idle) => new EventsStore(id, this.client, this.hub, idle));
  }

  list(filter: string): ListStore {
    const wanted = JSON.parse(filter) as ConversationFilter;
    return kept(this.lists, filter, (idle) => new ListStore(this.client, wanted, this.hub, idle));
  }
}

function kept<Kept>(map: Map<string, Kept>, key: string, make: (idle: () => void) => Kept): Kept {
  const known = map.get(key) ?? make(() => map.delete(key));
  map.set(key, known);
  return known;
}

const Context = createContext<Stores | null>(null);

/** What goes around the components that use the hooks. */
export interface CodexProviderProps {
  /** By default `new CodexClient()`: in a page that the server serves it is that server's. */
  readonly client?: CodexClient;
  readonly children?: ReactNode;
}

export function CodexProvider({ client, children }: CodexProviderProps): ReactElement {
  const [own] = useState(() => client ?? new CodexClient());
  const used = client ?? own;
  const stores = useMemo(() => new Stores(used), [used]);
  return createElement(Context.Provider, { value: stores }, children);
}

/** What is shared; for the hooks of this package. */
export function useStores(): Stores {
  const stores = useContext(Context);
  if (!stores) throw new Error("There is no <CodexProvider> around this component.");
  return stores;
}

/** The client that the provider was given, for all that has no hook. */
export function useCodex(): CodexClient {
  return useStores().client;
}

/** The same, or null where there is no provider around the component. */
export function useOptionalCodex(): CodexClient | null {
  return useContext(Context)?.client ?? null;
}
