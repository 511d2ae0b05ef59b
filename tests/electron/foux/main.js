const { app, BrowserWindow } = require("electron");
const { join } = require("node:path");

app.whenReady().then(() => {
  const window = new BrowserWindow({ webPreferences: { preload: join(__dirname, "preload.js") } });
  const url = process.env.DEV_SERVER_URL;
  void (url ? window.loadURL(url) : window.loadFile("index.html"));
});
app.on("window-all-closed", () => app.quit());
