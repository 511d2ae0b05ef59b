"""What a page may in a real Electron app, and what others may not."""

from __future__ import annotations

import json

import pytest

from tests.support.commands import until
from tests.support.electron import App, Page
from tests.support.server import Site

pytestmark = [pytest.mark.core, pytest.mark.timeout(180)]

CALLS = {
    *("checkHealth", "getAuthStatus", "login", "logout", "createConversation"),
    *("listConversations", "getConversation", "sendMessage", "interrupt", "answerApproval"),
    *("getKey", "getState", "start", "pickFolder", "showLog", "onEvent", "onState", "onOpen"),
}


def test_the_page_has_the_named_functions_and_nothing_else(shared: App) -> None:
    has = "() => [typeof require, typeof process, typeof module, Object.keys(codex)]"
    *others, names = shared.page.evaluate(has)
    assert others == ["undefined"] * 3
    assert set(names) == CALLS
    assert shared.page.evaluate("() => codex.checkHealth().then(({ status }) => status)") == "ok"


@pytest.mark.electron
def test_links_leave_by_the_systems_browser_and_the_window_stays(shared: App) -> None:
    shared.main(
        "({ shell }) => { shell.openExternal = async (url) => void (globalThis.opened = url); }"
    )
    opened = "() => globalThis.opened"
    shared.page("click", "#out")
    until(lambda: shared.main(opened) == "https://example.com/docs", "it is opened")
    shared.page.evaluate("() => document.querySelector('#away').click()")
    shared.page.evaluate("() => { location.href = 'https://example.com/'; }")
    shared.page.evaluate("() => { window.open('file:///etc/passwd'); }")
    assert shared.page.evaluate("() => location.href") == "codex://app/"
    assert shared.do("windows") == ["codex://app/"]
    assert shared.main(opened) == "https://example.com/docs"


WRONG = [
    ("sendMessage", ["../x", "hi"], "id is not right"),
    ("sendMessage", ["x", ""], "text is not right"),
    ("sendMessage", ["x", "hi", [1]], "options is not right"),
    ("createConversation", [None], "workingDirectory is not right"),
    ("interrupt", ["x", "y"], "takes 1 arguments"),
]


@pytest.mark.parametrize(("name", "args", "says"), WRONG)
def test_arguments_are_looked_at(shared: App, name: str, args: list[object], says: str) -> None:
    call = "([name, args]) => codex[name](...args).then(() => null, ({ message }) => message)"
    assert says in shared.page.evaluate(call, [name, args])


def test_a_refusal_keeps_its_code(shared: App) -> None:
    error = shared.page.evaluate(
        "() => codex.createConversation('/no/such').catch((error) => error)"
    )
    assert error["code"] == "invalid_working_directory"
    assert (error["name"], error["status"]) == ("Invalid", 422)


def test_a_foreign_page_gets_nothing(shared: App, foreign: str, shared_site: Site) -> None:
    shared.main(
        """({ BrowserWindow }, url) => {
             const window = new BrowserWindow({ webPreferences: codex.webPreferences });
             return window.loadURL(url);
        }""",
        foreign,
    )
    page = shared.window(1)
    asked = page.evaluate("() => codex.checkHealth().catch(({ message }) => message)")
    assert asked == "This page may not use Codex."
    body = json.dumps({"working_directory": str(shared_site.project)})
    tried = """async ([url, body]) => {
      const headers = { "Content-Type": "application/json" };
      const tries = [fetch(url), fetch(url, { method: "POST", headers, body }),
        fetch(url, { method: "POST", body, mode: "no-cors" })];
      const ends = await Promise.allSettled(tries);
      return ends.map(({ value }) => value?.status ?? 0);
    }"""
    # Electron 25 answers other origins too; newer ones refuse before we are asked.
    assert set(page.evaluate(tried, [f"{address(shared)}api/conversations", body])) <= {401, 0}
    assert "not use" in page.evaluate("() => codex.getKey().catch(({ message }) => message)")
    assert shared.page.evaluate("() => api('/conversations')")["body"]["data"] == []


def address(app: App) -> str:
    """Where the app's page is: of its own scheme, or where that is served in Electron's place."""
    return app.page.evaluate("() => location.href")


def opened(app: App, url: str) -> Page:
    """A further window, in which frames have the preload script too."""
    number = len(app.do("windows"))
    app.main(
        """({ BrowserWindow }, url) => {
             const webPreferences = { ...codex.webPreferences, nodeIntegrationInSubFrames: true };
             const window = new BrowserWindow({ webPreferences });
             return window.loadURL(url);
        }""",
        url,
    )
    return app.window(number)


def test_frames_get_nothing(shared: App, foreign: str) -> None:
    asked = """async (url) => {
      const frame = document.createElement("iframe");
      const there = new Promise((resolve) => frame.addEventListener("load", resolve));
      if (url) frame.src = url;
      else frame.srcdoc = "<p>A frame within.";
      document.body.append(frame); // only now: an empty one would be loaded first
      await there;
      try {
        const { codex } = frame.contentWindow; // throws where it is of another origin
        if (!codex) return "nothing";
        const calls = [codex.checkHealth(), codex.getKey()];
        return (await Promise.allSettled(calls)).map(({ reason }) => reason?.message);
      } catch (error) {
        return error.name;
      }
    }"""
    own = opened(shared, "codex://app/")
    assert own.evaluate(asked, "") == ["This page may not use Codex."] * 2
    other = opened(shared, foreign)
    assert other.evaluate(asked, "") == ["This page may not use Codex."] * 2
    # And it can't show the app's page within itself.
    assert other.evaluate(asked, address(shared)) == "SecurityError"


@pytest.mark.electron
def test_permissions_are_few(shared: App) -> None:
    asked = """async (names) => {
      const states = names.map(async (name) => (await navigator.permissions.query({ name })).state);
      return Promise.all(states);
    }"""
    names = ["notifications", "geolocation", "camera", "midi"]
    assert shared.page.evaluate(asked, names) == ["granted", "denied", "denied", "denied"]
