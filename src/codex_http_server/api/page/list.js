// The list of conversations.

import { Problem, call } from "./api.js";
import { $, el, setText, showProblem } from "./dom.js";
import { ago } from "./view.js";

export class ConversationList {
  constructor(current) {
    this.current = current; // () => id of the open conversation
    this.newer = []; // the first page, read again and again
    this.older = []; // pages that were asked for
    this.cursor = null;
    this.drawn = "";
    $("more").addEventListener("click", () => this.more());
  }

  all() {
    const seen = new Set(this.newer.map((each) => each.id));
    return [...this.newer, ...this.older.filter((each) => !seen.has(each.id))];
  }

  newest() {
    return this.newer[0];
  }

  async refresh() {
    try {
      const answer = await call("GET", "/conversations");
      this.newer = answer.data;
      if (!this.older.length) this.cursor = answer.next_cursor;
      showProblem($("list-problem"), null);
      this.draw();
    } catch (problem) {
      this.failed(problem);
    }
  }

  async more() {
    try {
      const answer = await call("GET", `/conversations?cursor=${encodeURIComponent(this.cursor)}`);
      this.older.push(...answer.data);
      this.cursor = answer.next_cursor;
      this.draw();
    } catch (problem) {
      this.failed(problem);
    }
  }

  failed(problem) {
    if (!(problem instanceof Problem)) throw problem;
    // That the server is away stands in the header already.
    if (problem.status !== 0) showProblem($("list-problem"), problem);
  }

  draw() {
    $("more").hidden = !this.cursor;
    const now = Date.now();
    const rows = this.all().map((each) => [each.id, heading(each), each.working_directory, each.status, ago(each.updated_at, now)]);
    const drawn = JSON.stringify(rows);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const focused = document.activeElement?.dataset?.id;
    $("conversations").replaceChildren(...rows.map(row));
    this.mark();
    if (focused) $("conversations").querySelector(`a[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Mark the open conversation. */
  mark() {
    for (const link of document.querySelectorAll(".list a")) {
      const on = (link.dataset.id ?? null) === this.current();
      if (on) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }
}

function heading(conversation) {
  return conversation.title || conversation.preview || "Without messages yet";
}

/** The end of a path says more than its beginning. */
function tail(path) {
  const parts = path.split(/[\\/]/).filter(Boolean);
  return parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : path;
}

function row([id, title, directory, status, when]) {
  const link = el("a", "", el("span", "title", title), el("span", "directory"), el("span", "when"));
  const [, folder, time] = link.children;
  setText(folder, tail(directory));
  folder.title = directory;
  const busy = status === "running";
  setText(time, busy ? "working" : when);
  time.classList.toggle("busy", busy);
  link.href = `#${encodeURIComponent(id)}`;
  link.dataset.id = id;
  return el("li", "", link);
}
