// Builds the package, packs it, and checks it as its users get it: types of the tests, publint,
// are-the-types-wrong, and a user's program in a folder of its own, in each way to resolve modules.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const tool = (path) => join(here, "node_modules", path);
const MOST = 18_000; // bytes of the whole client in a page, gzipped
const CHAT_MOST = 360_000; // the same with the whole chat, all languages of coloured code in it apart
const TSC = tool("typescript/lib/tsc.js");

/** Run a program; what it prints is shown only where it fails. */
function run(...command) {
  try {
    return execFileSync(process.execPath, command, { cwd: here, encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    console.error(`clients/typescript: ${command.join(" ")}\n${error.stdout}${error.stderr}`);
    process.exit(1);
  }
}

const USER = `
import { CodexClient, Conflict, Reset, type Event } from "codex-http-client";

export async function ask(directory: string): Promise<string> {
  const conversation = await new CodexClient().create(directory, { title: "Hello" });
  let text = "";
  for await (const event of conversation.stream("What is this?", { while_busy: "reject" })) {
    if (event.type === "item/agentMessage/delta") text += event.text;
  }
  for await (const each of conversation.events({ after: 0 })) {
    if (each instanceof Reset) return each.snapshot.conversation.id;
    const event: Event = each;
    if (event.type === "turn/completed") break;
  }
  // @ts-expect-error a name that is none
  await conversation.send("x", { while_bussy: "steer" }).catch((error) => error instanceof Conflict);
  return text;
}
`;

/** The programs of a page. */
function examples(page) {
  const text = readFileSync(join(here, page), "utf8");
  return [...text.matchAll(/^```tsx?\n(.*?)^```$/gms)].map(([, program]) => program);
}

/** A main process, in TypeScript. */
const MAIN = `
import { app } from "electron";
import { type Codex, setUpCodex } from "codex-http-client/electron/main";

const codex: Codex = setUpCodex({ page: "dist", pages: ["http://localhost:5173"], args: ["--codex-home", "x"] });
codex.onState(({ state, message, hint }) => console.log(state, message, hint));
void app.whenReady().then(async () => {
  codex.createWindow({ width: 900 });
  const { id } = await codex.service.createConversation("/path");
  codex.service.onEvent(({ type, text }) => console.log(type, text));
  // @ts-expect-error a decision that is none
  await codex.service.answerApproval(id, "a", 1);
});
`;

const programs = [USER, MAIN, ...examples("README.md"), ...examples("../../docs/guides/typescript.md")];
const files = programs.map((_, number) => `user${number}.tsx`);

/** A project that has the packed package installed, React's types, and nothing else. */
function userIn(folder, tarball) {
  const installed = join(folder, "node_modules", "codex-http-client");
  mkdirSync(installed, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", installed, "--strip-components=1"]);
  symlinkSync(tool("@types"), join(folder, "node_modules", "@types")); // those of React
  symlinkSync(tool("csstype"), join(folder, "node_modules", "csstype"));
  symlinkSync(tool("electron"), join(folder, "node_modules", "electron"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }));
  programs.forEach((program, number) => writeFileSync(join(folder, files[number]), program));
}

const strict = { strict: true, noEmit: true, target: "es2022", lib: ["es2022", "dom", "dom.iterable"], types: [], jsx: "react-jsx" };
const ways = [
  { ...strict, module: "nodenext" },
  { ...strict, module: "preserve", moduleResolution: "bundler" },
];

/** The users' programs have the right types when modules are resolved in this way. */
function checkTypes(folder, compilerOptions) {
  const config = { compilerOptions, files };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  run(TSC, "-p", folder);
}

/** A bundler takes it, for a page: nothing of Node is in it, and no more than it should be. */
async function bundle(folder) {
  const pages = files.map((name) => join(folder, name)).filter(isForPages);
  const hasChat = (program) => readFileSync(program, "utf8").includes("codex-http-client/react/ui");
  await bundleEach(folder, pages.filter((page) => !hasChat(page)), MOST);
  await bundleEach(folder, pages.filter(hasChat), CHAT_MOST);
}

async function bundleEach(folder, entryPoints, most) {
  const options = { bundle: true, minify: true, format: "esm", write: false, splitting: true, metafile: true };
  const external = ["react", "react-dom"];
  const made = await build({ ...options, external, entryPoints, outdir: folder, jsx: "automatic" });
  const { outputs } = made.metafile;
  const contents = new Map(made.outputFiles.map((file) => [relative(process.cwd(), file.path), file.contents]));
  for (const [path, { entryPoint }] of Object.entries(outputs)) {
    if (!entryPoint || !entryPoints.some((each) => each.endsWith(entryPoint.split("/").pop()))) continue;
    const size = [...loadedBy(path, outputs)].reduce((sum, each) => sum + gzipSync(contents.get(each)).length, 0);
    if (size > most) throw new Error(`${entryPoint} takes ${size} bytes, gzipped`);
  }
}

/** What is loaded with an output at once, itself included. */
function loadedBy(path, outputs, found = new Set()) {
  found.add(path);
  for (const { path: next, kind, external } of outputs[path].imports) {
    if (kind === "import-statement" && !external && !found.has(next)) loadedBy(next, outputs, found);
  }
  return found;
}

function isForPages(program) {
  return !/codex-http-client\/(?:server|electron)/.test(readFileSync(program, "utf8"));
}

/** A sandboxed preload script can load nothing but Electron, and is no module itself. */
function isOneFile(program) {
  const text = readFileSync(program, "utf8");
  if (/\bmodule\.exports\b/.test(text)) throw new Error("preload.cjs exports something");
  const loaded = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name]) => name);
  if (loaded.some((name) => name !== "electron")) throw new Error(`preload.cjs loads ${loaded}`);
}

run("scripts/build.mjs");
run(TSC, "-p", "tests");
const folder = mkdtempSync(join(tmpdir(), "codex-http-client-"));
try {
  const npm = join(dirname(process.execPath), "../lib/node_modules/npm/bin/npm-cli.js");
  const packed = JSON.parse(run(npm, "pack", "--json", "--pack-destination", folder));
  const tarball = join(folder, (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).filename);
  run(tool("publint/src/cli.js"), "run", tarball, "--strict");
  run(tool("@arethetypeswrong/cli/dist/index.js"), tarball, "--profile", "esm-only", "--format", "ascii");
  userIn(folder, tarball);
  for (const way of ways) checkTypes(folder, way);
  const loads = join(folder, "loads.mjs"); // without React: only ./react needs it
  writeFileSync(loads, 'import "codex-http-client"; import "codex-http-client/server";');
  isOneFile(join(folder, "node_modules/codex-http-client/dist/electron/preload.cjs"));
  run(loads);
  await bundle(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
