/** Runs the list in a page, when `runTests` is called there. */

import { runAll, type Setting } from "./harness.js";
import { tests } from "./list.js";

Object.assign(globalThis, { runTests: (setting: Setting) => runAll(tests, setting) });
