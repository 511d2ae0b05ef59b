/** Whether something answers at an address, and what it is. */

import { setTimeout as sleep } from "node:timers/promises";

import type { Fetch } from "./backend.js";

const ONE = 3_000; // milliseconds for one try
const PAUSE = 100; // milliseconds between tries

/** The first answer, waited for at most `patience` milliseconds; null if there is none. */
export async function probe(
  send: Fetch,
  url: string,
  token: string | null,
  patience: number,
): Promise<Response | null> {
  const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
  for (const end = Date.now() + patience; Date.now() < end; await sleep(PAUSE)) {
    try {
      return await send(url, { headers, signal: AbortSignal.timeout(ONE) });
    } catch {
      // not yet
    }
  }
  return null;
}

/** Whether an answer of /health is one of codex-http-server. */
export async function isServer(answer: Response): Promise<boolean> {
  const body: unknown = await answer.json().catch(() => null);
  if (typeof body !== "object" || body === null) return false;
  return answer.ok && "status" in body && body.status === "ok" && "version" in body;
}
