/** How often a server is started again. Pure. */

const MOST = 3;
const WITHIN = 120_000; // milliseconds

/** Counts restarts: at most three in two minutes, so that a server that can't live is given up. */
export class Restarts {
  private times: number[] = [];

  /** Whether it may be started again at this time; counts it then. */
  allow(now: number): boolean {
    this.times = this.times.filter((time) => now - time < WITHIN);
    if (this.times.length >= MOST) return false;
    this.times.push(now);
    return true;
  }
}
