// Makes python/: what an app brings along so that its server needs no installation. Run it on each platform that
// you package for: `node packaging/python.mjs [CHECKOUT [FOLDER]]`. electron-builder.yml takes the folder along.
//
// It holds uv itself, the server's wheel, and a lock of everything that the server needs, by hash, in the versions
// that it was tested with. The app's
// first start has uv make the environment from it, in the app's own data (`python` in src/services/codexService.js):
// about 150 MB come from PyPI then, and a Python of uv's choice where the computer has none.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

const checkout = resolve(process.argv[2] ?? join(import.meta.dirname, "../.."));
const folder = resolve(process.argv[3] ?? "python");
const name = process.platform === "win32" ? "uv.exe" : "uv";
const uv = process.env.PATH.split(delimiter).map((each) => join(each, name)).find(existsSync);
if (!uv) throw new Error("uv is not on the PATH: https://docs.astral.sh/uv/");

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
execFileSync(uv, ["build", "--wheel", "--quiet", "--out-dir", folder, checkout], { stdio: "inherit" });
const tested = readFileSync(join(checkout, "requirements.lock"), "utf8").match(/^[\w.-]+==[^\\\n]*/gm);
const wheel = readdirSync(folder).find((each) => each.endsWith(".whl"));
writeFileSync(
  join(folder, "pyproject.toml"),
  `[project]
name = "app-server"
version = "0"
requires-python = ">=3.11"
dependencies = ["codex-http-server"]

[tool.uv]
constraint-dependencies = ${JSON.stringify(tested.map((each) => each.trim()))}

[tool.uv.sources]
codex-http-server = { path = "${wheel}" }
`,
);
execFileSync(uv, ["lock", "--quiet", "--project", folder], { stdio: "inherit" });
copyFileSync(uv, join(folder, name));
console.log(folder);
