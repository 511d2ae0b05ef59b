// A question of the core in the page: what is asked, the buttons that the core offers, its end.

import { Problem } from "./api.js";
import { button, el, showProblem } from "./dom.js";
import { diffLines } from "./items.js";

const ASKED = {
  command: "to run a command",
  file_change: "to change files",
  permissions: "for permissions",
  question: "a question",
  elicitation: "something for an MCP server",
  tool_call: "for a tool's result",
};
const LABELS = {
  accept: "Accept",
  approved: "Accept",
  acceptForSession: "Accept for the session",
  approved_for_session: "Accept for the session",
  acceptAlways: "Accept always",
  decline: "Decline",
  denied: "Decline",
  cancel: "Cancel",
  abort: "Cancel",
  answer: "Answer",
  result: "Send the result",
};
const LACKING = "This page may not: it needs a token with the scope elevate.";

/** Make the node of an approval: `{node, draw(approval)}`. `answer(id, body)` sends a decision. */
export function makeApproval(answer) {
  const node = el("article", "item approval");
  let drawn = null;
  return {
    node,
    draw(approval) {
      const now = JSON.stringify([approval.asked, approval.ended]);
      if (now === drawn) return; // what was typed stays
      drawn = now;
      node.replaceChildren(...told(approval), ...(approval.ended ? [outcome(approval.ended)] : answers(approval, answer)));
    },
  };
}

function told({ asked }) {
  const request = asked.request ?? {};
  const head = `Codex asked ${ASKED[asked.kind] ?? `for approval (${asked.kind ?? "unknown"})`}`;
  const parts = [el("p", "", el("strong", "", head))];
  if (request.command) parts.push(el("pre", "", String(request.command)));
  if (request.permissions) parts.push(el("pre", "", JSON.stringify(request.permissions, null, 2)));
  if (asked.kind === "tool_call") parts.push(el("pre", "", `${request.tool} ${JSON.stringify(request.arguments)}`));
  for (const text of [request.reason, request.message, request.url]) if (text) parts.push(el("p", "", String(text)));
  if (request.grantRoot) parts.push(el("p", "", `It asks to write anywhere below ${request.grantRoot}.`));
  if (asked.diff) parts.push(diffLines(asked.diff.replace(/\n$/, "").split("\n")));
  return parts;
}

// --- while it waits ---------------------------------------------------------------------------

function answers({ id, asked }, answer) {
  const decisions = asked.decisions ?? [];
  if (!decisions.length) return [el("p", "outcome", "waiting for an answer")];
  const problem = el("div", "");
  const form = fields(asked.kind, asked.request ?? {}, decisions);
  const row = el("div", "decisions");
  const press = async (decision) => {
    const nodes = [...row.children];
    const off = nodes.map((each) => each.disabled);
    nodes.forEach((each) => (each.disabled = true));
    showProblem(problem, null);
    try {
      await answer(id, { decision: decision.id, ...(decision.takes ? { [decision.takes]: form.read() } : {}) });
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showProblem(problem, error);
      nodes.forEach((each, index) => (each.disabled = off[index]));
    }
  };
  for (const decision of decisions) {
    const node = button(label(decision), "decision", () => press(decision));
    node.dataset.decision = decision.id;
    if (decision.needs === "elevate") Object.assign(node, { disabled: true, title: LACKING });
    row.append(node);
  }
  const until = asked.deadline_at ? `declined at ${new Date(asked.deadline_at).toLocaleTimeString()} if nobody answers` : "waits for an answer";
  return [...form.nodes, row, problem, el("p", "outcome", until)];
}

function label({ id, answer }) {
  if (LABELS[id]) return LABELS[id];
  const amendment = answer?.decision?.acceptWithExecpolicyAmendment?.execpolicy_amendment;
  if (Array.isArray(amendment)) return `Accept, and from now on without asking: ${amendment.join(" ")}`;
  const rule = answer?.decision?.applyNetworkPolicyAmendment?.network_policy_amendment;
  return rule ? `From now on ${rule.action} ${rule.host}` : id;
}

