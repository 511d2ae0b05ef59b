// The header: is the server there, how is the core, who is signed in.

import { Problem, call } from "./api.js";
import { $, setText } from "./dom.js";

const STREAM = {
  connected: ["connected", "good"],
  idle: ["server is there", "good"],
  closed: ["not connected", "bad"],
};

/** What is wrong with a login; the rest is told by the pill's title. */
const LOGIN = {
  expired: "login expired: sign in again",
  refresh_refused: "login refused: sign in again",
  revoked: "login ended: sign in again",
  key_refused: "API key refused",
  wrong_workspace: "wrong workspace",
  wrong_method: "this way to sign in is not allowed",
  account_unreadable: "login can't be read",
};

export class Header {
  /** `inDemo()` tells whether this looks like the offline demo. */
  constructor(inDemo) {
    this.inDemo = inDemo;
    this.core = null;
    this.stream = "connecting";
    this.reachable = true;
    this.demo = false;
  }

  setStream(stream) {
    this.stream = stream;
    this.draw();
  }

  setCore(core) {
    this.core = core;
    this.draw();
  }

  /** What is wrong, if anything: the worst first. */
  draw() {
    const { core } = this;
    const ready = !core || core.state === "ready";
    let [text, kind] = STREAM[this.stream] ?? [this.stream, "busy"];
    if (!this.reachable) [text, kind] = ["server not reachable, trying again", "bad"];
    else if (this.stream === "reconnecting") [text, kind] = ["reconnecting", "busy"];
    else if (!ready) [text, kind] = [`core ${core.state}`, core.state === "failed" ? "bad" : "busy"];
    pill("connection", text, kind);
    if (core) pill("core", `Codex core ${[core.version, core.state].filter(Boolean).join(" ")}`, ready ? "good" : "busy");
  }

  /** Ask the server how it is; true if it is back after it could not be reached. */
  async look() {
    const before = this.reachable;
    try {
      const health = await call("GET", "/health");
      this.core = health.core ?? null;
      setText($("version"), health.version ?? "");
      this.reachable = true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.reachable = false;
    }
    this.draw();
    return this.reachable && !before;
  }

  async lookAtLogin() {
    let status;
    try {
      status = await call("GET", "/auth/status");
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      return; // asked again soon; the connection says what is wrong
    }
    const { authenticated, auth_mode: mode, email, plan_type: plan, reason, detail, hint } = status;
    const needless = !authenticated && reason === "provider_needs_no_login";
    this.demo = needless && this.inDemo();
    const name = email ?? (mode === "apikey" ? "an API key" : mode);
    if (authenticated) pill("login", `signed in: ${name}${plan ? ` (${plan})` : ""}`, "good");
    else if (this.demo) pill("login", "no login needed: scripted demo model", "good");
    else if (needless) pill("login", "no login needed by this model provider", "good");
    else pill("login", LOGIN[reason] ?? "not signed in: codex-http-server login", "bad");
    $("login").title = [detail, hint].filter(Boolean).join(" ");
  }
}

function pill(id, text, kind) {
  setText($(`${id}-text`) ?? $(id), text);
  $(id).dataset.kind = kind;
}
