/**
 * A test list that runs in Node and in a browser, and what its tests need. The Python side starts
 * the server and plays the model: `world.expect` says what that answers.
 */

/** What the Python side says of the world. */
export interface Setting {
  /** The server under test. */
  readonly url: string;
  /** Where to tell the model what to do. */
  readonly stage: string;
  /** A directory for conversations. */
  readonly project: string;
}

/** One part of an answer, in the words of codex_http_server.testing.answers. */
export type Step =
  | { readonly text: readonly (string | { readonly gate: string })[] }
  | { readonly command: string; readonly escalate?: boolean }
  | { readonly reasoning: string }
  | { readonly patch: string };

export class World {
  constructor(readonly setting: Setting) {}

  /** What the next response of the model is made of. */
  expect(...steps: Step[]): Promise<void> {
    return this.tell("expect", { steps });
  }

  /** Let the model go on. */
  open(gate: string): Promise<void> {
    return this.tell("open", { gate });
  }

  /** End the server with a signal and start it again at the same address. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    return this.tell("restart", { signal });
  }

  private async tell(what: string, body: object): Promise<void> {
    const answer = await fetch(`${this.setting.stage}/${what}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`the stage could not ${what}: ${await answer.text()}`);
  }
}

/** One test of the list. */
export interface Test {
  readonly name: string;
  readonly run: (world: World) => Promise<void>;
}

/** How one went; `error` is null if well. */
export interface Result {
  readonly name: string;
  readonly error: string | null;
  readonly milliseconds: number;
}

const PATIENCE = 30_000; // milliseconds for one test

/** Run them one after the other. */
export async function runAll(tests: readonly Test[], setting: Setting): Promise<Result[]> {
  const results: Result[] = [];
  for (const test of tests) results.push(await runOne(test, new World(setting)));
  return results;
}

async function runOne({ name, run }: Test, world: World): Promise<Result> {
  const start = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took too long")), PATIENCE);
  });
  const error = await Promise.race([run(world), late]).then(
    () => null,
    (reason: unknown) => (reason instanceof Error ? (reason.stack ?? reason.message) : String(reason)),
  );
  clearTimeout(timer);
  return { name, error, milliseconds: Date.now() - start };
}

// --- checks ----------------------------------------------------------------------------------

/** Fails unless both are the same JSON. */
export function equal(found: unknown, wanted: unknown, what = "values"): void {
  const difference = differs(found, wanted, "");
  if (difference !== null) throw new Error(`${what} differ${difference}`);
}

function differs(found: unknown, wanted: unknown, path: string): string | null {
  if (Object.is(found, wanted)) return null;
  if (isTree(found) && isTree(wanted) && Array.isArray(found) === Array.isArray(wanted)) {
    for (const key of new Set([...Object.keys(found), ...Object.keys(wanted)])) {
      const difference = differs(found[key], wanted[key], `${path}.${key}`);
      if (difference !== null) return difference;
    }
    return null;
  }
  return ` at ${path || "the top"}: ${JSON.stringify(found)} is not ${JSON.stringify(wanted)}`;
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Fails unless it holds. */
export function ok(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}

/** The error of this class that the work ends with. */
export async function fails<E>(
  kind: abstract new (...args: never[]) => E,
  work: () => Promise<unknown>,
): Promise<E> {
  try {
    await work();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`it should have failed with ${kind.name}`);
}

/** All that a reader gives, up to and with the first that passes. */
export async function until<T>(reader: AsyncIterable<T>, last: (item: T) => boolean): Promise<T[]> {
  const found: T[] = [];
  for await (const item of reader) {
    found.push(item);
    if (last(item)) return found;
  }
  throw new Error("the reader ended");
}
