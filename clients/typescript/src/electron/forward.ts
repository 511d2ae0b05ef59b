/**
 * `/api/…` of the app's own scheme: passed on to the server, with the token, which no page ever has.
 * Answers are passed on as they come, so that streams stay streams.
 *
 * Any page in any window of the app can call an address of such a scheme: Electron asks no server of
 * it and names no origin (measured on 25; from 39 on a part of it is refused). So a request has to show
 * the key of this run, which only the app's own pages are given.
 */

import type { Fetch } from "./backend.js";

export const API = "/api";

/** What of a page's request the server gets to see; nothing that says which page it was. */
const TOLD = ["accept", "content-type", "idempotency-key", "last-event-id", "if-none-match", "range"];
/** What of the answer is about the connection, or about pages of another origin. */
const CUT = /^(?:connection|keep-alive|transfer-encoding|content-encoding|set-cookie|access-control-.*)$/i;

/** Pass a request on, if it shows `key` as its token; nothing is done for others. */
export async function forward(request: Request, ask: Fetch, key: string): Promise<Response> {
  if (request.headers.get("authorization") !== `Bearer ${key}`) return refused();
  const { pathname, search } = new URL(request.url);
  const answer = await ask(pathname.slice(API.length) + search, await initOf(request));
  const headers = new Headers();
  answer.headers.forEach((value, name) => {
    if (!CUT.test(name)) headers.set(name, value);
  });
  return new Response(answer.body, { status: answer.status, headers });
}

async function initOf(request: Request): Promise<RequestInit> {
  const { method, signal } = request;
  const headers = new Headers();
  for (const name of TOLD) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const body = method === "GET" || method === "HEAD" ? null : await request.arrayBuffer();
  return { method, headers, signal, body: body?.byteLength ? body : null };
}

function refused(): Response {
  const detail = "This page may not use the app's server: it does not have its key.";
  const hint = "Pages of the app ask for it: token: () => window.codex.getKey().";
  const problem = { code: "page_key_required", status: 401, title: "Not allowed", detail, hint };
  const headers = { "Content-Type": "application/problem+json" };
  return new Response(JSON.stringify(problem), { status: 401, headers });
}
