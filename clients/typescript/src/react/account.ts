/** Who is signed in, and the login that is under way, while somebody looks at it. */

import type { CodexClient } from "../client.js";
import type { AuthStatus, StartLogin } from "../generated/index.js";
import { Login } from "../login.js";
import type { Event, LoginInfo } from "../types.js";
import type { Hub } from "./hub.js";
import { ReadStore } from "./reading.js";

/** After these it may be another one, or no good any more. */
const CHANGES: ReadonlySet<string> = new Set([
  "account/updated",
  "account/login/completed",
  "auth/required",
  "auth/restored",
  "core/state",
]);

/** The account, and what a person has to do for the login that is pending, if one is. */
export interface AccountState {
  readonly account: AuthStatus;
  readonly login: LoginInfo | null;
}

export class AccountStore extends ReadStore<AccountState> {
  constructor(
    private readonly client: CodexClient,
    hub: Hub,
    onIdle: () => void,
  ) {
    super(hub, onIdle);
  }

  protected override concerns({ type }: Event): boolean {
    return CHANGES.has(type);
  }

  protected override async fetch(): Promise<AccountState> {
    const account = await this.client.authStatus();
    if (account.login === null) return { account, login: null };
    const login = await this.client.api.getLogin({ path: { login_id: account.login } });
    return { account, login: login.state === "pending" ? login : null };
  }

  // --- what can be done ----------------------------------------------------------------------

  readonly signIn = async (how: StartLogin): Promise<Login> => {
    const login = await this.client.login(how);
    await this.read();
    return login;
  };

  /** End a browser login from another machine, with the address that the browser ended at. */
  readonly finish = async (address: string): Promise<void> => {
    await this.pending()?.finish(address);
    await this.read();
  };

  readonly cancel = async (): Promise<void> => {
    await this.pending()?.cancel();
    await this.read();
  };

  readonly signOut = async (): Promise<void> => {
    await this.client.logout();
    await this.read();
  };

  private pending(): Login | null {
    const info = this.data?.login;
    return info ? new Login(info, this.client.api) : null;
  }
}
