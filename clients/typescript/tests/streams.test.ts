/** Streams against a real server: nothing lost, nothing twice, and they end when told. */

import { type Event, NotFound, Reset } from "codex-http-client";

import { clientOf } from "./client.test.js";
import { equal, fails, ok, until, type Test, type World } from "./harness.js";

const ended = (event: Event | Reset) => event.type === "turn/completed";
const seqs = (events: (Event | Reset)[]) =>
  events.flatMap(({ seq }) => (typeof seq === "number" ? [seq] : []));

const rising = (numbers: number[]) => [...new Set(numbers)].sort((a, b) => a - b);

async function logged(world: World, id: string): Promise<number[]> {
  const path = { conversation_id: id };
  const query = { limit: 2000 };
  const page = await clientOf(world).api.readConversationEvents({ path, query });
  return page.data.map(({ seq }) => seq ?? 0);
}

export const streamTests: Test[] = [
  {
    name: "stream gives the events of one turn, and ends with it",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ command: "echo made > made.txt" });
      await world.expect({ text: ["First this, ", "then that."] });
      const turn = conversation.stream("go");
      const events: Event[] = [];
      for await (const event of turn) events.push(event);
      equal([turn.outcome, events.at(-1)?.type], ["completed", "turn/completed"]);
      const deltas = events.filter(({ type }) => type === "item/agentMessage/delta");
      equal(deltas.map(({ text }) => text).join(""), "First this, then that.");
      equal([...new Set(events.map(({ turn_id }) => turn_id))], [turn.turnId]);
    },
  },
  {
    name: "a message that is taken back ends its stream",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["one ", { gate: "taken" }] });
      await conversation.send("first");
      const turn = conversation.stream("second");
      const reading = until(turn, ({ type }) => type === "message/removed");
      let [waiting] = await conversation.queue();
      while (!waiting) [waiting] = await conversation.queue();
      await conversation.takeBack(waiting.submit_id);
      await reading;
      equal([turn.outcome, turn.turnId], ["removed", null]);
      await world.open("taken");
    },
  },
  {
    name: "events go on where a reader left",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["one ", { gate: "left" }, "two"] });
      await conversation.send("hi");
      const first = conversation.events();
      const before = await until(first, ({ type }) => type === "item/agentMessage/delta");
      await world.open("left");
      const second = conversation.events({ after: first.seq ?? 0, log: first.logId });
      const after = await until(second, ended);
      const got = seqs([...before, ...after]);
      equal(got, rising(got), "numbers");
      const log = await logged(world, conversation.id);
      ok(log.every((seq) => seq > (second.seq ?? 0) || got.includes(seq)), "all came");
    },
  },
  {
    name: "latest is where the reader stood when it was ready",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["before"] });
      await conversation.run("one");
      const events = conversation.events({ after: "latest" });
      await events.ready();
      const { seq } = events;
      ok(seq && seq >= (await logged(world, conversation.id)).length, "it stands at the end");
      await world.expect({ text: ["after"] });
      await conversation.run("two");
      const got = await until(events, ended);
      ok(seqs(got).every((each) => each > seq), "nothing old came");
    },
  },
  {
    name: "a server that is killed in mid-answer and comes back loses nothing",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["one ", "two ", { gate: "killed" }, "three ", "four"] });
      const states: string[] = [];
      const turn = conversation.stream("hi", { onConnection: (state) => states.push(state) });
      const watching = until(conversation.events(), ended);
      const got: Event[] = [];
      for await (const event of turn) {
        got.push(event);
        if (event.text !== "two ") continue;
        await world.restart("SIGKILL");
        await world.open("killed");
      }
      equal([turn.outcome, states], ["completed", ["open", "lost", "open"]]);
      const seen = seqs(await watching);
      for (const each of [seqs(got), seen]) equal(each, rising(each), "numbers");
      const log = await logged(world, conversation.id);
      const last = seen.at(-1) ?? 0;
      ok(log.every((seq) => seq > last || seen.includes(seq)), "all came");
      const ends = got.flatMap((event) => (event.type === "item/completed" ? [event.data.item] : []));
      const message = ends.at(-1);
      equal(message?.type === "agentMessage" && message.text, "one two three four");
    },
  },
  {
    name: "a reader follows over a stop of the server, and a start",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      const states: string[] = [];
      let opened = () => {};
      const open = new Promise<void>((resolve) => (opened = resolve));
      const onConnection = (state: string) => {
        states.push(state);
        opened();
      };
      const watching = until(conversation.events({ onConnection }), ended);
      await open;
      await world.restart("SIGTERM");
      await world.expect({ text: ["after"] });
      equal((await conversation.run("hi")).reply, "after");
      const got = seqs(await watching);
      equal(got, rising(got), "numbers");
      equal(states, ["open", "lost", "open"]);
    },
  },
  {
    name: "a connection on which nothing comes is taken for dead",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      const states: string[] = [];
      const onConnection = (state: string) => {
        states.push(state);
        if (states.length === 3) void conversation.patch({ title: "a sign of life" });
      };
      const events = conversation.events({ after: "latest", quiet: 0.3, onConnection });
      await until(events, ({ type }) => type === "conversation/updated");
      equal(states.slice(0, 3), ["open", "lost", "open"]);
    },
  },
  {
    name: "a reader whose number means nothing is told to begin anew",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      await world.expect({ text: ["yes"] });
      await conversation.run("hi");
      const { head } = await conversation.get();
      for (const [options, reason] of [
        [{ after: head + 1000 }, "ahead"],
        [{ after: 1, log: "another" }, "other_log"],
      ] as const) {
        const events = conversation.events(options);
        const [reset] = await until(events, ({ type }) => type === "feed/reset");
        ok(reset instanceof Reset, "it is a reset");
        equal([reset.reason, reset.seq], [reason, head]);
        equal([reset.snapshot.items.length, events.seq], [2, head]);
      }
    },
  },
  {
    name: "a reader leaves at once: by break, by close, by its signal",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      const reader = conversation.events();
      for await (const event of reader) {
        ok(event.seq, "it has a number");
        break;
      }
      const closed = conversation.events({ after: "latest" });
      const pending = closed[Symbol.asyncIterator]().next();
      await closed.ready();
      closed.close();
      equal(await pending, { done: true, value: undefined });
      const leaving = new AbortController();
      const aborted = conversation.events({ after: "latest", signal: leaving.signal });
      const waiting = aborted[Symbol.asyncIterator]().next();
      await aborted.ready();
      leaving.abort(new RangeError("enough"));
      await fails(RangeError, () => waiting);
    },
  },
  {
    name: "what the core asks is answered",
    run: async (world) => {
      const client = clientOf(world);
      const conversation = await client.create(world.setting.project);
      await world.expect({ command: "touch ../beside.txt", escalate: true });
      await world.expect({ text: ["so be it"] });
      const turn = conversation.stream("go");
      for await (const { type, data } of turn) {
        if (type !== "approval/requested") continue;
        const approval = await conversation.approval(data.approval_id);
        const offered = approval.decisions.map(({ id }) => id);
        ok(offered.includes("accept") && offered.includes("decline"), `offered: ${offered}`);
        const pending: string[] = [];
        for await (const each of client.approvals()) pending.push(each.approval_id);
        equal(pending, [approval.approval_id]);
        const answered = await conversation.answer(approval.approval_id, "decline");
        equal(answered.resolution?.decision, "decline");
      }
      equal(turn.outcome, "completed");
    },
  },
  {
    name: "events end when the conversation is deleted",
    run: async (world) => {
      const conversation = await clientOf(world).create(world.setting.project);
      const events = conversation.events();
      const types: string[] = [];
      for await (const { type } of events) {
        if (types.push(type) === 1) await conversation.delete();
      }
      equal(types.at(-1), "conversation/deleted");
      const again = conversation.events({ after: 0, log: events.logId });
      await fails(NotFound, () => again[Symbol.asyncIterator]().next());
    },
  },
  {
    name: "one stream has the events of all conversations, and of the account",
    run: async (world) => {
      const client = clientOf(world);
      const everything = client.events({ after: "latest" });
      await everything.ready();
      const made = [await client.create(world.setting.project), await client.create(world.setting.project)];
      for (const conversation of made) {
        await world.expect({ text: ["yes"] });
        await conversation.run("hi");
      }
      const last = made.at(-1)?.id;
      const isLast = (event: Event) => ended(event) && event.conversation_id === last;
      const got = await until(everything, isLast);
      for (const { id } of made) {
        const of = got.filter(({ conversation_id }) => conversation_id === id);
        equal(seqs(of), rising(seqs(of)), "numbers");
        equal(of[0]?.type, "thread/started");
      }
      const wanted = { after: got[0]?.position ?? "", log: everything.logId, conversation: [last ?? ""] };
      const again = await until(client.events(wanted), isLast);
      equal(again.map(({ position }) => position), got.flatMap((each) => (each.conversation_id === last && each !== got[0] ? [each.position] : [])));
      const reset = client.events({ after: "not-9999999", log: "another" });
      equal((await until(reset, () => true))[0]?.type, "feed/reset");
    },
  },
];
