// The page: which conversation is open (`#<id>` in the address), its stream, and the header.

import { enter } from "./session.js"; // first: it takes the code out of the address
import { Problem, call, follow, retrying } from "./api.js";
import { Composer } from "./composer.js";
import { $, el, setText, showProblem } from "./dom.js";
import { Header } from "./header.js";
import { ConversationList } from "./list.js";
import { inputText } from "./items.js";
import { RawLog, drawCurl } from "./raw.js";
import { addApprovals, addEarlier, apply, fromSnapshot, hasMessage, newChanges, running } from "./state.js";
import { View } from "./view.js";

const LOOK = 5000; // ms between looks at /health
const KEPT_EVENTS = 300; // older events put into the raw list when a conversation is opened

const page = {
  id: null, // of the open conversation
  state: null,
  view: null,
  startedAt: 0, // of the running turn
};
let stop = () => {}; // ends the present stream
let inbox = [];
let drawing = false;
let visit = 0; // rises with each opening: answers that come too late are dropped

// The demo's model provider needs no login, and its project is in a folder of this name.
const inDemo = () => {
  const folders = [$("directory").value, ...list.all().map((each) => each.working_directory)];
  return folders.some((path) => /[\\/]codex-demo-/.test(path));
};
const header = new Header(inDemo);
const raw = new RawLog($("events"), $("events-note"));
const list = new ConversationList(() => page.id);
const composer = new Composer({
  conversation: () => page.id,
  created(conversation) {
    list.refresh();
    location.hash = conversation.id;
    return open(conversation.id);
  },
  seen: (submitId) => !page.state || hasMessage(page.state, submitId),
  problem: (problem) => showProblem($("send-problem"), problem),
});

// --- which conversation ---------------------------------------------------------------------

const wanted = () => /^#([\w-]{8,})$/.exec(location.hash)?.[1] ?? null;

addEventListener("hashchange", () => {
  if (wanted() !== page.id) open(wanted());
});
$("new").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState(null, "", location.pathname + location.search);
  open(null);
});

async function open(id) {
  const mine = ++visit;
  stop();
  inbox = [];
  Object.assign(page, { id, state: null, view: null });
  showList(false);
  showProblem($("talk-problem"), null);
  showProblem($("send-problem"), null);
  $("turns").replaceChildren();
  $("earlier").hidden = true;
  $("talk-head").hidden = true;
  $("start").hidden = id !== null;
  raw.reset();
  drawRaw();
  header.setStream(id === null ? "idle" : "connecting");
  list.mark();
  composer.reset();
  drawRunning();
  if (id === null) {
    document.title = "codex-http-server";
    drawChips();
    return;
  }
  drawCurl(id);
  $("loading").hidden = false;
  try {
    await paint(id, mine);
  } catch (problem) {
    if (mine !== visit) return;
    if (!(problem instanceof Problem)) throw problem;
    header.setStream("closed");
    showProblem($("talk-problem"), problem);
  } finally {
    if (mine === visit) $("loading").hidden = true;
  }
}

/** First paint from the snapshot, then the stream from its seq. */
async function paint(id, mine) {
  const path = `/conversations/${encodeURIComponent(id)}?include=snapshot`;
  const again = () => mine === visit && header.setStream("reconnecting");
  const snapshot = await retrying("GET", path, undefined, undefined, again);
  if (mine !== visit) return;
  page.state = fromSnapshot(snapshot);
  page.view = new View($("turns"), page.state.conversation.working_directory);
  page.view.drawAll(page.state);
  if (page.state.core) header.setCore(page.state.core);
  drawHead();
  drawRunning();
  drawChips();
  composer.drawQueue(page.state.queue);
  toEnd();
  await readKept(id, page.state.seq, mine);
  if (mine !== visit) return;
  listen(mine);
}

function listen(mine) {
  stop();
  stop = follow(page.id, page.state.seq, page.state.logId, {
    onEvent: (text) => mine === visit && take(text),
    onState(state) {
      if (mine !== visit) return;
      const lost = state === "reconnecting" && header.stream === "connected";
      header.setStream(state);
      if (lost) look();
    },
    onGone: () => mine === visit && setTimeout(() => mine === visit && reload(), 1000),
  });
}

