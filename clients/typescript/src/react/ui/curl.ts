/** A request as a line for a shell. Pure. */

import type { MadeRequest } from "../../requests.js";

/** Stands for the token, which is never shown. */
const TOKEN = '-H "Authorization: Bearer $CODEX_HTTP_TOKEN"';

/**
 * The request for curl in a POSIX shell. Its Idempotency-Key is left out: with the same one the server
 * would only repeat its answer. What is no text, or was too large to be kept, is read from a file.
 */
export function curlOf({ url, method, headers, body, cut }: MadeRequest): string {
  const type = headers.get("Content-Type");
  const parts = [
    `curl${method === "GET" ? "" : ` -X ${method}`} ${quoted(url)}`,
    TOKEN,
    ...(type ? [`-H ${quoted(`Content-Type: ${type}`)}`] : []),
    ...data(body, cut, type),
  ];
  return parts.join(" \\\n  ");
}

function data(body: ArrayBuffer | null, cut: boolean, type: string | null): string[] {
  if (cut) return ["--data-binary @FILE"];
  if (body === null) return [];
  if (type !== null && !type.includes("json")) return ["--data-binary @FILE"];
  return [`--data-raw ${quoted(new TextDecoder().decode(body))}`];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** How a request is called in a list. */
export function nameOf({ url, method }: MadeRequest): string {
  const { pathname, search } = new URL(url);
  return `${method} ${pathname}${search}`;
}
