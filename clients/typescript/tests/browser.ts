/** Runs the list in a page, when `runTests` is called there. */

import { runAll, type Setting } from "./harness.js";
import { tests } from "./list.js";
import { reactTests } from "./react.test.js";

const all = [...tests, ...reactTests]; // which need a page
Object.assign(globalThis, { runTests: (setting: Setting) => runAll(all, setting) });
