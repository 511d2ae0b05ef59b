/** What is left of the account's limits, while somebody looks at it. */

import type { CodexClient } from "../client.js";
import type { Usage } from "../generated/index.js";
import type { Event } from "../types.js";
import type { Hub } from "./hub.js";
import { ReadStore } from "./reading.js";

const CHANGES: ReadonlySet<string> = new Set([
  "account/rateLimits/updated",
  "account/updated",
  "account/login/completed",
]);

export class UsageStore extends ReadStore<Usage> {
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

  protected override fetch(): Promise<Usage> {
    return this.client.api.getUsage();
  }
}
