/**
 * Something that is followed while somebody looks at it, in the form that React wants. Owns when
 * following begins and ends, goes on after a lost connection, and how often the lookers are told.
 */

import { ConnectionLost } from "../errors.js";
import { sleep } from "../time.js";

const FRAME = 16; // milliseconds between two times that lookers are told
const LINGER = 1_000; // milliseconds it is followed on without one: they may be back at once
const FIRST = 500; // milliseconds before it is tried again
const LONGEST = 5_000;

/** What a looker sees. `data` is null until it has come. */
export interface View<Data> {
  readonly data: Data | null;
  readonly connection: "connecting" | "open" | "lost";
  /** Why it is followed no more. */
  readonly error: Error | null;
}

export abstract class Store<Data> {
  private view: View<Data> = { data: null, connection: "connecting", error: null };
  private shown = this.view;
  private readonly listeners = new Set<() => void>();
  private following: AbortController | null = null;
  private leaving: ReturnType<typeof setTimeout> | undefined;
  private telling: ReturnType<typeof setTimeout> | undefined;

  /** `onIdle`: told when nobody has looked for a while. */
  constructor(private readonly onIdle: () => void) {}

  /** Look at it: `listener` is called after changes. Returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    clearTimeout(this.leaving);
    if (!this.following) void this.run((this.following = new AbortController()));
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.leaving = setTimeout(() => this.stop(), LINGER);
    };
  };

  /** What is to be shown; the same object until lookers are told. */
  readonly getView = (): View<Data> => this.shown;

  /** Try again after an error. */
  readonly again = (): void => {
    if (!this.following || !this.view.error) return;
    this.change({ error: null, connection: "connecting" });
    void this.run(this.following);
  };

  private stop(): void {
    this.following?.abort();
    this.following = null;
    this.onIdle();
  }

  // --- for those who follow ------------------------------------------------------------------

  /** Follow it until the signal aborts, or its end. */
  protected abstract follow(signal: AbortSignal): Promise<void>;

  protected get data(): Data | null {
    return this.view.data;
  }

  protected readonly onConnection = (connection: "open" | "lost"): void => {
    this.change({ connection });
  };

  /** Lookers are told of all changes of a frame at once. */
  protected change(fields: Partial<View<Data>>): void {
    this.view = { ...this.view, ...fields };
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      this.shown = this.view;
      for (const listener of this.listeners) listener();
    }, FRAME);
  }

  protected fail(error: unknown): void {
    this.change({ error: error instanceof Error ? error : new Error(String(error)) });
  }

  private async run({ signal }: AbortController): Promise<void> {
    for (let wait = FIRST; !signal.aborted; wait = Math.min(wait * 2, LONGEST)) {
      try {
        return await this.follow(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof ConnectionLost)) return this.fail(error);
        this.change({ connection: "lost" });
        await sleep(wait, signal).catch(() => undefined);
      }
    }
  }
}
