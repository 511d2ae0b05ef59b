/** The end of the app, once, whoever asks for it: a person, a signal, an update. */

const LIMIT = 10_000; // milliseconds: a server that hangs does not keep the app

export class Shutdown {
  private running: Promise<void> | null = null;
  over = false;

  /** `work`: what has to be ended before the app may go. */
  constructor(
    private readonly work: () => Promise<void>,
    private readonly limit = LIMIT,
  ) {}

  /** End everything; the same end for all who ask. Never rejects. */
  run(): Promise<void> {
    return (this.running ??= this.once());
  }

  private async once(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.limit);
    });
    const done = this.work().catch((error: unknown) => {
      console.error("codex: the server could not be ended:", error);
    });
    await Promise.race([done, late]);
    clearTimeout(timer);
    this.over = true;
  }
}
