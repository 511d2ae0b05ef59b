/** A server started from Node: `node build/tests/server.js <setting as JSON>` prints the results. */

import { equal, fails, ok, runAll, type Setting, type Test, type World } from "./harness.js";
import { findServer, ServerNotStarted, startServer, type ServerState } from "codex-http-client/server";
import { NotAuthorized, CodexClient } from "codex-http-client";

/** The command and environment of the server under test. */
interface Here extends Setting {
  readonly command: [string, ...string[]];
  readonly env: Record<string, string>;
}

const here = JSON.parse(process.argv[2] ?? "") as Here;
const { command, env, project } = here;

/** Resolves when a state was told. */
function states() {
  const told: ServerState[] = [];
  let look = () => {};
  const onState = (state: ServerState) => {
    told.push(state);
    look();
  };
  const until = (count: number) =>
    new Promise<void>((resolve) => {
      look = () => void (told.length >= count && resolve());
      look();
    });
  return { told, onState, until };
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const tests: Test[] = [
  {
    name: "it starts on a free port with a token of its own, and ends",
    run: async () => {
      const { told, onState } = states();
      const server = await startServer({ command, env, onState });
      equal((await server.client().authStatus()).requires_login, false);
      const stranger = new CodexClient({ baseUrl: server.url, token: "another" });
      await fails(NotAuthorized, () => stranger.authStatus());
      const pid = server.pid ?? 0;
      ok(isThere(pid), "it runs");
      ok(server.log.length > 0, "its log is kept");
      const where = { env, codexHome: env["CODEX_HOME"] ?? "" };
      equal(await findServer(where), { url: server.url, pid });
      await server.stop();
      equal(await findServer(where), null);
      equal([isThere(pid), told], [false, ["ready", "stopped"]]);
    },
  },
  {
    name: "one that dies is started again where it was, three times and no more",
    run: async (world: World) => {
      const { told, onState, until } = states();
      let failure: ServerNotStarted | undefined;
      const server = await startServer({
        command,
        env,
        onState: (state, error) => {
          failure = error;
          onState(state);
        },
      });
      const { url } = server;
      await world.expect({ text: ["before ", { gate: "death" }, "after"] });
      const conversation = await server.client().create(project);
      const turn = conversation.stream("hi");
      let text = "";
      for await (const event of turn) {
        if (event.type === "item/completed" && event.data.item.type === "agentMessage") text = event.data.item.text;
        if (event.text !== "before ") continue;
        process.kill(server.pid ?? 0, "SIGKILL");
        await until(3);
        await world.open("death");
      }
      equal([turn.outcome, text, server.url], ["completed", "before after", url]);
      for (const count of [5, 7, 8]) {
        process.kill(server.pid ?? 0, "SIGKILL");
        await until(count);
      }
      const again = ["restarting", "ready"];
      equal(told, ["ready", ...again, ...again, ...again, "failed"]);
      ok(failure instanceof ServerNotStarted && failure.hint, "it says why");
      await server.stop();
    },
  },
  {
    name: "one that can't start says why",
    run: async () => {
      const missing = await fails(ServerNotStarted, () => startServer({ command: ["/no/such"], env }));
      ok(missing.message.includes("ENOENT"), missing.message);
      const args = ["--no-such-option"];
      const wrong = await fails(ServerNotStarted, () => startServer({ command, env, args }));
      equal(wrong.exitStatus, 2);
      const first = await startServer({ command, env });
      const second = await fails(ServerNotStarted, () => startServer({ command, env }));
      equal(second.exitStatus, 3);
      ok(second.message.includes(first.url), second.message);
      ok(second.hint?.includes("--codex-home"), `it says what to do: ${second.hint}`);
      await first.stop();
    },
  },
];

console.log(JSON.stringify(await runAll(tests, here)));
process.exit();
