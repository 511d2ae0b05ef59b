// How the page is built: scripts/page calls it. What is built goes into the Python package.
import { defineConfig } from "vite";

const path = (name: string) => decodeURIComponent(new URL(name, import.meta.url).pathname);
const client = path("../clients/typescript");

export default defineConfig({
  base: "/page/", // every file lies beside the others there
  resolve: {
    alias: [
      { find: /^codex-http-client$/, replacement: `${client}/src/index.ts` },
      { find: /^codex-http-client\/react$/, replacement: `${client}/src/react/index.ts` },
      { find: /^codex-http-client\/react\/ui$/, replacement: `${client}/src/react/ui/index.ts` },
      { find: /^codex-http-client\/react\/ui\.css$/, replacement: `${client}/src/react/ui/codex-chat.css` },
      // The client's own React, so that there is one.
      { find: /^(react|react-dom)(\/.*)?$/, replacement: `${client}/node_modules/$1$2` },
    ],
  },
  build: {
    outDir: path("../src/codex_http_server/api/page"),
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    target: ["chrome114", "firefox115", "safari16.4"],
    modulePreload: { polyfill: false }, // all of these know it
    license: { fileName: "licenses.md" }, // of what is bundled in
    chunkSizeWarningLimit: 2_000, // kB; tests/docs/test_built_page.py holds what a first load takes
    rolldownOptions: {
      // "use client" is for servers that draw React, of which there is none here.
      onwarn: (warning, warn) => (warning.code === "MODULE_LEVEL_DIRECTIVE" ? undefined : warn(warning)),
      output: {
        // The only script with a fixed name. Whoever has an old one asks for the new; the others are kept forever.
        entryFileNames: "page.js",
        chunkFileNames: "[name]-[hash].js",
        assetFileNames: "[name]-[hash][extname]",
      },
    },
  },
});
