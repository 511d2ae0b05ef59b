// What is typed and sent: new conversations, messages, the queue, and Stop.

import { Problem, call, newKey, passing, retrying } from "./api.js";
import { $, button, el, setText, showProblem } from "./dom.js";
import { inputText } from "./items.js";

const GRACE = 5000; // ms until an accepted message that never showed up is no longer shown as sent

export class Composer {
  /** `page` has: conversation() → id, created(conversation), seen(submit_id), problem(problem). */
  constructor(page) {
    this.page = page;
    this.busy = false;
    this.pending = []; // messages on their way: {id, text, node, note, submitId, until}
    this.failed = null; // the last message that got no answer: sent again under the same key
    this.creating = null; // likewise, a conversation that may have been made
    const box = $("message");
    box.addEventListener("input", () => this.grow());
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit(box.value);
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit(box.value);
    });
    $("start").addEventListener("submit", async (event) => {
      event.preventDefault();
      if (await this.create()) box.focus();
    });
    $("stop").addEventListener("click", () => this.stop());
    setInterval(() => this.settle(), 1000);
  }

  reset() {
    this.drawQueue([]);
    this.setBusy(false);
    const id = this.page.conversation();
    for (const each of this.pending) each.node.hidden = each.id !== id;
    setText($("send"), id === null ? "Start" : "Send");
    if (matchMedia("(min-width: 760px)").matches) (id === null && !$("directory").value ? $("directory") : $("message")).focus();
  }

  grow() {
    const box = $("message");
    box.rows = Math.min(8, box.value.split("\n").length + Math.floor(box.value.length / 120));
  }

  setBusy(busy) {
    this.busy = busy;
    $("keys").hidden = busy;
    for (const node of document.querySelectorAll(".busy-only")) node.hidden = !busy;
    $("stop").disabled = false;
  }

  // --- sending ----------------------------------------------------------------------------

  async submit(text) {
    if (!text.trim() || this.sending) return;
    this.sending = true; // while a conversation is being made
    try {
      if (this.page.conversation() === null && !(await this.create())) return;
    } finally {
      this.sending = false;
    }
    const box = $("message");
    if (box.value === text) box.value = "";
    this.grow();
    await this.send(this.page.conversation(), text);
  }

  async create() {
    const body = { working_directory: $("directory").value.trim() };
    if ($("sandbox").value) body.sandbox = $("sandbox").value;
    showProblem($("start-problem"), null);
    $("create").disabled = $("send").disabled = true;
    const wanted = JSON.stringify(body);
    const key = this.creating?.wanted === wanted ? this.creating.key : newKey();
    this.creating = { wanted, key };
    try {
      const told = (problem) => showProblem($("start-problem"), { title: "Trying again", detail: problem.title });
      const made = await retrying("POST", "/conversations", body, key, told);
      this.creating = null;
      showProblem($("start-problem"), null);
      await this.page.created(made);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (!passing(problem)) this.creating = null;
      showProblem($("start-problem"), problem);
      $("start-problem").scrollIntoView({ block: "nearest" });
      if (problem.errors.length || problem.code === "invalid_working_directory") $("directory").focus();
      return false;
    } finally {
      $("create").disabled = $("send").disabled = false;
    }
  }

  async send(id, text) {
    const body = { message: text };
    if (this.busy) body.while_busy = $("while-busy").value;
    const again = this.failed;
    const same = again?.id === id && again.text === text && again.body.while_busy === body.while_busy;
    const key = same ? again.key : newKey();
    this.failed = null;
    this.page.problem(null);
    const sent = this.show(id, text);
    try {
      const told = (problem) => setText(sent.note, `trying again: ${problem.title}`);
      const path = `/conversations/${encodeURIComponent(id)}/messages`;
      const answer = await retrying("POST", path, body, key, told);
      sent.submitId = answer.submit_id;
      sent.until = Date.now() + GRACE;
      const login = answer.status === "waiting_for_login";
      setText(sent.note, login ? "accepted; it waits until you are signed in" : "accepted");
      this.settle();
    } catch (problem) {
      this.drop(sent);
      if (!(problem instanceof Problem)) throw problem;
      if (passing(problem)) this.failed = { id, text, body, key };
      if (this.page.conversation() !== id) return;
      if (!$("message").value) $("message").value = text;
      this.grow();
      this.page.problem(problem);
    }
  }

  /** Show a message that the server has not answered for yet. */
  show(id, text) {
    const note = el("p", "hint", "sending");
    const node = el("article", "item userMessage", el("div", "bubble", text), note);
    const sent = { id, node, note, submitId: null, until: Infinity };
    this.pending.push(sent);
    $("pending").append(node);
    $("chips").hidden = true;
    node.scrollIntoView({ block: "end" });
    return sent;
  }

  /** Take away what has turned up as an item, or in the queue. */
  settle() {
    for (const sent of this.pending) {
      const here = sent.id === this.page.conversation();
      if (sent.submitId && ((here && this.page.seen(sent.submitId)) || Date.now() > sent.until)) this.drop(sent);
    }
  }

  drop(sent) {
    sent.node.remove();
    this.pending = this.pending.filter((each) => each !== sent);
  }

  // --- the queue and Stop -----------------------------------------------------------------

  drawQueue(queue) {
    $("queue").hidden = queue.length === 0;
    $("queue-list").replaceChildren(
      ...queue.map((each) => {
        const text = inputText(each.input);
        const remove = button("Remove", "quiet", () => this.remove(each.submit_id, remove));
        remove.setAttribute("aria-label", `Remove: ${text.slice(0, 60)}`);
        const waits = each.status === "waiting_for_login" ? el("span", "hint", "waits for a login") : null;
        return el("li", "", el("span", "text", text), waits, remove);
      }),
    );
  }

  async remove(submitId, press) {
    press.disabled = true;
    const id = encodeURIComponent(this.page.conversation());
    await this.order("DELETE", `/conversations/${id}/queue/${encodeURIComponent(submitId)}`);
    press.disabled = false;
  }

  async stop() {
    $("stop").disabled = true;
    const id = encodeURIComponent(this.page.conversation());
    if (!(await this.order("POST", `/conversations/${id}/interrupt`, {}))) $("stop").disabled = false;
  }

  /** Ask for something whose outcome comes as an event; true if it was taken. */
  async order(method, path, body) {
    this.page.problem(null);
    try {
      await call(method, path, body);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code !== "no_running_turn") this.page.problem(problem); // it ended by itself
      return false;
    }
  }
}
