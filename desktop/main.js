// The main process: a window with Codex in it. All that is Codex's is in src/services/codexService.js.
const { app, BrowserWindow } = require("electron");
const { codex } = require("./src/services/codexService"); // before the app is ready

const open = () => codex.createWindow({ title: "Foux-like", backgroundColor: "#16181d" });

app.whenReady().then(open);
app.on("activate", () => BrowserWindow.getAllWindows().length || open()); // the Dock of macOS
app.on("window-all-closed", () => process.platform === "darwin" || app.quit());
