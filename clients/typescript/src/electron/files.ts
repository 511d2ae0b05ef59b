/** The page's own files, from one folder and from nowhere else. */

import { readFile } from "node:fs/promises";
import { extname, join, normalize, sep } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".gif": "image/gif",
  ".webp": "image/webp",
  ".ico": "image/x-icon",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
};

/** The page runs its own scripts, shows its own things, and talks to the app alone. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A file of the folder. An address that names none, and has no ending, is the page itself. */
export async function fileOf(folder: string, pathname: string, policy: string): Promise<Response> {
  const path = within(folder, pathname);
  const content = path && (await read(path));
  if (path && content) return answer(content, TYPES[extname(path)] ?? "application/octet-stream", policy);
  const page = extname(pathname) ? null : await read(join(folder, "index.html"));
  return page ? answer(page, TYPES[".html"] ?? "", policy) : new Response("There is no such file.", { status: 404 });
}

function within(folder: string, pathname: string): string | null {
  try {
    const name = decodeURIComponent(pathname);
    const path = normalize(join(folder, name === "/" ? "index.html" : name));
    return path.startsWith(normalize(folder + sep)) && !path.includes("\0") ? path : null;
  } catch {
    return null; // no address at all
  }
}

function read(path: string): Promise<Uint8Array<ArrayBuffer> | null> {
  return readFile(path).then((content) => new Uint8Array(content), () => null);
}

function answer(content: Uint8Array<ArrayBuffer>, type: string, policy: string): Response {
  const headers = {
    "Content-Type": type,
    "Content-Security-Policy": policy,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
  };
  return new Response(content, { headers });
}
