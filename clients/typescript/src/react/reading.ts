/** Something that is read anew when an event says that it may have changed. */

import { ConnectionLost } from "../errors.js";
import { sleep } from "../time.js";
import type { Event } from "../types.js";
import type { Hub } from "./hub.js";
import { Store } from "./store.js";

const PAUSE = 100; // milliseconds in which changes are gathered before it is read again

export abstract class ReadStore<Data> extends Store<Data> {
  private stale = false;
  private reading: Promise<void> | null = null;

  constructor(
    private readonly hub: Hub,
    onIdle: () => void,
  ) {
    super(onIdle);
  }

  /** Whether an event may have changed it. */
  protected abstract concerns(event: Event): boolean;
  protected abstract fetch(): Promise<Data>;

  protected async follow(signal: AbortSignal): Promise<void> {
    const wants = (event: Event) => this.concerns(event);
    const events = this.hub.follow({ wants, onConnection: this.onConnection, signal });
    try {
      await events.ready;
      await this.read();
      for await (const _ of events) void this.readSoon(signal);
    } finally {
      events.close();
    }
  }

  private async readSoon(signal: AbortSignal): Promise<void> {
    if (this.stale) return;
    this.stale = true;
    try {
      await sleep(PAUSE, signal);
      this.stale = false;
      await this.read();
    } catch (error) {
      this.stale = false;
      if (error instanceof ConnectionLost) void this.readSoon(signal);
      else if (!signal.aborted) this.fail(error);
    }
  }

  /** Read it anew, once at a time. */
  async read(): Promise<void> {
    while (this.reading) await this.reading.catch(() => undefined);
    this.reading = this.fetch()
      .then((data) => this.change({ data }))
      .finally(() => {
        this.reading = null;
      });
    await this.reading;
  }
}
