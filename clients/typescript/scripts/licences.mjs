// The licences of what is bundled into dist/, from the packages themselves: dist/licences.txt.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const NAMES = /^(licen[cs]e|copying)/i;

/** The folder of the package that a bundled file belongs to; null for a file of our own. */
function packageOf(file) {
  const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file);
  return found ? found[1] : null;
}

function licenceOf(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((each) => NAMES.test(each));
  const by = typeof author === "string" ? author : author?.name;
  const text = file ? readFileSync(join(folder, file), "utf8").trim() : `Copyright (c) ${by ?? "its authors"}`;
  if (!license) throw new Error(`${name} does not say under which licence it is`);
  return [`${name} ${version}`, `${name} ${version} (${license})\n\n${text}\n`];
}

/** Write the file, of what esbuild says that it has bundled. */
export function writeLicences(metafiles, into) {
  const files = metafiles.flatMap(({ outputs }) => Object.values(outputs).flatMap(({ inputs }) => Object.keys(inputs)));
  const folders = new Set(files.map(packageOf).filter((folder) => folder && existsSync(join(folder, "package.json"))));
  const licences = new Map([...folders].map(licenceOf));
  const sorted = [...licences].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  writeFileSync(join(dirname(into), "licences.txt"), sorted.join(`\n${"-".repeat(80)}\n\n`));
}
