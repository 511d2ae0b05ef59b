/** Runs the list in Node: `node build/tests/node.js <setting as JSON>` prints the results. */

import { runAll, type Setting } from "./harness.js";
import { tests } from "./list.js";

const setting = JSON.parse(process.argv[2] ?? "") as Setting;
console.log(JSON.stringify(await runAll(tests, setting)));
process.exit();
