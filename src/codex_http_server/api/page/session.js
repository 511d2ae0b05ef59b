// How this page came in, and what it may do. The code in the address (`#code=…`, from
// `codex-http-server open`) leaves it before anything else happens, and becomes a cookie.

import { Problem, call } from "./api.js";
import { $, showProblem } from "./dom.js";

const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1] ?? null;
if (code) history.replaceState(null, "", location.pathname + location.search);

const LOOSE = "danger-full-access";

/** Use the code up if there is one, and ask what this page may do; false if it may do nothing. */
export async function enter() {
  let session = null;
  try {
    if (code) await call("POST", "/session", { code });
    session = await call("GET", "/session");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showProblem($("access"), problem);
    session ??= await call("GET", "/session").catch(() => null);
  }
  if (!session) return true; // the server is away: the header says so
  drawRights(session.scopes);
  if (session.scopes.includes("read")) return true;
  showProblem($("access"), {
    title: "This server wants to know who you are",
    detail: "This page has no right to look at anything here.",
    hint: "On the server's machine run: codex-http-server open",
  });
  return false;
}

/** What the page may not do is there, disabled, with the reason. */
function drawRights(scopes) {
  const may = scopes.includes("elevate");
  const option = $("sandbox").querySelector(`option[value="${LOOSE}"]`);
  option.disabled = !may;
  $("sandbox-hint").hidden = may;
}
