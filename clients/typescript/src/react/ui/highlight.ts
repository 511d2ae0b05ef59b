/**
 * Colours for code: Shiki with its JavaScript engine (no WebAssembly, which a strict policy forbids),
 * and the languages that agents write most; each is fetched when it is first seen. The others (C++'s
 * grammar alone is a megabyte) are shown without colours.
 */

import type { CodeHighlighterPlugin, HighlightResult } from "streamdown";
import { createHighlighterCore, type HighlighterCore } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";

type Loaded = Promise<{ readonly default: unknown }>;

const LANGUAGES: Readonly<Record<string, () => Loaded>> = {
  c: () => import("shiki/langs/c.mjs"),
  css: () => import("shiki/langs/css.mjs"),
  diff: () => import("shiki/langs/diff.mjs"),
  docker: () => import("shiki/langs/docker.mjs"),
  go: () => import("shiki/langs/go.mjs"),
  html: () => import("shiki/langs/html.mjs"),
  ini: () => import("shiki/langs/ini.mjs"),
  java: () => import("shiki/langs/java.mjs"),
  javascript: () => import("shiki/langs/javascript.mjs"),
  json: () => import("shiki/langs/json.mjs"),
  jsx: () => import("shiki/langs/jsx.mjs"),
  kotlin: () => import("shiki/langs/kotlin.mjs"),
  make: () => import("shiki/langs/make.mjs"),
  markdown: () => import("shiki/langs/markdown.mjs"),
  python: () => import("shiki/langs/python.mjs"),
  rust: () => import("shiki/langs/rust.mjs"),
  shellscript: () => import("shiki/langs/shellscript.mjs"),
  sql: () => import("shiki/langs/sql.mjs"),
  swift: () => import("shiki/langs/swift.mjs"),
  toml: () => import("shiki/langs/toml.mjs"),
  tsx: () => import("shiki/langs/tsx.mjs"),
  typescript: () => import("shiki/langs/typescript.mjs"),
  xml: () => import("shiki/langs/xml.mjs"),
  yaml: () => import("shiki/langs/yaml.mjs"),
};
const ALIASES: Readonly<Record<string, string>> = {
  bash: "shellscript",
  cjs: "javascript",
  dockerfile: "docker",
  golang: "go",
  h: "c",
  js: "javascript",
  kt: "kotlin",
  makefile: "make",
  md: "markdown",
  mjs: "javascript",
  py: "python",
  rs: "rust",
  sh: "shellscript",
  shell: "shellscript",
  ts: "typescript",
  yml: "yaml",
  zsh: "shellscript",
};
const THEMES = ["github-light", "github-dark"] as const;
const MOST = 100_000; // characters; longer code is shown without colours

const nameOf = (language: string) => ALIASES[language.toLowerCase()] ?? language.toLowerCase();

let core: Promise<HighlighterCore> | null = null;
const ready = new Map<string, HighlighterCore>();

function highlighter(): Promise<HighlighterCore> {
  core ??= createHighlighterCore({
    engine: createJavaScriptRegexEngine({ forgiving: true }),
    themes: [import("shiki/themes/github-light.mjs"), import("shiki/themes/github-dark.mjs")],
  });
  return core;
}

async function load(language: string): Promise<void> {
  const [shiki, grammar] = await Promise.all([highlighter(), LANGUAGES[language]?.()]);
  if (!grammar) return;
  await shiki.loadLanguage(grammar.default as Parameters<HighlighterCore["loadLanguage"]>[0]);
  ready.set(language, shiki);
}

function colour(code: string, language: string): HighlightResult | null {
  const themes = { light: THEMES[0], dark: THEMES[1] };
  const shiki = ready.get(language);
  return (shiki?.codeToTokens(code, { lang: language, themes }) as HighlightResult | undefined) ?? null;
}

/** What the drawing of markdown asks for colours. */
export const highlight: CodeHighlighterPlugin = {
  name: "shiki",
  type: "code-highlighter",
  getSupportedLanguages: () => [...Object.keys(LANGUAGES), ...Object.keys(ALIASES)],
  getThemes: () => [...THEMES],
  supportsLanguage: (language) => nameOf(language) in LANGUAGES,
  highlight({ code, language }, callback) {
    const name = nameOf(language);
    if (!(name in LANGUAGES) || code.length > MOST) return null;
    const now = colour(code, name);
    if (now || !callback) return now;
    // Without colours it is as it was: a language that can't be fetched is no fault of the text.
    void load(name).then(() => {
      const coloured = colour(code, name);
      if (coloured) callback(coloured);
    }, () => undefined);
    return null;
  },
};
