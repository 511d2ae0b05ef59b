/** The requests that were made last, for those who look into what a program asks. */

import type { Call } from "./transport.js";

const KEPT = 20;
const BODY_MOST = 64 * 1024; // bytes of a body that is kept

/** A request that was made. It has no token: that is put on it later. */
export interface MadeRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  /** Null where it had none, and where it was too large to be kept (`cut`). */
  readonly body: ArrayBuffer | null;
  readonly cut: boolean;
}

export class RequestLog {
  private made: readonly MadeRequest[] = [];
  private readonly listeners = new Set<() => void>();

  add({ url, method, headers, body }: Call): void {
    const bytes = body instanceof ArrayBuffer ? body : null;
    const cut = bytes !== null && bytes.byteLength > BODY_MOST;
    this.made = [{ url, method, headers, body: cut ? null : bytes, cut }, ...this.made].slice(0, KEPT);
    for (const listener of this.listeners) listener();
  }

  /** Be told of each new one; returns what ends that. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The newest first; the same array until there is another one. */
  readonly newest = (): readonly MadeRequest[] => this.made;
}
