/** The client against a real server: requests, errors, and what is asked again. */

import {
  CodexClient,
  ConnectionLost,
  Conflict,
  Forbidden,
  Invalid,
  NotAuthorized,
  NotFound,
  Reset,
  parts,
} from "codex-http-client";

import { equal, fails, ok, until, type Test, type World } from "./harness.js";

export function clientOf(world: World, more: { token?: string; fetch?: typeof fetch } = {}) {
  return new CodexClient({ baseUrl: world.setting.url, patience: 20, ...more });
}

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const clientTests: Test[] = [
  {
    name: "every operation of the contract is there, typed",
    run: async (world) => {
      const client = clientOf(world);
      equal((await client.api.getHealth()).status, "ok");
      ok((await client.api.listModels()).data.length > 0, "there are models");
    },
  },
  {
    name: "run gives the reply",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["Hel", "lo."] });
      const sent = await conversation.run("hi");
      equal([sent.status, sent.reply, sent.turn?.["status"]], ["ended", "Hello.", "completed"]);
    },
  },
  {
    name: "run stops waiting in time, and the key finds the message again",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["one ", { gate: "slow" }, "two"] });
      const first = await conversation.run("hi", { key: "mine", wait: 0.2 });
      equal([first.status, first.reply], ["started", undefined]);
      await world.open("slow");
      const again = await conversation.run("hi", { key: "mine" });
      equal([again.submit_id, again.reply], [first.submit_id, "one two"]);
    },
  },
  {
    name: "an answer that is lost on the way is asked for again, and the work done once",
    run: async (world) => {
      let calls = 0;
      const losing: typeof fetch = async (input, init) => {
        const answer = await fetch(input, init);
        if (init?.method === "POST" && ++calls === 2) throw new TypeError("lost on the way");
        return answer;
      };
      const conversation = await clientOf(world, { fetch: losing }).create(world.setting.project);
      await world.expect({ text: ["once"] });
      equal((await conversation.run("hi")).reply, "once");
      const turns = await clientOf(world).api.listTurns({
        path: { conversation_id: conversation.id },
      });
      equal([turns.data.length, calls], [1, 3]);
    },
  },
  {
    name: "refusals are errors with a code",
    run: async (world) => {
      const client = clientOf(world);
      const invalid = await fails(Invalid, () => client.create("/no/such/directory"));
      equal([invalid.status, invalid.code], [422, "invalid_working_directory"]);
      ok(invalid.message.includes("/no/such/directory"), "it names the directory");
      ok(invalid.requestId, "it has the request's id");
      const missing = await fails(NotFound, () => client.conversation("none").get());
      equal(missing.code, "conversation_not_found");
      const conversation = await client.create(world.setting.project);
      equal((await fails(Conflict, () => conversation.interrupt())).code, "no_running_turn");
      const shell = await fails(Forbidden, () => conversation.shell("true"));
      equal(shell.code, "scope_required");
    },
  },
  {
    name: "a wrong token is told at once, by requests and streams",
    run: async (world) => {
      const { id } = await clientOf(world).create(world.setting.project);
      const stranger = clientOf(world, { token: "not-a-token" });
      const told = await fails(NotAuthorized, () => stranger.conversation(id).get());
      equal(told.code, "invalid_token");
      const reading = stranger.conversation(id).events({ after: 0, log: "any" });
      await fails(NotAuthorized, () => reading[Symbol.asyncIterator]().next());
    },
  },
  {
    name: "a server that never answered is not waited for",
    run: async (world) => {
      const client = new CodexClient({ baseUrl: `${world.setting.stage}/nothing`, patience: 20 });
      const gone: typeof fetch = () => Promise.reject(new TypeError("fetch failed"));
      await fails(ConnectionLost, () => clientOf(world, { fetch: gone }).authStatus());
      const other = await fails(Error, () => client.authStatus());
      equal(other.name, "ProtocolError");
    },
  },
  {
    name: "lists go on page after page",
    run: async (world) => {
      const client = clientOf(world);
      const title = `listed ${Date.now()}`;
      const made = [1, 2, 3].map(() => client.create(world.setting.project, { title }));
      const wanted = (await Promise.all(made)).map(({ id }) => id).sort();
      const found: string[] = [];
      for await (const { id } of client.conversations({ q: title })) found.push(id);
      equal(found.sort(), wanted);
    },
  },
  {
    name: "what was said is found, page after page, with its place in the text",
    run: async (world) => {
      const client = clientOf(world);
      const word = `w${Date.now()}`;
      const conversation = await client.create(world.setting.project, { title: `${word} title` });
      await world.expect({ text: [`🚀 the ${word} flies`] });
      await conversation.run(`where is ${word}?`);
      const kinds: string[] = [];
      for await (const { kind, snippet } of client.search(word)) {
        kinds.push(kind);
        equal(parts(snippet).find((part) => part.found)?.text, word);
      }
      equal(kinds, ["title", "answer", "message"]);
      const wanted = { kind: ["answer" as const], conversation: [conversation.id], prefix: true };
      for await (const { snippet } of client.search(`"the ${word.slice(0, -2)}`, wanted)) {
        equal(parts(snippet), [
          { text: "🚀 ", found: false },
          { text: `the ${word}`, found: true },
          { text: " flies", found: false },
        ]);
      }
    },
  },
  {
    name: "a conversation is changed, put away, taken back, forked and deleted",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["yes"] });
      await conversation.run("hi");
      equal((await conversation.patch({ title: "Notes" })).title, "Notes");
      equal((await conversation.archive()).archived, true);
      equal((await conversation.unarchive()).archived, false);
      const fork = await conversation.fork({ title: "Copy" });
      equal((await fork.get()).forked_from?.conversation_id, conversation.id);
      await fork.delete();
      await fails(NotFound, () => fork.get());
    },
  },
  {
    name: "messages that wait are edited, put in order and taken back",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["first ", { gate: "busy" }] });
      await conversation.send("one");
      await until(conversation.events(), (each) => !(each instanceof Reset) && each.text === "first ");
      const [two, three] = [await conversation.send("two"), await conversation.send("three")];
      equal([two.status, three.status], ["queued", "queued"]);
      await conversation.edit(two.submit_id, "changed");
      const order = await conversation.reorder([three.submit_id, two.submit_id]);
      equal(order.map(({ input }) => input[0]?.["text"]), ["three", "changed"]);
      await conversation.takeBack(three.submit_id);
      equal((await conversation.queue()).length, 1);
      equal((await conversation.interrupt({ clear_queue: true })).removed_messages, 1);
      await world.open("busy");
    },
  },
  {
    name: "an image is uploaded as it is",
    run: async (world) => {
      const bytes = Uint8Array.from(atob(PIXEL), (letter) => letter.charCodeAt(0));
      const client = clientOf(world);
      const made = await client.upload(new Blob([bytes], { type: "image/png" }));
      equal([made.media_type, made.size], ["image/png", bytes.length]);
      const path = { upload_id: made.upload_id };
      await client.api.deleteUpload({ path });
    },
  },
  {
    name: "somebody begins to sign in, and gives up",
    run: async (world) => {
      const client = clientOf(world);
      const status = await client.authStatus();
      equal([status.authenticated, status.requires_login], [true, true]);
      const login = await client.login({ method: "device_code" });
      equal(login.info.state, "pending");
      ok(login.info.user_code, "there is a code to type");
      const waiting = login.wait();
      equal((await login.cancel()).state, "cancelled");
      equal((await waiting).state, "cancelled");
    },
  },
];
