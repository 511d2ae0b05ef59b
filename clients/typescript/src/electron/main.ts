/**
 * Codex in an Electron app: one call in main.js, before the app is ready.
 *
 * Owns what touches Electron: the scheme, windows, signals, notifications. Everything that can be
 * said without Electron is in the modules beside this one. Runs on Electron 25 and newer.
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";

import { app, BrowserWindow, dialog, ipcMain, net, Notification, protocol, session, shell } from "electron";

import type { CodexClient } from "../client.js";
import { Backend, type BackendOptions, type Fetch } from "./backend.js";
import { OPEN, STATE } from "./channels.js";
import { fileOf, POLICY } from "./files.js";
import { API, forward } from "./forward.js";
import { answerCalls, type Main } from "./ipc.js";
import { noticeOf } from "./notices.js";
import { mayHave, mayOpenOutside, Pages } from "./policy.js";
import { CodexService } from "./service.js";
import { Shutdown } from "./shutdown.js";
import type { CodexState } from "./states.js";

export type { CodexState, CodexService };

const SCHEME = "codex";
const ORIGIN = `${SCHEME}://app`;
const PRIVILEGES = { standard: true, secure: true, supportFetchAPI: true, stream: true };
const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** How Codex is set up. */
export interface CodexOptions extends BackendOptions {
  /** The folder of the built page, with index.html: served as `codex://app/`. */
  readonly page?: string;
  /** Other pages that may use Codex: origins such as `http://localhost:5173`, addresses of files. */
  readonly pages?: readonly string[];
  /** The page's Content-Security-Policy, in place of ours. */
  readonly contentSecurityPolicy?: string;
  /** Permissions for those pages, beside copying and notifications, such as `media`. */
  readonly permissions?: readonly string[];
  /** A word of the system when a turn ends or asks and no window is looked at; true by default. */
  readonly notifications?: boolean;
  /** A second start only shows the first; true by default. */
  readonly singleInstance?: boolean;
  /** The app's own schemes: Electron takes them all at once. */
  readonly schemes?: Electron.CustomScheme[];
  /** Where dist/electron/preload.cjs of this package is, if main.js is bundled. */
  readonly preload?: string;
}

/** Codex in this app. */
export class Codex {
  /** The agent, for the main process. */
  readonly service: CodexService;
  /** For windows that show a page of Codex. */
  readonly webPreferences: Electron.WebPreferences;
  /** Where the page is. */
  readonly pageUrl = `${ORIGIN}/`;
  private readonly backend: Backend;
  private readonly pages: Pages;
  /** What the app's pages show when they ask for something; a new one for each run. */
  private readonly key = randomBytes(32).toString("base64url");
  private readonly shutdown: Shutdown;

  /** Use `setUpCodex`. */
  constructor(private readonly options: CodexOptions) {
    const send: Fetch = (url, init) => net.fetch(url, init as RequestInit & { bypassCustomProtocolHandlers?: boolean });
    this.backend = new Backend(options, join(app.getPath("userData"), "codex"), send);
    this.service = new CodexService({ ask: this.backend.fetch, openOutside });
    this.pages = new Pages([ORIGIN, ...(options.pages ?? [])]);
    const preload = options.preload ?? join(__dirname, "preload.cjs");
    this.webPreferences = { preload, sandbox: true, contextIsolation: true, nodeIntegration: false };
    this.shutdown = new Shutdown(async () => {
      this.service.dispose();
      await this.backend.stop();
    });
  }

  /** All that the server can do, typed, for the main process. */
  get client(): CodexClient {
    return this.service.client;
  }

  /** How the server stands. */
  get state(): CodexState {
    return this.backend.state;
  }

  /** Told of every change of it. Returns what ends that. */
  onState(listener: (state: CodexState) => void): () => void {
    return this.backend.onState(listener);
  }

  /** Start it again after it has failed. */
  start(): Promise<void> {
    return this.backend.start();
  }

  /** End the server, before an update is installed; when the app quits this is done anyway. */
  stop(): Promise<void> {
    return this.shutdown.run();
  }

  /** A window that shows the page, and leads nowhere else. */
  createWindow(options: Electron.BrowserWindowConstructorOptions = {}): BrowserWindow {
    const webPreferences = { ...options.webPreferences, ...this.webPreferences };
    const window = new BrowserWindow({ width: 1100, height: 800, ...options, webPreferences });
    this.guard(window.webContents);
    void window.loadURL(this.pageUrl);
    return window;
  }

  /** Keep a window on its page: links open in the system's browser. */
  guard(contents: Electron.WebContents): void {
    contents.setWindowOpenHandler(({ url }) => {
      if (mayOpenOutside(url)) void openOutside(url);
      return { action: "deny" };
    });
    const keep = (event: { preventDefault(): void }, url: string) => {
      if (!this.pages.has(url)) event.preventDefault();
    };
    contents.on("will-navigate", keep);
    contents.on("will-redirect", keep);
    contents.on("will-attach-webview", (event) => event.preventDefault());
  }

