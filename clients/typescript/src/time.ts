/** Waiting, and giving up waiting. Works from Chromium 103 and Node 20 on. */

/** Wait; rejects with the reason of `signal` when that aborts. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}

/** A signal of its own that aborts with another, and when nothing was heard for too long. */
export class Watch {
  private readonly controller = new AbortController();
  private free = () => {};
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** `silence`: milliseconds after which it aborts, counted from the last `heard`. */
  constructor(
    private readonly silence: number,
    other: AbortSignal,
  ) {
    this.follow(other);
    this.heard();
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** There was a sign of life. */
  heard(): void {
    clearTimeout(this.timer);
    if (this.signal.aborted) return;
    const late = () => this.controller.abort(new Error(`nothing came for ${this.silence / 1000} s`));
    this.timer = setTimeout(late, this.silence);
  }

  /** Watch no more; the signal stays as it is. */
  done(): void {
    clearTimeout(this.timer);
    this.free();
  }

  private follow(other: AbortSignal): void {
    const stop = () => this.controller.abort(other.reason);
    if (other.aborted) return stop();
    other.addEventListener("abort", stop, { once: true });
    this.free = () => other.removeEventListener("abort", stop);
  }
}
