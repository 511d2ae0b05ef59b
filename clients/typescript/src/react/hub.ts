/**
 * One stream of everything for all who look at something: a browser has six connections to a host,
 * for all its tabs together. It is open while somebody follows.
 */

import type { AllEvents } from "../all.js";
import type { CodexClient } from "../client.js";
import { ConnectionLost } from "../errors.js";
import type { Event } from "../types.js";

/** What one follower wants of the stream. */
export interface Wish {
  /** Which events; a `feed/reset` (read anew what you show) comes in any case. */
  readonly wants: (event: Event) => boolean;
  readonly onConnection: (state: "open" | "lost") => void;
  readonly signal: AbortSignal;
}

export class Hub {
  private trunk: Trunk | null = null;

  constructor(private readonly client: CodexClient) {}

  /** The events from now on. Close it at the end. */
  follow(wish: Wish): Branch {
    if (!this.trunk || this.trunk.over) this.trunk = new Trunk(this.client);
    return this.trunk.grow(wish);
  }
}

/** One stream, until it fails or nobody follows any more. */
class Trunk {
  over = false;
  private readonly branches = new Set<Branch>();
  private readonly stream: AllEvents;
  private connection: "open" | "lost" | null = null;

  constructor(client: CodexClient) {
    const onConnection = (state: "open" | "lost") => {
      this.connection = state;
      for (const { wish } of this.branches) wish.onConnection(state);
    };
    this.stream = client.events({ after: "latest", patience: Infinity, onConnection });
    void this.run();
  }

  grow(wish: Wish): Branch {
    const branch = new Branch(wish, this.stream.ready(), () => this.cut(branch));
    this.branches.add(branch);
    if (this.connection) wish.onConnection(this.connection);
    return branch;
  }

  private cut(branch: Branch): void {
    this.branches.delete(branch);
    if (this.branches.size > 0) return;
    this.over = true;
    this.stream.close();
  }

  private async run(): Promise<void> {
    let failure: unknown = new ConnectionLost("The stream has ended.");
    try {
      for await (const event of this.stream) {
        for (const branch of this.branches) branch.push(event);
      }
    } catch (error) {
      failure = error;
    }
    this.over = true;
    for (const branch of this.branches) branch.end(failure);
  }
}

/** What one follower gets. Iterate it once. */
export class Branch implements AsyncIterable<Event> {
  private waiting: Event[] = [];
  private failure: unknown = null;
  private wake = () => {};

  /** `ready`: resolves once it is fixed where it begins; what is read after that lacks nothing. */
  constructor(
    readonly wish: Wish,
    readonly ready: Promise<void>,
    private readonly leave: () => void,
  ) {
    wish.signal.addEventListener("abort", this.stir);
  }

  private readonly stir = () => this.wake();

  push(event: Event): void {
    if (event.type !== "feed/reset" && !this.wish.wants(event)) return;
    this.waiting.push(event);
    this.wake();
  }

  end(failure: unknown): void {
    this.failure = failure;
    this.wake();
  }

  close(): void {
    this.wish.signal.removeEventListener("abort", this.stir);
    this.leave();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void> {
    for (;;) {
      this.wish.signal.throwIfAborted();
      const come = this.waiting;
      this.waiting = [];
      yield* come;
      if (this.waiting.length > 0) continue;
      if (this.failure !== null) throw this.failure;
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
