// Runs an app where no Electron can be had: its main process under Node (stand-in.cjs), its windows in Chromium.
// As much of Playwright's ElectronApplication as driver.mjs uses. What it can't stand for: Chromium's own part of
// what Electron forbids (links, permissions), several starts of one app, notices, crashes.
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FLAGS = ["--no-sandbox", "--disable-gpu"];

/** `executablePath`: of Chromium; the rest as for Electron. */
export async function launch(chromium, { executablePath, args, env, cwd }) {
  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
  const main = [join(import.meta.dirname, "stand-in.cjs"), ...args];
  const child = spawn(process.execPath, main, { env, cwd, detached: true, stdio: ["ignore", "pipe", "pipe", "ipc"] });
  child.stdout.resume();
  child.on("exit", () => void browser.close());
  return new App(context, child);
}

class App extends EventEmitter {
  pages = [];
  #context;
  #child;
  #asked = new Map(); // by number: how to end the promise of the answer
  #count = 0;

  constructor(context, child) {
    super();
    this.#context = context;
    this.#child = child;
    child.on("message", (message) => this.#hear(message));
    child.on("exit", () => {
      for (const { reject } of this.#asked.values()) reject(new Error("the main process has ended"));
    });
  }

  windows = () => this.pages;
  process = () => this.#child;
  waitForEvent = async (name, { timeout }) => (await once(this, name, { signal: AbortSignal.timeout(timeout) }))[0];
  evaluate = (work, argument) => this.#ask({ do: "evaluate", source: String(work), argument });

  #ask(message) {
    const id = (this.#count += 1);
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      this.#child.send({ id, ...message }, (error) => error && reject(error));
    });
  }

  #hear({ id, value, error, open, tell }) {
    if (open) void this.#open(open).catch(console.error); // such as: the app has ended
    else if (tell) void this.pages[tell.window]?.evaluate(hear, tell).catch(() => undefined); // it is being loaded
    else if (error === undefined) this.#asked.get(id).resolve(value);
    else this.#asked.get(id).reject(new Error(error));
  }

  async #open({ window, url, preload }) {
    const page = await this.#context.newPage();
    await page.exposeBinding("main", ({ frame }, message) => {
      const sender = { url: frame.url(), parent: frame.parentFrame() && {} };
      return this.#ask({ ...message, sender, window });
    });
    await page.addInitScript(`(${prepare})((require) => {\n${readFileSync(preload, "utf8")}\n});`);
    await page.goto(url);
    this.pages[window] = page;
    this.emit("window", page);
  }
}

// --- in the page ----------------------------------------------------------------------------------------------

/** Runs the preload script, with what it takes of Electron. */
function prepare(preload) {
  const { main } = globalThis;
  delete globalThis.main;
  const listeners = new Map();
  const ipcRenderer = {
    invoke: (channel, ...args) => main({ do: "invoke", channel, args }),
    on: (channel, listener) => listeners.set(listener, channel),
    removeListener: (_, listener) => listeners.delete(listener),
    postMessage(channel, _, [port]) {
      const name = `port ${Math.random()}`;
      listeners.set((_, value) => port.postMessage(value), name);
      void main({ do: "port", channel, name });
    },
  };
  const contextBridge = { exposeInMainWorld: (name, value) => void (globalThis[name] = value) };
  globalThis[Symbol.for("hear")] = (to, value) => {
    for (const [listener, channel] of listeners) if (channel === to) listener({}, value);
  };
  preload(() => ({ contextBridge, ipcRenderer }));
}

/** Something is told to the page. */
function hear({ to, value }) {
  globalThis[Symbol.for("hear")](to, value);
}
