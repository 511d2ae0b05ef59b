/**
 * How this page came in, and what it may do. A code in the address (`#code=…`, from
 * `codex-http-server open`) is taken out of it at once, and becomes a cookie that no script sees.
 */

import { type Told, UNREACHABLE } from "./telling";

const CODE = /^#code=([\w-]+)$/;

/** Whether there is anything that this page may look at, and what is to be told. */
export interface Access {
  readonly mayLook: boolean;
  readonly problem: Told | null;
}

const LOCKED: Told = {
  title: "This server wants to know who you are",
  detail: "This page has no right to look at anything here.",
  hint: "On the server's machine run: codex-http-server open",
};

/** The code in the address, which it leaves. */
function takeCode(): string | null {
  const code = CODE.exec(location.hash)?.[1] ?? null;
  if (code) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

let code = takeCode(); // before anything else happens

/** A tab that is open already may be given a code too: it comes in anew with it. */
export function lookForCodes(): void {
  addEventListener("hashchange", () => {
    const given = takeCode();
    if (given) void use(given).finally(() => location.reload());
  });
}

/** Use the code up if there is one, and ask what this page may do. */
export async function enter(): Promise<Access> {
  const refused = code ? await use(code) : null;
  code = null;
  const may = mayLook(await scopesHere());
  return { mayLook: may, problem: refused ?? (may ? null : LOCKED) };
}

/** What to do where this page has lost its right to look; null where it has not. */
export async function lockedOut(): Promise<Told | null> {
  return mayLook(await scopesHere()) ? null : LOCKED;
}

/** A server that is away says nothing about rights: the app waits for it, and says so. */
function mayLook(scopes: readonly string[] | null): boolean {
  return scopes === null || scopes.includes("read");
}

/** Make a cookie of a code; what the server says against it, if anything. */
async function use(given: string): Promise<Told | null> {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ code: given });
  try {
    const answer = await fetch("/session", { method: "POST", headers, body });
    return answer.ok ? null : ((await answer.json()) as Told);
  } catch {
    return UNREACHABLE;
  }
}

/** What this page may do; null where nobody answers. */
async function scopesHere(): Promise<readonly string[] | null> {
  try {
    const answer = await fetch("/session", { cache: "no-store" });
    return answer.ok ? ((await answer.json()) as { scopes: string[] }).scopes : null;
  } catch {
    return null;
  }
}
