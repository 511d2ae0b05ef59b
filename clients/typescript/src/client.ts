/** `CodexClient`: what a program begins with. */

import { AllEvents, type AllEventsOptions } from "./all.js";
import { Conversation } from "./conversation.js";
import { createClient, createConfig } from "./generated/client/index.js";
import { Api, type AuthStatus, type StartLogin, type UploadView } from "./generated/index.js";
import { Login } from "./login.js";
import { paged } from "./pages.js";
import { RequestLog } from "./requests.js";
import { type Call, Transport, type Token } from "./transport.js";
import type {
  Approval,
  ConversationFilter,
  ConversationInfo,
  CreateOptions,
  SearchFilter,
  SearchHit,
} from "./types.js";

const DEFAULT_URL = "http://127.0.0.1:3032";

/** How to get to the server. */
export interface ClientOptions {
  /**
   * Where the server is. By default `CODEX_HTTP_URL` in Node, in a page the server that it came
   * from, else `http://127.0.0.1:3032`.
   */
  readonly baseUrl?: string | undefined;
  /** A token, or what gives the present one. By default `CODEX_HTTP_TOKEN` in Node, else none. */
  readonly token?: Token | null | undefined;
  /** Seconds to wait for a server that has answered before and is away; 60 by default. */
  readonly patience?: number | undefined;
  /** What makes the requests; the global `fetch` by default. */
  readonly fetch?: typeof fetch | undefined;
}

/** A client of one server. All methods throw `ClientError`. It holds nothing that needs closing. */
export class CodexClient {
  /** Every operation of the server, generated from its openapi.json. */
  readonly api: Api;
  /** What was asked last, without tokens; not what has to do with signing in, which carries keys. */
  readonly requests = new RequestLog();
  private readonly transport: Transport;

  constructor(options: ClientOptions = {}) {
    const baseUrl = options.baseUrl ?? variable("CODEX_HTTP_URL") ?? originHere() ?? DEFAULT_URL;
    const { token = variable("CODEX_HTTP_TOKEN"), patience = 60 } = options;
    const onRequest = (call: Call) => {
      if (!call.url.startsWith(`${this.baseUrl}/auth`)) this.requests.add(call);
    };
    this.transport = new Transport({ baseUrl, token, patience, fetch: options.fetch, onRequest });
    const { fetch, baseUrl: trimmed } = this.transport;
    const config = createConfig({ baseUrl: trimmed, fetch, throwOnError: true });
    this.api = new Api({ client: createClient(config) });
  }

  /** Where the server is. */
  get baseUrl(): string {
    return this.transport.baseUrl;
  }

  // --- conversations -------------------------------------------------------------------------

  /** Start a conversation in a directory of the server's machine. */
  async create(workingDirectory: string, options: CreateOptions = {}): Promise<Conversation> {
    const body = { working_directory: workingDirectory, ...options };
    return this.conversation((await this.api.createConversation({ body })).id);
  }

  /** The conversation with this id. Asks nothing yet. */
  conversation(id: string): Conversation {
    return new Conversation(id, this.api, this.transport);
  }

  /** All conversations that fit, newest first, page after page as you go on. */
  conversations(wanted: ConversationFilter = {}): AsyncGenerator<ConversationInfo, void> {
    return paged((page) => this.api.listConversations({ query: { ...wanted, ...page } }));
  }

  /**
   * What has all these words ("phrases", beginnings*): titles first, then newest first, page after
   * page as you go on.
   */
  search(q: string, wanted: SearchFilter = {}): AsyncGenerator<SearchHit, void> {
    return paged((page) => this.api.search({ query: { q, ...wanted, ...page } }));
  }

  /** What the core asks and nobody has answered, in all conversations, newest first. */
  approvals(): AsyncGenerator<Approval, void> {
    return paged((page) => this.api.listApprovals({ query: page }));
  }

  /** Send an image for messages to name by its `upload_id`. */
  async upload(image: Blob): Promise<UploadView> {
    return await this.api.createUpload({
      body: image,
      bodySerializer: null, // its bytes as they are
      headers: { "Content-Type": image.type },
    });
  }

  /** The events of all conversations, of the account and the server, on one connection. */
  events(options: AllEventsOptions = {}): AllEvents {
    return new AllEvents(this.transport, this.api, options);
  }

  // --- signing in ----------------------------------------------------------------------------

  /** Who the core is signed in as; if nobody, why, and what to do. */
  async authStatus(): Promise<AuthStatus> {
    return await this.api.getAuthStatus();
  }

  /** Begin to sign in: in a browser of the server's machine, with a code anywhere, with a key. */
  async login(how: StartLogin): Promise<Login> {
    return new Login(await this.api.signIn({ body: how }), this.api);
  }

  /** Sign out. */
  async logout(): Promise<void> {
    await this.api.signOut();
  }
}

/** An environment variable, where there is such a thing. */
function variable(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}

/** Where the page came from, if it came over HTTP. */
function originHere(): string | undefined {
  const { location } = globalThis as { location?: { origin: string } };
  return location?.origin.startsWith("http") ? location.origin : undefined;
}
