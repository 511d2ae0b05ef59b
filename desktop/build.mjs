// Builds the page into dist/. Any bundler does; the target is Electron's Chromium.
import { cpSync } from "node:fs";

import { build } from "esbuild";

await build({
  entryPoints: ["src/page.tsx"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  splitting: true,
  jsx: "automatic",
  target: "chrome114",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
});
cpSync("index.html", "dist/index.html");
