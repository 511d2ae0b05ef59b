// Writes dist/: one module for each entry, what they share in chunks, and the declarations (not with `--without-types`); and
// build/tests/: the test list for Node and for the browser, which imports what is in dist/.
// All that others wrote is bundled in, so that the package needs nothing at run time but React for its chat.
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { writeLicences } from "./licences.mjs";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(here);
const types = !process.argv.includes("--without-types");
if (types) rmSync("dist", { recursive: true, force: true });

const common = { bundle: true, format: "esm", logLevel: "warning" };

const client = await build({
  metafile: true,
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
// The chat. What it has of the client stays there: a context of React, a class of errors is there once.
const shared = {
  name: "shared",
  setup({ onResolve }) {
    const entries = { "../index.js": "./react.js", "../../errors.js": "./index.js" };
    onResolve({ filter: /^\.\.\/(index|\.\.\/errors)\.js$/ }, ({ path, importer }) =>
      importer.includes("/src/react/ui/") ? { path: entries[path], external: true } : null,
    );
  },
};
// A CommonJS module that requires React gets what the app imports: a page has no `require`.
const required = {
  name: "required",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^react(\/|$)/ }, ({ path, kind }) =>
      kind === "require-call" ? { path, namespace: "required" } : null,
    );
    onLoad({ filter: /.*/, namespace: "required" }, ({ path }) => ({ contents: `export * from "${path}";`, resolveDir: here }));
  },
};
const chat = await build({
  ...common,
  metafile: true,
  banner: { js: '"use client";' }, // for servers that draw React
  entryPoints: { ui: "src/react/ui/index.ts" },
  outdir: "dist",
  chunkNames: "ui-[name]-[hash]",
  splitting: true, // the languages that code is coloured in are loaded when they are seen
  minify: true,
  jsx: "automatic",
  platform: "neutral",
  mainFields: ["module", "main"],
  target: ["es2022", "chrome114"],
  external: ["react", "react/*", "react-dom"],
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [shared, required],
});
copyFileSync("src/react/ui/codex-chat.css", "dist/ui.css");
writeFileSync("dist/ui.css.d.ts", "export {};\n");
writeLicences([client.metafile, chat.metafile], "dist/index.js");
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
  for (const part of [".", "src/react/ui", "src/server", "src/electron"]) {
    const tsc = ["node_modules/typescript/lib/tsc.js", "-p", part];
    execFileSync(process.execPath, tsc, { stdio: "inherit" });
  }
  writeFileSync("dist/types/electron/package.json", '{ "type": "commonjs" }'); // as what they describe
}

const programs = ["tests/node.ts", "tests/states.ts", "tests/server.ts", "tests/leaving.ts", "tests/electron.ts"];
await build({ ...common, entryPoints: programs, outdir: "build/tests", platform: "node" });
const page = { define: { "process.env.NODE_ENV": '"development"' }, platform: "browser" };
await build({ ...common, ...page, entryPoints: ["tests/browser.ts"], outdir: "build/tests" });
