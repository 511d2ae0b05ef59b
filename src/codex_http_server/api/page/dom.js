// Small helpers for building nodes. Data only ever enters the page as text.

export const $ = (id) => document.getElementById(id);

/** An element: `el("p", "hint", "text", node, …)`; the class may be empty. */
export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** A button that calls `act`. */
export function button(label, className, act) {
  const node = el("button", className, label);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** Set a text only where it differs, so that nothing is redrawn for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Show an error (see `Problem` in api.js) in `box`; nothing when it is null. */
export function showProblem(box, problem) {
  if (!problem) {
    box.replaceChildren();
    return;
  }
  const node = el("div", "problem");
  node.setAttribute("role", "alert");
  node.append(el("strong", "", problem.title));
  const fields = problem.errors ?? [];
  if (problem.detail && problem.detail !== problem.title) node.append(el("p", "", problem.detail));
  if (fields.length) {
    const rows = fields.map((each) => el("li", "", el("code", "", String(each.field)), ` ${each.message}`));
    node.append(el("ul", "", ...rows));
  }
  if (problem.hint) node.append(el("p", "", problem.hint));
  if (problem.code) node.append(el("p", "code", `code: ${problem.code}`));
  box.replaceChildren(node);
}

/** Copy text; says on the button whether that worked. */
export async function copy(text, on, source) {
  const label = "Copy";
  try {
    await navigator.clipboard.writeText(text);
    on.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    on.textContent = "Selected";
  }
  setTimeout(() => (on.textContent = label), 1500);
}
