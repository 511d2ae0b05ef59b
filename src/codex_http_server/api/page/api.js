// Calls to the server, the retry of those that may be repeated, and the event stream.

/** What went wrong, in the fields of application/problem+json. */
export class Problem extends Error {
  constructor(body, status = 0, retryAfter = 0) {
    super(body.detail || body.title);
    this.title = body.title || "Something went wrong";
    this.detail = body.detail || "";
    this.hint = body.hint || "";
    this.code = body.code || "";
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Send one request; its JSON, or a `Problem`. */
export async function call(method, path, body, key) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  let response, text;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: content, cache: "no-store" });
    text = await response.text();
  } catch {
    throw new Problem({
      title: "The server can't be reached",
      detail: `No answer from ${location.origin}.`,
      hint: "Is codex-http-server still running?",
      code: "",
    });
  }
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    // answered below
  }
  if (response.ok) return parsed;
  const seconds = Number(response.headers.get("Retry-After")) || 0;
  const problem = parsed && typeof parsed === "object" ? parsed : { title: `HTTP ${response.status}`, detail: text.slice(0, 300) };
  throw new Problem(problem, response.status, seconds);
}

const DELAYS = [0.5, 1, 2, 4, 8, 8, 8];

/** Whether the same request may be sent again: its outcome is unknown, or "not now". */
export function passing(problem) {
  return problem.status === 0 || [502, 503, 504].includes(problem.status) || problem.code === "request_in_progress";
}

/** Call again with the same Idempotency-Key until there is an answer. */
export async function retrying(method, path, body, key, onRetry) {
  for (let round = 0; ; round += 1) {
    try {
      return await call(method, path, body, key);
    } catch (problem) {
      if (!(problem instanceof Problem) || !passing(problem) || round >= DELAYS.length) throw problem;
      onRetry(problem);
      const seconds = Math.max(DELAYS[round], Math.min(problem.retryAfter, 10));
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}

export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // not a secure context: no randomUUID
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Follow a conversation after `seq`. EventSource reconnects by itself with Last-Event-ID;
 * `onGone` is called when it gave up, and the caller then reads a new snapshot.
 */
export function follow(id, seq, logId, { onEvent, onState, onGone }) {
  const query = new URLSearchParams({ after: String(seq), log: logId ?? "" });
  const source = new EventSource(`/conversations/${encodeURIComponent(id)}/events?${query}`);
  source.onopen = () => onState("connected");
  source.onmessage = (message) => onEvent(message.data);
  source.onerror = () => {
    onState("reconnecting");
    if (source.readyState === EventSource.CLOSED) onGone();
  };
  return () => source.close();
}