  /**
   * Give the windows of a session `window.codex` beside what the app's own preload script gives them;
   * then they do not need `webPreferences`. Pages that are not named get nothing of it all the same.
   */
  addPreload(to: Electron.Session = session.defaultSession): void {
    const filePath = String(this.webPreferences.preload);
    // From Electron 35 on; the other way is to go.
    if ("registerPreloadScript" in to) to.registerPreloadScript({ type: "frame", filePath });
    else (to as Electron.Session).setPreloads([...(to as Electron.Session).getPreloads(), filePath]);
  }

  // --- setting up -----------------------------------------------------------------------------------

  /** Everything that has to be done before the app is ready. */
  begin(): void {
    protocol.registerSchemesAsPrivileged([
      // What Electron calls so lets pages of other origins in, which are then known by their key.
      { scheme: SCHEME, privileges: { ...PRIVILEGES, corsEnabled: (this.options.pages ?? []).length > 0 } },
      ...(this.options.schemes ?? []),
    ]);
    app.on("second-instance", () => show(BrowserWindow.getAllWindows()[0]));
    app.on("before-quit", (event) => this.quit(event));
    for (const name of SIGNALS) process.on(name, () => app.quit());
    this.backend.onState((state) => this.tell(STATE, state));
    answerCalls(ipcMain as unknown as Main, this.pages, this.calls(), (listener) => this.service.onEvent(listener));
    void app.whenReady().then(() => this.ready());
  }

  private ready(): void {
    protocol.handle(SCHEME, (request) => this.serve(request));
    this.limitPermissions();
    if (this.options.notifications ?? true) this.service.onEvent((event) => this.notify(event));
    void this.backend.start();
  }

  private calls() {
    const { service, backend } = this;
    const take = <Name extends keyof CodexService>(name: Name) =>
      (service[name] as (...args: unknown[]) => unknown).bind(service);
    return {
      checkHealth: take("checkHealth"),
      getAuthStatus: take("getAuthStatus"),
      login: take("login"),
      logout: take("logout"),
      createConversation: take("createConversation"),
      listConversations: take("listConversations"),
      getConversation: take("getConversation"),
      sendMessage: take("sendMessage"),
      interrupt: take("interrupt"),
      answerApproval: take("answerApproval"),
      getKey: () => this.key,
      getState: () => backend.state,
      start: () => backend.start(),
      pickFolder,
      showLog: () => shell.showItemInFolder(backend.logPath),
    };
  }

  private serve(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith(`${API}/`)) return forward(request, this.backend.fetch, this.key);
    const { page, contentSecurityPolicy = POLICY } = this.options;
    if (page !== undefined) return fileOf(page, pathname, contentSecurityPolicy);
    return Promise.resolve(new Response("The app has no page here.", { status: 404 }));
  }

  private limitPermissions(): void {
    const may = (permission: string, url: string) =>
      mayHave(permission, url, this.pages, this.options.permissions ?? []);
    session.defaultSession.setPermissionRequestHandler((contents, permission, answer, { requestingUrl }) => {
      answer(may(permission, requestingUrl || contents.getURL()));
    });
    session.defaultSession.setPermissionCheckHandler((_, permission, origin) => may(permission, origin));
  }

  private notify(event: Parameters<typeof noticeOf>[0]): void {
    const notice = BrowserWindow.getFocusedWindow() ? null : noticeOf(event);
    if (!notice || !Notification.isSupported()) return;
    const notification = new Notification({ title: notice.title, body: notice.body });
    notification.on("click", () => {
      show(BrowserWindow.getAllWindows()[0]);
      this.tell(OPEN, notice.conversationId);
    });
    notification.show();
  }

  private tell(channel: string, value: unknown): void {
    for (const { webContents } of BrowserWindow.getAllWindows()) {
      if (this.pages.has(webContents.getURL())) webContents.send(channel, value);
    }
  }

  /** The app goes when the server is gone. */
  private quit(event: Electron.Event): void {
    if (this.shutdown.over) return;
    event.preventDefault();
    void this.shutdown.run().then(() => app.quit());
  }
}

/** Set Codex up; call it before the app is ready. A second start of the app ends here. */
export function setUpCodex(options: CodexOptions = {}): Codex {
  if ((options.singleInstance ?? true) && !app.requestSingleInstanceLock()) app.exit(0);
  const codex = new Codex(options);
  codex.begin();
  return codex;
}

function show(window: BrowserWindow | undefined): void {
  if (window?.isMinimized()) window.restore();
  window?.show();
  window?.focus();
}

async function openOutside(url: string): Promise<void> {
  if (mayOpenOutside(url)) await shell.openExternal(url);
}

async function pickFolder(): Promise<string | null> {
  const { filePaths } = await dialog.showOpenDialog({ properties: ["openDirectory", "createDirectory"] });
  return filePaths[0] ?? null;
}
