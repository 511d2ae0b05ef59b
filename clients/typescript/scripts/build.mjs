// Writes dist/: one module for each entry, what they share in chunks, and the declarations (not with `--without-types`); and
// build/tests/: the test list for Node and for the browser, which imports what is in dist/.
// eventsource-parser is bundled in, so that the package needs nothing at run time.
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(here);
const types = !process.argv.includes("--without-types");
if (types) rmSync("dist", { recursive: true, force: true });

const common = { bundle: true, format: "esm", logLevel: "warning" };

await build({
  ...common,
  entryPoints: { index: "src/index.ts", react: "src/react/index.ts", server: "src/server/index.ts" },
  outdir: "dist",
  splitting: true,
  platform: "neutral",
  mainFields: ["module", "main"],
  target: ["es2022", "chrome114"],
  external: ["node:*", "react", "react/*"],
  sourcemap: true,
  sourcesContent: false,
});
// For Electron from 25 on: its main process and its preload scripts are CommonJS. A preload script is one
// file: it can load nothing.
await build({
  ...common,
  format: "cjs",
  entryPoints: { main: "src/electron/main.ts", preload: "src/electron/preload.ts" },
  outdir: "dist/electron",
  outExtension: { ".js": ".cjs" },
  platform: "node",
  target: ["node18", "chrome114"],
  external: ["electron"],
  inject: ["src/electron/webcrypto.ts"],
  sourcemap: true,
  sourcesContent: false,
});
if (types) {
  // What runs in Node has a configuration of its own, so that nothing else can use what Node has.
  for (const part of [".", "src/server", "src/electron"]) {
    const tsc = ["node_modules/typescript/lib/tsc.js", "-p", part];
    execFileSync(process.execPath, tsc, { stdio: "inherit" });
  }
  writeFileSync("dist/types/electron/package.json", '{ "type": "commonjs" }'); // as what they describe
}

const programs = ["tests/node.ts", "tests/states.ts", "tests/server.ts", "tests/leaving.ts", "tests/electron.ts"];
await build({ ...common, entryPoints: programs, outdir: "build/tests", platform: "node" });
const page = { define: { "process.env.NODE_ENV": '"development"' }, platform: "browser" };
await build({ ...common, ...page, entryPoints: ["tests/browser.ts"], outdir: "build/tests" });
