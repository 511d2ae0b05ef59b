/** Commands of a person's own, written as a message that begins with an !. Pure. */

const AS_MESSAGE = "With a space before it, it is sent as a message.";

/** The command in a message, without the !; null where it is none. */
export function commandIn(text: string): string | null {
  return text.startsWith("!") ? text.slice(1).trim() : null;
}

/** Why none can be run now; null where one can. */
export function noCommand(scopes: readonly string[] | null, running: boolean): string | null {
  if (scopes !== null && !scopes.includes("elevate")) {
    return `A command of your own needs a token with the scope elevate. ${AS_MESSAGE}`;
  }
  return running ? `A command can run once the turn has ended. ${AS_MESSAGE}` : null;
}