/** What is typed or chosen beside the buttons: its nodes, and `read()` for the answer. */
function fields(kind, request, decisions) {
  if (!decisions.some((each) => each.takes)) return { nodes: [] };
  if (kind === "question") return questions(request.questions ?? []);
  if (kind === "elicitation") return schemaForm(request.requestedSchema ?? {});
  const text = input("textarea", "Result");
  return { nodes: [labelled("Result", text)], read: () => text.value };
}

let made = 0; // radio buttons of one question share a name, which no other question has

function questions(asked) {
  const readers = {};
  const nodes = asked.map((question) => {
    const group = el("fieldset", "", el("legend", "", question.question));
    const name = `question-${(made += 1)}`;
    const text = input("input", question.question);
    if (question.isSecret) Object.assign(text, { type: "password", autocomplete: "off" });
    const radios = (question.options ?? []).map((option) => {
      const radio = Object.assign(el("input", ""), { type: "radio", name, value: option.label });
      group.append(el("label", "option", radio, ` ${option.label}`, el("span", "hint", ` ${option.description ?? ""}`)));
      return radio;
    });
    if (!radios.length || question.isOther) group.append(radios.length ? labelled("Or", text) : text);
    readers[question.id] = () => text.value || radios.find((each) => each.checked)?.value;
    return group;
  });
  const read = () => Object.fromEntries(Object.entries(readers).flatMap(([id, each]) => (each() ? [[id, [each()]]] : [])));
  return { nodes, read };
}

/** The form of an MCP server. What has no simple field here is typed as JSON. */
function schemaForm(schema) {
  const readers = {};
  const nodes = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const [node, read] = schemaField(field, field.title ?? name);
    readers[name] = read;
    const label = labelled(field.title ?? name, node);
    if (field.description) label.append(el("span", "hint", field.description));
    return label;
  });
  const read = () => Object.fromEntries(Object.entries(readers).map(([name, each]) => [name, each()]).filter(([, value]) => value !== undefined));
  return { nodes, read };
}

function schemaField(field, name) {
  if (field.type === "boolean") {
    const node = Object.assign(input("input", name), { type: "checkbox", checked: field.default === true });
    return [node, () => node.checked];
  }
  const options = field.enum ?? field.oneOf?.map((each) => each.const);
  if (options) {
    const node = input("select", name);
    for (const option of options) node.append(el("option", "", option));
    return [node, () => node.value];
  }
  const node = Object.assign(input("input", name), { value: field.default ?? "" });
  if (field.type === "string") return [node, () => node.value || undefined];
  if (field.type === "number" || field.type === "integer") {
    node.type = "number";
    node.step = field.type === "integer" ? "1" : "any";
    return [node, () => (node.value === "" ? undefined : Number(node.value))];
  }
  return [node, () => (node.value ? node.value.split(",").map((each) => each.trim()) : undefined)];
}

function input(tag, name) {
  const node = el(tag, "");
  node.setAttribute("aria-label", name);
  return node;
}

const labelled = (text, node) => el("label", "field", `${text} `, node);

// --- its end ----------------------------------------------------------------------------------

const REASONS = {
  answered_elsewhere: "answered by another client of Codex",
  while_not_connected: "answered by another client of Codex",
  interrupted: "no answer: the turn was interrupted",
  turn_ended: "no answer: the turn has ended",
  core_lost: "no answer: the Codex core stopped",
  server_stopped: "no answer: the server was stopped",
  unknown_method: "declined by the server, which does not know this question",
  no_conversation: "declined by the server: nobody could be asked",
};
const DONE = {
  accept: "accepted", approved: "accepted", acceptForSession: "accepted for the session",
  approved_for_session: "accepted for the session", acceptAlways: "accepted always",
  decline: "declined", denied: "declined", cancel: "cancelled", abort: "cancelled", answer: "answered", result: "answered",
};

function outcome({ by, reason, decision }) {
  const said = DONE[decision] ?? decision ?? "ended";
  const words = REASONS[reason] ?? (reason === "expired" ? `${said}: nobody answered in time` : `${said} by ${by}`);
  return el("p", "outcome", words);
}
