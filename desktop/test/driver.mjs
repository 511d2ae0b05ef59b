// Drives Electron apps for tests in another language: `node driver.mjs PLAYWRIGHT`, where PLAYWRIGHT is the
// folder of playwright-core. Reads one command a line, which has an `id` and the number of an `app`, and answers with one
// line each:
//   {"do": "launch", "options": {executablePath, args, env, cwd}, "standIn"}    the app's pid. With `standIn` the
//       program is a Chromium, and Node stands for Electron's main process (without-electron.mjs)
//   {"do": "page", "method", "args", "window"}    a method of Playwright's Page, of a window by number
//   {"do": "until", "source", "window", "limit"}    an expression holds in a page within milliseconds
//   {"do": "main", "source", "args"}    a function (electron, ...args) in the main process
//   {"do": "windows" | "problems"}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { launch } from "./without-electron.mjs";

const { _electron: electron, chromium } = createRequire(import.meta.url)(process.argv[2]);
const PATIENCE = 30_000; // milliseconds for one step
const LOOK = 20; // milliseconds between looks at a page
const apps = new Map(); // by number: the app, and the errors of its pages

async function windowAt(app, number = 0) {
  const open = app.windows()[number] ?? (await app.waitForEvent("window", { timeout: PATIENCE }));
  return open;
}

function watch(page, problems) {
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
}

const work = {
  async launch({ number, options, standIn }) {
    const app = await (standIn ? launch(chromium, options) : electron.launch({ timeout: PATIENCE, ...options }));
    const problems = [];
    apps.set(number, { app, problems });
    app.on("window", (page) => watch(page, problems));
    app.windows().forEach((page) => watch(page, problems));
    app.process().stderr.pipe(process.stderr);
    return app.process().pid;
  },
  async page({ app, method, args, window }) {
    const page = await windowAt(app, window);
    if (method === "evaluate") args[0] = functionOf(args[0]);
    const result = await page[method](...args);
    return typeof result === "object" && result !== null && "_type" in result ? null : (result ?? null);
  },
  // Playwright's own way of waiting for a condition needs `eval`, which pages here have not.
  async until({ app, source, window, limit }) {
    const page = await windowAt(app, window);
    for (const end = Date.now() + limit; Date.now() < end; await sleep(LOOK)) {
      if (await page.evaluate(functionOf(`() => ${source}`))) return null;
    }
    const shown = await page.evaluate(() => document.body.innerText);
    throw new Error(`it never came to hold that ${source}; the page shows:\n${shown}`);
  },
  main: async ({ app, source, args }) =>
    (await app.evaluate(
      (modules, [text, given]) => (0, eval)(`(${text})`)(modules, ...given),
      [source, args],
    )) ?? null,
  windows: async ({ app }) => app.windows().map((page) => page.url()),
  problems: async ({ problems }) => problems,
};

/** Playwright calls functions and takes strings as they are. */
function functionOf(source) {
  return (0, eval)(`(${source})`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  // One that waits does not keep the next one waiting.
  work[command.do]({ ...command, ...apps.get(command.app), number: command.app }).then(
    (value) => console.log(JSON.stringify({ id: command.id, value })),
    (error) => console.log(JSON.stringify({ id: command.id, error: String(error?.stack ?? error) })),
  );
}
process.exit();