/** Put the newest events that are kept into the raw list, under the numbers they have. */
async function readKept(id, head, mine) {
  const found = [];
  let after = Math.max(0, head - KEPT_EVENTS);
  try {
    for (let round = 0; round < 10 && after < head; round += 1) {
      const answer = await call("GET", `/conversations/${encodeURIComponent(id)}/events?after=${after}`);
      if (mine !== visit) return;
      found.push(...answer.data.filter((event) => event.seq <= head));
      if (!answer.data.length || answer.next_after <= after) break;
      after = answer.next_after;
    }
  } catch {
    return; // the list of events then starts with what comes now
  }
  addApprovals(page.state, found);
  for (const turn of page.state.turns.values()) page.view.drawTurn(turn);
  raw.reset();
  raw.add(found.map((event) => [event, JSON.stringify(event)]));
}

/** Read the snapshot again: after a feed/reset, or when EventSource gave up. */
async function reload() {
  stop();
  const mine = ++visit;
  inbox = [];
  header.setStream("reconnecting");
  try {
    await paint(page.id, mine);
  } catch (problem) {
    if (mine !== visit) return;
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 0 || problem.status >= 500) setTimeout(() => mine === visit && reload(), 5000);
    else {
      header.setStream("closed");
      showProblem($("talk-problem"), problem);
    }
  }
}

// --- events, drawn once for each frame --------------------------------------------------------

function take(text) {
  inbox.push(text);
  if (drawing) return;
  drawing = true;
  const once = () => drawing && draw();
  requestAnimationFrame(once);
  setTimeout(once, 250); // a page in the background gets no frames
}

function draw() {
  drawing = false;
  if (!page.state) return;
  const low = atEnd();
  const changes = newChanges();
  const events = inbox.map((text) => [JSON.parse(text), text]);
  inbox = [];
  for (const [event] of events) apply(page.state, event, changes);
  raw.add(events);
  page.view.draw(changes);
  if (changes.parts.has("head") || changes.parts.has("list")) drawHead();
  if (changes.parts.has("running")) drawRunning();
  if (changes.parts.has("queue")) {
    composer.drawQueue(page.state.queue);
    if (page.state.queueError) {
      showProblem($("send-problem"), { title: "A waiting message was not sent", detail: page.state.queueError });
      page.state.queueError = null;
    }
  }
  if (changes.parts.has("core")) header.setCore(page.state.core);
  if (changes.parts.has("list")) list.refresh();
  if (changes.parts.has("auth")) header.lookAtLogin().then(drawChips);
  composer.settle();
  if (changes.items.size) $("chips").hidden = true;
  if (changes.finished.length) $("announce").textContent = changes.finished.join("\n");
  if (low) toEnd();
  else if (changes.items.size) $("newest").hidden = false;
  if (changes.parts.has("reload")) reload();
}

// --- scrolling --------------------------------------------------------------------------------

const scroll = $("scroll");
const atEnd = () => scroll.scrollTop + scroll.clientHeight >= scroll.scrollHeight - 40;
const toEnd = () => (scroll.scrollTop = scroll.scrollHeight);
scroll.addEventListener("scroll", () => atEnd() && ($("newest").hidden = true), { passive: true });
$("newest").addEventListener("click", toEnd);

$("turns").addEventListener("click", (event) => {
  const fold = event.target.closest("summary")?.parentElement;
  if (fold) requestAnimationFrame(() => fold.scrollIntoView({ block: "nearest" }));
});

$("earlier").addEventListener("click", async () => {
  const { id, state } = page;
  try {
    const path = `/conversations/${encodeURIComponent(id)}/items?before=${state.firstItem}&limit=100`;
    const answer = await call("GET", path);
    if (page.state !== state) return;
    const views = [...answer.data].sort((one, other) => one.seq - other.seq);
    addEarlier(state, views, answer.items_before ?? Math.max(0, state.itemsBefore - views.length));
    const below = scroll.scrollHeight - scroll.scrollTop;
    page.view.drawAll(state);
    drawHead();
    scroll.scrollTop = scroll.scrollHeight - below;
  } catch (problem) {
    showProblem($("talk-problem"), problem);
  }
});

