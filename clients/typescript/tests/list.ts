/** The list for Node and for the browser. */

import { clientTests } from "./client.test.js";
import type { Test } from "./harness.js";
import { streamTests } from "./streams.test.js";
import { unitTests } from "./unit.test.js";

export const tests: Test[] = [...unitTests, ...clientTests, ...streamTests];
