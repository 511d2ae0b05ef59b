/** What goes wrong with a server that we start. */

import { ClientError } from "../errors.js";

const MISUSED = 2; // exit statuses: an option that is none,
const HOME_TAKEN = 3; // and another server has this Codex home
const WHY = "Its log says why; so does codex-http-server doctor.";

/** The server did not start, or was started too often. `log` has the last lines that it logged. */
export class ServerNotStarted extends ClientError {
  override readonly name = "ServerNotStarted";

  constructor(
    detail: string,
    /** Its exit status, if it ended by itself. */
    readonly exitStatus: number | null,
    readonly log: readonly string[],
  ) {
    const said = lastLine(log, "codex-http-server: ");
    super(said ? `${detail} It said: ${said}` : detail, { hint: lastLine(log, "hint: ") ?? WHY });
  }

  /** Whether starting it again is no use. */
  get final(): boolean {
    return this.exitStatus === HOME_TAKEN || this.exitStatus === MISUSED;
  }
}

function lastLine(log: readonly string[], mark: string): string | null {
  return log.findLast((line) => line.startsWith(mark))?.slice(mark.length) ?? null;
}
