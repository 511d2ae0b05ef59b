// Stands for Electron's main process where no Electron can be had: `node stand-in.cjs APP --user-data-dir=FOLDER`.
// As much of `electron` as the package and the apps of the tests take; all else of them is the real thing. The app's
// scheme is served on a port of this machine, and windows are its parent's (without-electron.mjs).
const { EventEmitter, once } = require("node:events");
const { createServer } = require("node:http");
const Module = require("node:module");
const { resolve } = require("node:path");
const { Readable } = require("node:stream");
const { pipeline } = require("node:stream/promises");

const given = process.argv.slice(2);
const folder = resolve(given.find((each) => !each.startsWith("-")));
const data = given.find((each) => each.startsWith("--user-data-dir=")).split("=")[1];
const none = () => undefined;

const app = Object.assign(new EventEmitter(), {
  isPackaged: false,
  getAppPath: () => folder,
  getPath: () => data,
  requestSingleInstanceLock: () => true,
  whenReady: () => ready,
  exit: (status) => process.exit(status),
  quit() {
    let goes = true;
    app.emit("before-quit", { preventDefault: () => (goes = false) });
    if (goes) process.exit();
  },
});

// --- the scheme -----------------------------------------------------------------------------------------------

let page; // {origin, port}: the address of the scheme's pages, and where they are
const shown = (url) => url.replace(page.origin, page.port);
const named = (url) => (page ? url.replace(page.port, page.origin) : url);

const protocol = {
  registerSchemesAsPrivileged: none,
  handle(scheme, handler) {
    const server = createServer((request, response) => void pass(request, response, handler));
    server.listen(0, "127.0.0.1");
    protocol.served = once(server, "listening").then(() => {
      page = { origin: `${scheme}://app`, port: `http://127.0.0.1:${server.address().port}` };
    });
  },
};

async function pass(request, response, handler) {
  if (request.url === "/favicon.ico") return response.writeHead(204).end(); // Electron does not ask for it
  const leaving = new AbortController();
  response.on("close", () => leaving.abort());
  const { method, headers } = request;
  const body = ["GET", "HEAD"].includes(method) ? null : Readable.toWeb(request);
  const url = page.origin + request.url;
  try {
    const answer = await handler(new Request(url, { method, headers, body, duplex: "half", signal: leaving.signal }));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.flushHeaders();
    if (answer.headers.get("content-type")?.startsWith("text/javascript")) response.end(shown(await answer.text()));
    else if (answer.body) await pipeline(Readable.fromWeb(answer.body), response);
    else response.end();
  } catch {
    response.destroy(); // as a request that fails in Electron: the page sees no answer
  }
}

// --- windows --------------------------------------------------------------------------------------------------

const windows = [];
const tell = (window, to, value) => process.send({ tell: { window, to, value } });

class BrowserWindow {
  static getAllWindows = () => windows;
  static getFocusedWindow = () => windows[0];

  constructor({ webPreferences }) {
    const number = windows.push(this) - 1;
    this.preload = webPreferences.preload;
    this.webContents = {
      on: none,
      setWindowOpenHandler: none,
      getURL: () => this.url ?? "",
      send: (channel, value) => tell(number, channel, value),
    };
  }

  async loadURL(url) {
    await protocol.served;
    this.url = url;
    process.send({ open: { window: windows.indexOf(this), url: shown(url), preload: this.preload } });
  }
}

// --- the rest -------------------------------------------------------------------------------------------------

const handlers = new Map();
const ipcMain = Object.assign(new EventEmitter(), {
  handle: (channel, handler) => handlers.set(channel, handler),
  removeHandler: (channel) => handlers.delete(channel),
});
const Notification = class extends EventEmitter {
  static isSupported = () => false;
};
const defaultSession = { setPermissionRequestHandler: none, setPermissionCheckHandler: none };
const electron = {
  ...{ app, BrowserWindow, ipcMain, Notification, protocol },
  dialog: { showOpenDialog: async () => ({ filePaths: [] }) },
  net: { fetch },
  session: { defaultSession },
  shell: { openExternal: async () => undefined, showItemInFolder: none },
};

const work = {
  evaluate: ({ source, argument }) => (0, eval)(`(${source})`)(electron, argument),
  invoke: ({ channel, args, sender }) => handlers.get(channel)({ senderFrame: senderOf(sender) }, ...args),
  port({ channel, name, sender, window }) {
    const port = { postMessage: (value) => tell(window, name, value), start: none, close: none, on: none };
    ipcMain.emit(channel, { senderFrame: senderOf(sender), ports: [port] });
  },
};
const senderOf = ({ url, parent }) => ({ url: named(url), parent });

process.on("message", async ({ id, ...message }) => {
  try {
    process.send({ id, value: await work[message.do](message) });
  } catch (error) {
    process.send({ id, error: String(error?.stack ?? error) });
  }
});
process.on("disconnect", () => process.exit());

const load = Module._load;
Module._load = (name, ...rest) => (name === "electron" ? electron : load(name, ...rest));
const ready = new Promise((resolve) => setImmediate(resolve));
require(folder);
