/** What stands above the app, in words: the app itself may be what is missing. */

/** In the fields of application/problem+json. */
export interface Told {
  readonly title: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly code?: string;
}

export const UNREACHABLE: Told = {
  title: "The server can't be reached",
  detail: `No answer from ${location.origin}.`,
  hint: "Is codex-http-server still running?",
};
export const UNLOADABLE: Told = {
  title: "The page could not be loaded",
  detail: "A part of it did not come.",
  hint: "Is codex-http-server still running? Then load the page again.",
};

/** Tell it, in place of what was told before; nothing where it is null. */
export function tell(told: Told | null): void {
  const box = document.getElementById("access");
  if (!box) return;
  box.replaceChildren();
  if (told) box.append(drawn(told));
}

function drawn({ title, detail, hint, code }: Told): HTMLElement {
  const box = document.createElement("div");
  box.className = "told";
  box.setAttribute("role", "alert");
  const lines = [detail, hint, code && `code: ${code}`].filter((line) => line);
  box.append(element("strong", title), ...lines.map((line) => element("p", line ?? "")));
  return box;
}

/** Texts only ever enter as text. */
function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
