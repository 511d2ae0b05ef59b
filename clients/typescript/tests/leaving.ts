/** Starts a server and leaves without ending it, by being killed: prints its process id first. */

import { startServer } from "codex-http-client/server";

const { command, env } = JSON.parse(process.argv[2] ?? "");
const server = await startServer({ command, env });
console.log(server.pid);
process.kill(process.pid, "SIGKILL");