// --- what is around the messages --------------------------------------------------------------

function drawHead() {
  const { conversation, usage, itemsBefore } = page.state;
  const title = conversation.title || conversation.preview || firstMessage(page.state) || "New conversation";
  $("talk-head").hidden = false;
  setText($("title"), title);
  document.title = `${title.slice(0, 60)} – codex-http-server`;
  const tokens = usage?.total?.totalTokens;
  const facts = [
    conversation.working_directory,
    conversation.model,
    conversation.sandbox && `sandbox: ${conversation.sandbox}`,
    typeof conversation.approval_policy === "string" && `approvals: ${conversation.approval_policy}`,
    typeof tokens === "number" && `${tokens.toLocaleString("en")} tokens`,
  ];
  $("facts").replaceChildren(...facts.filter(Boolean).map((fact) => el("span", "", fact)));
  $("earlier").hidden = itemsBefore === 0;
  setText($("earlier"), `Show earlier items (${itemsBefore})`);
}

function firstMessage(state) {
  for (const turn of state.turns.values())
    for (const { type, item } of turn.items.values()) if (type === "userMessage") return inputText(item.content);
  return null;
}

function drawRunning() {
  const turn = page.state && running(page.state);
  composer.setBusy(Boolean(turn));
  $("working").hidden = !turn;
  if (!turn) return;
  const started = turn.turn?.startedAt; // in seconds, as the core gives it
  page.startedAt = typeof started === "number" ? started * 1000 : Date.now();
  tick();
}

function tick() {
  if ($("working").hidden) return;
  const seconds = Math.max(0, Math.floor((Date.now() - page.startedAt) / 1000));
  setText($("working-text"), `Codex is working, ${seconds} s`);
}
setInterval(tick, 1000);

const EXAMPLES = ["show me what you can do", "list the files", "create a file notes.txt with some text", "run echo hello"];

function drawChips() {
  const empty = !page.state || page.state.turns.size === 0;
  $("chips").hidden = !(header.demo && empty && (page.id === null || page.state));
}
for (const example of EXAMPLES) {
  const chip = el("button", "chip", example);
  chip.type = "button";
  chip.addEventListener("click", () => composer.submit(example));
  $("chip-list").append(chip);
}

// --- panels -----------------------------------------------------------------------------------

let rawWanted = matchMedia("(min-width: 1100px)").matches;
function drawRaw() {
  const on = rawWanted && page.id !== null;
  $("raw").hidden = !on;
  $("raw-toggle").hidden = page.id === null;
  $("raw-toggle").setAttribute("aria-expanded", String(on));
  $("columns").classList.toggle("with-raw", on);
}
function showList(on) {
  $("list").classList.toggle("shown", on);
  $("list-toggle").setAttribute("aria-expanded", String(on));
}
$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address's fragment names the conversation
  $("message").focus();
});
$("raw-toggle").addEventListener("click", () => {
  rawWanted = !rawWanted;
  drawRaw();
  raw.toEnd();
});
$("list-toggle").addEventListener("click", () => showList(!$("list").classList.contains("shown")));

// --- start ------------------------------------------------------------------------------------

const asked = new URLSearchParams(location.search).get("working_directory");
$("directory").value = asked ?? "";
$("curl").open = rawWanted; // where there is room
if (!(await enter())) await new Promise(() => {}); // nothing to show: how to come in stands there
await Promise.all([header.look(), list.refresh()]);
header.lookAtLogin().then(drawChips);
if (wanted() !== null || asked) open(wanted());
else open(list.newest()?.id ?? null);

async function look() {
  const back = await header.look();
  // It was away and the stream noticed nothing: a half-open connection. A new one resumes.
  if (back && page.state && header.stream === "connected") listen(visit);
}
setInterval(() => document.hidden || look(), LOOK);
setInterval(() => document.hidden || list.refresh(), 4 * LOOK);
setInterval(() => document.hidden || header.lookAtLogin().then(drawChips), 6 * LOOK);
