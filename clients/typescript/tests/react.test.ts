/** The hooks in a page: what components see of conversations that are followed. */

import { CodexClient, NotFound } from "codex-http-client";
import {
  CodexProvider,
  useAccount,
  type UseConversation,
  useConversation,
  type UseConversations,
  useConversations,
  useEvents,
  useModels,
  useScopes,
} from "codex-http-client/react";
import { createElement, type FunctionComponent, StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { clientOf } from "./client.test.js";
import { equal, ok, type Test, type World } from "./harness.js";

/** A component on the page that shows nothing and keeps all that it was given. */
class Mounted<Seen> {
  readonly seen: Seen[] = [];
  private readonly root = createRoot(document.createElement("div"));
  private look = () => {};

  constructor(
    private readonly use: () => Seen,
    client: CodexClient,
    copies = 1,
  ) {
    const Looker: FunctionComponent = () => {
      this.seen.push(this.use());
      queueMicrotask(() => this.look());
      return null;
    };
    const lookers = Array.from({ length: copies }, (_, key) => createElement(Looker, { key }));
    const below = createElement(CodexProvider, { client }, ...lookers);
    this.root.render(createElement(StrictMode, null, below));
  }

  get now(): Seen {
    const last = this.seen.at(-1);
    ok(last, "it was drawn");
    return last;
  }

  /** What it shows once that passes. */
  until(test: (seen: Seen) => boolean): Promise<Seen> {
    return new Promise((resolve) => {
      this.look = () => {
        const last = this.seen.at(-1);
        if (last && test(last)) resolve(last);
      };
      this.look();
    });
  }

  unmount(): void {
    this.root.unmount();
  }
}

const textOf = ({ items }: UseConversation) =>
  items
    .flatMap(({ item }) => (item?.type === "agentMessage" ? [item.text] : []))
    .join("|");

/** A client that counts its event streams: those that were opened, and those that still are. */
function counting(world: World) {
  const count = { opened: 0, open: 0 };
  const counted: typeof fetch = async (input, init) => {
    if (new Headers(init?.headers).get("Accept") === "text/event-stream") {
      count.opened += 1;
      count.open += 1;
      init?.signal?.addEventListener("abort", () => (count.open -= 1));
    }
    return await fetch(input, init);
  };
  return { count, client: clientOf(world, { fetch: counted }) };
}

async function fresh(world: World): Promise<{ client: CodexClient; id: string }> {
  const client = clientOf(world);
  return { client, id: (await client.create(world.setting.project)).id };
}

export const reactTests: Test[] = [
  {
    name: "useConversation shows an answer as it comes",
    run: async (world) => {
      const { client, id } = await fresh(world);
      const page = new Mounted(() => useConversation(id), client);
      equal((await page.until(({ status }) => status !== "loading")).status, "idle");
      await world.expect({ text: ["one ", { gate: "half" }, "two"] });
      await page.now.send("hi");
      const half = await page.until((seen) => textOf(seen) === "one ");
      equal([half.status, half.items.at(-1)?.status], ["running", "inProgress"]);
      await world.open("half");
      const whole = await page.until(({ status }) => status === "idle");
      equal(textOf(whole), "one two");
      equal(whole.items.map(({ item_type }) => item_type), ["userMessage", "agentMessage"]);
      equal(whole.items.at(-1)?.key, half.items.at(-1)?.key, "keys");
      ok(whole.items[0] === half.items[0], "what did not change is the same object");
      ok(whole.usage, "the usage is shown");
      page.unmount();
    },
  },
  {
    name: "a page that comes in mid-answer has all of it, and a lost connection is shown",
    run: async (world) => {
      const { client, id } = await fresh(world);
      await world.expect({ text: ["one ", "two ", { gate: "mid" }, "three"] });
      await client.conversation(id).send("hi");
      const page = new Mounted(() => useConversation(id), client);
      await page.until((seen) => textOf(seen) === "one two ");
      const lost = page.until(({ reconnecting }) => reconnecting);
      const restarted = world.restart("SIGKILL");
      equal(textOf(await lost), "one two ");
      await restarted;
      await page.until(({ reconnecting }) => !reconnecting);
      await world.open("mid");
      const whole = await page.until(({ status }) => status === "idle");
      equal(textOf(whole), "one two three");
      const texts = new Set(page.seen.map(textOf));
      ok([...texts].every((text) => "one two three".startsWith(text)), "no text came twice");
      page.unmount();
    },
  },
  {
    name: "what the core asks is shown until somebody answers",
    run: async (world) => {
      const { client, id } = await fresh(world);
      const page = new Mounted(() => useConversation(id), client);
      await page.until(({ status }) => status === "idle");
      await world.expect({ command: "touch ../beside.txt", escalate: true });
      await world.expect({ text: ["so be it"] });
      await page.now.send("go");
      const { approvals, answer } = await page.until(({ status }) => status === "waiting");
      equal(approvals.map(({ kind }) => kind), ["command"]);
      await answer(approvals[0]?.approval_id ?? "", "decline");
      const after = await page.until(({ status }) => status === "idle");
      equal([after.approvals.length, textOf(after)], [0, "so be it"]);
      equal(after.answered.map(({ resolution }) => resolution?.decision), ["decline"]);
      page.unmount();
    },
  },
  {
    name: "messages wait, are taken back, steer and interrupt",
    run: async (world) => {
      const { client, id } = await fresh(world);
      const page = new Mounted(() => useConversation(id), client);
      await page.until(({ status }) => status === "idle");
      await world.expect({ text: ["first ", { gate: "steered" }] });
      await page.now.send("one");
      await page.until((seen) => textOf(seen) === "first ");
      const waiting = await page.now.send("two");
      await page.until(({ queue }) => queue.length === 1);
      await page.now.takeBack(waiting.submit_id);
      await page.until(({ queue }) => queue.length === 0);
      await world.expect({ text: ["steered ", { gate: "never" }] });
      equal((await page.now.steer("this way")).status, "steered");
      await world.open("steered");
      await page.until((seen) => textOf(seen).endsWith("steered "));
      await page.now.interrupt();
      const { turns } = await page.until(({ status }) => status === "idle");
      equal(turns.map(({ status }) => status), ["interrupted"]);
      await world.open("never");
      page.unmount();
    },
  },
  {
    name: "all components share one stream, many changes are drawn at once, leaving closes it",
    run: async (world) => {
      const { client, count } = counting(world);
      const { id } = await client.create(world.setting.project);
      const other = await client.create(world.setting.project);
      const use = () => {
        useAccount();
        useConversations();
        useConversation(other.id);
        return useConversation(id);
      };
      const page = new Mounted(use, client, 3);
      await page.until(({ status }) => status === "idle");
      const before = page.seen.length;
      await world.expect({ text: Array.from({ length: 300 }, (_, n) => `${n} `) });
      await client.conversation(id).run("go");
      await page.until((seen) => seen.status === "idle" && textOf(seen).endsWith("299 "));
      // StrictMode draws each of the three twice.
      ok(page.seen.length - before < 3 * 2 * 100, `it was drawn ${page.seen.length - before} times`);
      equal(count, { opened: 1, open: 1 });
      page.unmount();
      while (count.open > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  },
  {
    name: "older items are fetched when they are wanted",
    run: async (world) => {
      const { client, id } = await fresh(world);
      for (let turn = 0; turn < 3; turn += 1) {
        const commands = Array.from({ length: 20 }, (_, n) => ({ command: `echo ${n}` }));
        await world.expect(...commands);
        await world.expect(...commands);
        await world.expect({ text: ["done"] });
        await client.conversation(id).run("go");
      }
      const page = new Mounted(() => useConversation(id), client);
      const first = await page.until(({ items }) => items.length === 100);
      equal(first.hasOlder, true);
      await Promise.all([first.loadOlder(), first.loadOlder()]);
      const all = await page.until(({ hasOlder }) => !hasOlder);
      equal([all.items.length, all.items[0]?.item_type], [126, "userMessage"]);
      equal(new Set(all.items.map(({ key }) => key)).size, 126, "keys");
      equal(all.turns.map(({ status }) => status), ["completed", "completed", "completed"], "turns");
      page.unmount();
    },
  },
  {
    name: "an error is shown, and so is a conversation that is deleted",
    run: async (world) => {
      const { client, id } = await fresh(world);
      const none = new Mounted(() => useConversation("none"), client);
      const { error } = await none.until(({ status }) => status === "failed");
      ok(error instanceof NotFound, `it is not found: ${error}`);
      none.unmount();
      const page = new Mounted(() => useConversation(id), client);
      await page.until(({ status }) => status === "idle");
      await client.conversation(id).delete();
      await page.until(({ status }) => status === "deleted");
      page.unmount();
    },
  },
  {
    name: "useConversations shows what is new, renamed, at work and gone",
    run: async (world) => {
      const client = clientOf(world);
      const q = `list ${Date.now()}`;
      const page = new Mounted<UseConversations>(() => useConversations({ q }), client);
      equal((await page.until(({ loading }) => !loading)).conversations, []);
      const made = await page.now.create(world.setting.project, { title: `${q} one` });
      const titles = ({ conversations }: UseConversations) =>
        conversations.map(({ title }) => title).join();
      await page.until((seen) => titles(seen) === `${q} one`);
      await made.patch({ title: `${q} two` });
      await page.until((seen) => titles(seen) === `${q} two`);
      await world.expect({ text: ["at work ", { gate: "list" }] });
      await made.send("go");
      await page.until(({ conversations: [first] }) => first?.status === "running");
      await world.open("list");
      await page.until(({ conversations: [first] }) => first?.status === "idle");
      await made.delete();
      await page.until(({ conversations }) => conversations.length === 0);
      page.unmount();
    },
  },
  {
    name: "useAccount shows who is signed in, and a login from its begin to its end",
    run: async (world) => {
      const client = clientOf(world);
      const page = new Mounted(() => useAccount(), client);
      const { account, login } = await page.until(({ loading }) => !loading);
      equal([account?.authenticated, login], [true, null]);
      await page.now.signIn({ method: "device_code" });
      const begun = await page.until((seen) => seen.login !== null);
      ok(begun.login?.user_code && begun.login.url, "there is something to do");
      await client.api.cancelLogin({ path: { login_id: begun.login.id } }); // by somebody else
      await page.until((seen) => seen.login === null);
      await page.now.signIn({ method: "device_code" });
      await page.until((seen) => seen.login !== null);
      await page.now.cancel();
      await page.until((seen) => seen.login === null);
      page.unmount();
    },
  },
  {
    name: "useModels and useScopes say what there is to choose from, and useEvents what goes on",
    run: async (world) => {
      const { client, id } = await fresh(world);
      const page = new Mounted(() => ({ models: useModels(), scopes: useScopes(), ...useEvents(id) }), client);
      const { models, scopes } = await page.until((seen) => seen.models !== null && seen.scopes !== null);
      ok(models?.some(({ standard, efforts }) => standard && efforts.length > 0), "a model is the standard one");
      ok(scopes?.includes("drive"), "it may send messages");
      const reply = `said ${Date.now()}`;
      await world.expect({ text: [reply] });
      await client.conversation(id).send("go");
      const { events } = await page.until((seen) => seen.events.some(({ type }) => type === "turn/completed"));
      const seqs = events.flatMap(({ seq }) => seq ?? []);
      equal(seqs, [...new Set(seqs)].sort((one, other) => one - other));
      ok(client.requests.newest().some(({ method, url }) => method === "POST" && url.endsWith(`/${id}/messages`)), "it was asked");
      ok(client.requests.newest().every(({ headers }) => !headers.has("Authorization")), "without a token");
      page.unmount();
    },
  },
];
