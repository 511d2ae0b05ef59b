/** What an Electron app is made of, without Electron: `node build/tests/electron.js <setting as JSON>`. */

import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, join } from "node:path";

import { Backend, type BackendOptions } from "../src/electron/backend.js";
import { wrongIn } from "../src/electron/channels.js";
import { fileOf } from "../src/electron/files.js";
import { forward } from "../src/electron/forward.js";
import { noticeOf } from "../src/electron/notices.js";
import { isTrusted, mayHave, mayOpenOutside, Pages } from "../src/electron/policy.js";
import { CodexService } from "../src/electron/service.js";
import { Shutdown } from "../src/electron/shutdown.js";
import { waiting } from "../src/electron/states.js";
import { CodexServer, findCommand, findServer, LogFile } from "../src/server/index.js";
import { startMark } from "../src/server/marks.js";
import { Ownership } from "../src/server/ownership.js";
import type { Event } from "../src/types.js";
import { equal, ok, runAll, type Setting, type Test, type World } from "./harness.js";

/** The command and environment of the server under test, and a folder for the tests. */
interface Here extends Setting {
  readonly command: [string, ...string[]];
  readonly env: Record<string, string>;
  readonly folder: string;
}

const here = JSON.parse(process.argv[2] ?? "") as Here;
const { command, env, folder, project } = here;

function backend(options: BackendOptions = {}): Backend {
  return new Backend({ command, env, ...options }, join(folder, "app"), fetch);
}

function serviceOf(way: Backend, opened: string[] = []): CodexService {
  return new CodexService({ ask: way.fetch, openOutside: async (url) => void opened.push(url) });
}

