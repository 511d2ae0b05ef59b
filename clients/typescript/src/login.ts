/** Signing in: a login that is pending until a person has done something. */

import type { Api } from "./generated/index.js";
import type { LoginInfo } from "./types.js";

const SLICE = 50; // seconds of one wait; a longer one asks again

/** A login. While it is pending a person opens `info.url`, and types `info.user_code` there. */
export class Login {
  constructor(
    public info: LoginInfo,
    private readonly api: Api,
  ) {}

  /** Wait until it has ended: then `state` is `succeeded`, `failed`, `cancelled` or `expired`. */
  async wait(options: { signal?: AbortSignal } = {}): Promise<LoginInfo> {
    while (this.info.state === "pending") {
      this.info = await this.api.getLogin({ path: this.path, query: { wait: SLICE }, ...options });
    }
    return this.info;
  }

  /** End a browser login from another machine, with the address that the browser ended at. */
  async finish(callbackUrl: string): Promise<LoginInfo> {
    this.info = await this.api.finishLogin({ path: this.path, body: { callback_url: callbackUrl } });
    return this.info;
  }

  /** Give it up. */
  async cancel(): Promise<LoginInfo> {
    this.info = await this.api.cancelLogin({ path: this.path });
    return this.info;
  }

  private get path(): { login_id: string } {
    return { login_id: this.info.id };
  }
}
