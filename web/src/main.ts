// The page's beginning, and the only script under a fixed name: how it came in, then the app.
// The code in the address is gone from it before anything else is loaded (session.ts).

import "./page.css";
import { enter, lockedOut, lookForCodes } from "./session";
import { tell, UNLOADABLE } from "./telling";

// No `await` outside of a function: chunks of the app may import from this module, and would wait
// for its end, as it waits for them.
async function begin(root: HTMLElement): Promise<void> {
  lookForCodes();
  const app = import("./app"); // on its way meanwhile
  app.catch(() => tell(UNLOADABLE));
  const { mayLook, problem } = await enter();
  tell(problem);
  if (mayLook) (await app).show(root, async () => tell(await lockedOut()));
}

const root = document.getElementById("root");
if (root) void begin(root);