/** Resolves with the first state that passes. */
function stateOf(way: Backend, passes: (state: Backend["state"]) => boolean): Promise<Backend["state"]> {
  return new Promise((resolve) => {
    const leave = way.onState((state) => {
      if (!passes(state)) return;
      leave();
      resolve(state);
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

const event = (type: string, more: object = {}) =>
  ({ type, conversation_id: "c", at: "", core: "", data: {}, ...more }) as Event;

/** A program that sleeps, in a group of its own, as a server is started. */
function sleeper(): ChildProcess & { pid: number } {
  return spawn("sleep", ["100"], { detached: true, stdio: "ignore" }) as ChildProcess & { pid: number };
}

const tests: Test[] = [
  {
    name: "the app's own server is started, answers, streams to the service, and ends",
    run: async (world: World) => {
      const way = backend();
      const service = serviceOf(way);
      const early = service.checkHealth(); // asked before it runs: it waits
      await way.start();
      equal([way.state.state, way.state.source, (await early).status], ["ready", "started", "ok"]);
      const told: string[] = [];
      const over = new Promise<void>((resolve) =>
        service.onEvent(({ type, text }) => {
          if (text) told.push(text);
          if (type === "turn/completed") resolve();
        }),
      );
      await world.expect({ text: ["by ", "pieces"] });
      const { id } = await service.createConversation(project);
      await service.sendMessage(id, "hi");
      await over;
      equal([told, (await service.listConversations()).map((each) => each.id)], [["by ", "pieces"], [id]]);
      equal((await service.getConversation(id)).items.length, 2);
      service.dispose();
      await way.stop();
      equal([way.state.state, await findServer({ env })], ["stopped", null]);
      equal((await way.fetch("/health")).status, 503);
      ok((await readFile(way.logPath, "utf8")).length > 0, "it has a log");
    },
  },
  {
    name: "a server that runs already is used; when it ends the app brings its own, and the events go on",
    run: async () => {
      const other = new CodexServer({ command, env, token: "the-token-of-the-other-one" });
      await other.start();
      const way = backend({ env: { ...env, CODEX_HTTP_TOKEN: undefined } });
      await way.start();
      equal([way.state.state, way.state.source], ["ready", "found"]);
      const service = serviceOf(way);
      const seen: string[] = [];
      const over = new Promise<void>((resolve) =>
        service.onEvent(({ type }) => void (seen.push(type), type === "turn/completed" && resolve())),
      );
      const { id } = await service.createConversation(project);
      const own = stateOf(way, ({ state, source }) => state === "ready" && source === "started");
      await other.stop();
      await own;
      await service.sendMessage(id, "and now?");
      await over;
      equal(seen.filter((type) => type === "turn/started"), ["turn/started"]);
      service.dispose();
      await way.stop();
    },
  },
  {
    name: "what is wrong with an address that is given is said",
    run: async () => {
      const page = createServer((_, answer) => answer.end("<p>Somebody else.")).listen(0, "127.0.0.1");
      await new Promise((resolve) => page.once("listening", resolve));
      const { port } = page.address() as { port: number };
      const wrong = backend({ url: `http://127.0.0.1:${port}/` });
      await wrong.start();
      equal(wrong.state.message, `What listens at http://127.0.0.1:${port} is not codex-http-server.`);
      page.close();
      page.closeAllConnections();
      const answer = await wrong.fetch("/health");
      equal([answer.status, (await answer.json()).code], [503, "no_server"]);
    },
  },
  {
    name: "a command that is missing, or ends at once, is said",
    run: async () => {
      const none = backend({ command: ["/no/such"] });
      await none.start();
      ok(none.state.message?.includes("ENOENT"), `it says ${none.state.message}`);
      const wrong = backend({ args: ["--no-such-option"] });
      await wrong.start();
      ok(wrong.state.message?.includes("ended with 2"), `it says ${wrong.state.message}`);
      ok(wrong.state.log.length > 0, "its last words are kept");
    },
  },
  {
    name: "where the command is found: as said, in PATH, in the usual places, through uv",
    run: async () => {
      const bin = join(folder, "home", ".local", "bin");
      await mkdir(bin, { recursive: true });
      const HOME = join(folder, "home");
      equal(findCommand({ PATH: "", HOME, CODEX_SERVER_COMMAND: "/x" }), ["/x"]);
      equal(findCommand({ PATH: "", HOME }), null);
      await writeFile(join(bin, "uv"), "");
      await chmod(join(bin, "uv"), 0o755);
      equal(findCommand({ PATH: "", HOME }), [join(bin, "uv"), "tool", "run", "codex-http-server"]);
      equal(findCommand({ PATH: dirname(command[0]), HOME }), command);
    },
  },
  {
    name: "what a killed app left is ended; never a stranger, nor what still has its owner",
    run: async () => {
      const file = join(folder, "process.json");
      const ownership = new Ownership(file);
      const child = sleeper();
      await ownership.take(child.pid);
      equal(await ownership.reap(), null, "its owner is here");
      const owned = JSON.parse(await readFile(file, "utf8"));
      const dead = { pid: 2 ** 22 + 1, mark: "1" };
      await writeFile(file, JSON.stringify({ ...owned, owner: dead, server: { ...owned.server, mark: "1" } }));
      equal(await ownership.reap(), null, "another process has its pid");
      await writeFile(file, JSON.stringify({ ...owned, owner: { ...owned.owner, mark: "1" } }));
      const over = ended(child);
      equal(await ownership.reap(), child.pid);
      await over;
      equal(await startMark(child.pid), null);
      await writeFile(file, "{ cut");
      equal(await ownership.reap(), null);
    },
  },
  {
    name: "a log is set aside when it is full, and three are kept",
    run: async () => {
      const log = new LogFile(join(folder, "logs", "server.log"), 20);
      for (let number = 10; number < 30; number += 1) log.write(`line ${number}`);
      const names = await readdir(join(folder, "logs"));
      equal(names.sort(), ["server.log", "server.log.1", "server.log.2", "server.log.3"]);
      ok((await readFile(log.path, "utf8")).endsWith("line 29\n"), "the last is in the newest");
    },
  },
  {
    name: "requests of pages are passed on with what matters, and only with the key",
    run: async () => {
      const asked: [string, RequestInit][] = [];
      const ask = async (path: string, init: RequestInit = {}) => {
        asked.push([path, init]);
        return new Response("{}", { status: 201, headers: { Location: "/x", "Set-Cookie": "a=b" } });
      };
      const url = "http://app/api/conversations?x=1";
      const headers = { Authorization: "Bearer key", "Content-Type": "application/json", Cookie: "c=d", "X-Forwarded-For": "1.2.3.4" };
      const answer = await forward(new Request(url, { method: "POST", headers, body: "{}" }), ask, "key");
      equal([answer.status, [...answer.headers.keys()].sort()], [201, ["content-type", "location"]]);
      const [[path, init] = ["", {}]] = asked;
      equal([path, init.method, [...new Headers(init.headers).keys()]], ["/conversations?x=1", "POST", ["content-type"]]);
      for (const shown of ["Bearer other", "key", ""]) {
        const refused = await forward(new Request(url, { headers: { Authorization: shown } }), ask, "key");
        equal([refused.status, (await refused.json()).code], [401, "page_key_required"]);
      }
      equal(asked.length, 1);
    },
  },
  {
    name: "only files of the page's folder are served, with its policy",
    run: async () => {
      const site = join(folder, "site");
      await mkdir(join(site, "assets"), { recursive: true });
      await writeFile(join(site, "index.html"), "page");
      await writeFile(join(site, "assets", "a.js"), "script");
      await writeFile(join(folder, "secret.txt"), "secret");
      const told = async (path: string) => {
        const answer = await fileOf(site, path, "policy");
        return [answer.status, answer.headers.get("content-type"), await answer.text()];
      };
      const html = [200, "text/html; charset=utf-8", "page"];
      equal(await told("/"), html);
      equal(await told("/conversations/1"), html, "an address of the page's own");
      equal(await told("/assets/a.js"), [200, "text/javascript; charset=utf-8", "script"]);
      for (const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/%2e%2e%2fsecret.txt", "/a.js", "/%00.js", "/%.js"]) {
        equal((await told(path))[0], 404, path);
      }
    },
  },
  {
    name: "who is one of the app's pages, and what they may",
    run: async () => {
      const pages = new Pages(["codex://app", "http://localhost:5173", "file:///opt/foux/index.html"]);
      const good = ["codex://app/", "codex://app/x?y#z", "http://localhost:5173/a", "file:///opt/foux/index.html#/chat"];
      const bad = ["codex://other/", "codex://app.evil/", "http://localhost:51730/", "https://localhost:5173/", "file:///opt/foux/other.html", "file:///etc/passwd", "data:text/html,x", "about:blank", ""];
      equal(good.map((url) => pages.has(url)), good.map(() => true));
      equal(bad.filter((url) => pages.has(url)), []);
      equal(isTrusted({ url: "codex://app/", parent: null }, pages), true);
      equal(isTrusted({ url: "codex://app/", parent: {} }, pages), false, "a frame within");
      equal(isTrusted(null, pages), false);
      equal(["https://x.y", "mailto:a@b.c", "file:///x", "javascript:1", "codex://app", "x"].map(mayOpenOutside), [true, true, false, false, false, false]);
      const may = (name: string, url = "codex://app/") => mayHave(name, url, pages, ["media"]);
      equal([may("notifications"), may("media"), may("geolocation"), may("notifications", "https://x.y/")], [true, true, false, false]);
    },
  },
  {
    name: "arguments of calls are looked at",
    run: async () => {
      const id = "018f-a_b";
      equal(wrongIn("sendMessage", [id, "hi"]), null);
      equal(wrongIn("answerApproval", [id, id, null, {}]), null);
      for (const args of [[], [id], [id, ""], ["a/b", "hi"], [id, "hi", []], [id, "hi", {}, 1], [id, "x".repeat(1_048_577)]]) {
        ok(wrongIn("sendMessage", args), JSON.stringify(args).slice(0, 50));
      }
    },
  },
  {
    name: "what is worth a notice",
    run: async () => {
      equal(noticeOf(event("turn/completed", { status: "completed" }))?.title, "Codex has finished");
      equal(noticeOf(event("turn/completed", { status: "failed" }))?.title, "Codex could not finish");
      equal(noticeOf(event("approval/requested", { data: { kind: "command" } }))?.body, "To run a command.");
      const none = [event("turn/completed", { status: "interrupted" }), event("turn/started"), event("core/state", { conversation_id: null })];
      equal(none.map(noticeOf), [null, null, null]);
    },
  },
  {
    name: "what is said of a start that takes long",
    run: async () => {
      equal([waiting(0), waiting(5)], ["Codex is starting.", "Codex is starting."]);
      ok(waiting(10).startsWith("Codex is still starting (10 s)."), waiting(10));
    },
  },
  {
    name: "the app ends once, whoever asks, and does not wait for ever",
    run: async () => {
      let count = 0;
      const shutdown = new Shutdown(async () => void (count += 1));
      await Promise.all([shutdown.run(), shutdown.run()]);
      await shutdown.run();
      equal([count, shutdown.over], [1, true]);
      const hanging = new Shutdown(() => new Promise(() => {}), 20);
      await hanging.run();
      equal(hanging.over, true);
    },
  },
];

console.log(JSON.stringify(await runAll(tests, here)));
process.exit();
