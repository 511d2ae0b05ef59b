// The smallest app that has Codex; the tests say the rest by their environment.
const { app } = require("electron");
const { join } = require("node:path");
const { setUpCodex } = require(process.env.CODEX_CLIENT);

const patience = Number(process.env.PATIENCE ?? 60);
const python = process.env.PYTHON_FOLDER;
const codex = setUpCodex({ page: join(__dirname, "page"), patience, python });
app.on("window-all-closed", () => app.quit());
app.whenReady().then(() => codex.createWindow());
globalThis.codex = codex; // for the tests
