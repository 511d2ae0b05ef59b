"""A real Electron for tests, on a screen of its own, driven with Playwright.

The Python half of Playwright can't drive Electron; its other half, which comes in the same package,
can (driver.py). Where no Electron can be had, Chromium and Node stand in for it
(desktop/test/without-electron.mjs).
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from tests.support.chromium import CHROMIUM
from tests.support.driver import Driver
from tests.support.server import Site, core_record
from tests.support.typescript import NODE, PACKAGE, run

Json = Any
DESKTOP = PACKAGE.parents[1] / "desktop"
FOLDER = DESKTOP / ".electron"
SERVE = NODE.parent / "codex-http-server"
SMALL = Path(__file__).parents[1] / "electron" / "app"
FETCH = 320.0  # seconds for the download
_NUMBERS = itertools.count()  # of the apps


def find_electron() -> tuple[Path | None, str]:
    """Its program, fetched where it is not there yet; else None and why there is none.

    `CODEX_ELECTRON` names another one; `none` does without.
    """
    given = os.environ.get("CODEX_ELECTRON")
    if given == "none":
        return None, "CODEX_ELECTRON says so"
    if given:
        return Path(given), ""
    if shutil.which("Xvfb") is None:
        return None, "there is no Xvfb here"
    with (Path(tempfile.gettempdir()) / "codex-http-server-tests.electron").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers: one download
        command = [str(NODE), str(DESKTOP / "test" / "get-electron.mjs"), str(FOLDER)]
        path = f"{NODE.parent}:{os.environ['PATH']}"  # its npm
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=FETCH,
            check=False,
            env=os.environ | {"PATH": path},
        )
    if done.returncode != 0:
        return None, f"it could not be fetched: {done.stderr.strip().splitlines()[-1:]}"
    return Path(done.stdout.strip()), ""


@dataclass(frozen=True)
class Host:
    """What apps run on."""

    driver: Driver
    program: Path  # Electron, or else Chromium
    display: str | None  # of Electron
    instead: str = ""  # why it is not Electron


@contextmanager
def host() -> Iterator[Host | str]:
    """Electron, or else what stands in for it, or else why there is neither."""
    program, why = find_electron()
    if program is not None:
        with screen() as display, Driver() as driver:
            yield Host(driver, program, display)
    elif CHROMIUM is not None:
        with Driver() as driver:
            yield Host(driver, Path(CHROMIUM), None, why)
    else:
        yield f"{why}, and there is no Chromium to stand in"


@contextmanager
def screen() -> Iterator[str]:
    """A screen of our own; the value for DISPLAY."""
    told, tell = os.pipe()
    command = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1280x800x24", "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=[tell], stderr=subprocess.DEVNULL)
    os.close(tell)
    try:
        with os.fdopen(told) as numbers:
            yield f":{numbers.readline().strip()}"
    finally:
        process.terminate()
        process.wait(5)


class Page:
    """The methods of Playwright's Page, under its own names, of one window."""

    def __init__(self, app: App, window: int) -> None:
        self._app, self._window = app, window

    def evaluate(self, function: str, *args: Json) -> Json:
        """Run a function in the page."""
        return self("evaluate", function, *args)

    def wait(self, expression: str, timeout: float = 30.0) -> None:
        """Wait until an expression of the page holds."""
        self._app.do("until", source=expression, window=self._window, limit=timeout * 1000)

    def __call__(self, method: str, *args: Json) -> Json:
        """Any other of them."""
        return self._app.do("page", method=method, args=args, window=self._window)


class App:
    """One running app. Use with `with`; at the end it is killed, if it still runs."""

    def __init__(self, host: Host, app: Path, site: Site, environment: Mapping[str, str]) -> None:
        self._driver, self._number = host.driver, next(_NUMBERS)
        data = site.root / "electron"
        # Chromium puts a socket there, whose path may have 107 bytes, and dies where it has more.
        self._temporary = tempfile.TemporaryDirectory(prefix="el-", ignore_cleanup_errors=True)
        defaults = {
            "TMPDIR": self._temporary.name,
            "CODEX_CLIENT": str(PACKAGE / "dist" / "electron" / "main.cjs"),
            "CODEX_SERVER_COMMAND": str(SERVE),
        }
        self.arguments = ["--no-sandbox", "--disable-gpu", str(app), f"--user-data-dir={data}"]
        if host.display:
            defaults["DISPLAY"] = host.display
        self.environment = site.environment() | defaults | dict(environment)
        options = {
            "executablePath": str(host.program),
            "args": self.arguments,
            "env": self.environment,
            "cwd": str(site.root),
        }
        self.process = psutil.Process(self.do("launch", options=options, standIn=not host.display))
        self.page = Page(self, 0)

    def do(self, what: str, **arguments: Json) -> Json:
        """Have the driver do something; what comes of it. `limit`: milliseconds it may wait."""
        return self._driver.do(what, app=self._number, **arguments)

    def main(self, function: str, *args: Json) -> Json:
        """Run a function (electron, ...args) in the main process."""
        return self.do("main", source=function, args=args)

    def window(self, number: int) -> Page:
        """One of its windows."""
        return Page(self, number)

    def children(self) -> list[psutil.Process]:
        """All processes below the app."""
        return self.process.children(recursive=True)

    def close(self) -> None:
        """Kill what still runs."""
        if self.process.is_running():
            self.process.kill()
        self.process.wait(5)
        self._temporary.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


# --- with the page of the small app ----------------------------------------------------------


def shows(app: App, text: str, where: str = "state", timeout: float = 30.0) -> None:
    """Wait until the page shows a text."""
    found = f"document.querySelector('#{where}').textContent.includes({json.dumps(text)})"
    app.page.wait(found, timeout)


def conversation(app: App, site: Site) -> str:
    """A new conversation, made by the page, which follows it; its id."""
    body = {"working_directory": str(site.project)}
    made = app.page.evaluate("(body) => api('/conversations', body)", body)
    assert made["status"] == 201, made
    app.page.evaluate("(id) => void follow(id)", made["body"]["id"])
    return str(made["body"]["id"])


def send(app: App, conversation_id: str, message: str = "go on") -> None:
    """Send a message from the page."""
    path = f"/conversations/{conversation_id}/messages"
    sent = app.page.evaluate("([path, message]) => api(path, { message })", [path, message])
    assert sent["status"] == 202, sent


def server_of(app: App) -> psutil.Process:
    """The process of the app's server."""
    return psutil.Process(app.main("() => codex.backend.server.pid"))


def package_ways() -> dict[str, str]:
    """Where uv finds packages on this machine, for a server that an app brings along."""
    ways = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_"))}
    return ways | {"UV_CACHE_DIR": run("uv", "cache", "dir", cwd=DESKTOP).strip()}


# --- from outside ----------------------------------------------------------------------------

# Of what would be seen outside the app, nothing is shown; what would have been is noted.
SPY = """({ shell, Notification }) => {
  globalThis.opened = [];
  shell.openExternal = async (url) => void opened.push(url);
  globalThis.notices = [];
  Notification.isSupported = () => true;
  Notification.prototype.show = function () { notices.push(this); };
}"""


def quit_app(app: App) -> None:
    """Quit it, as its menu does. It answers before: what quits can't answer any more."""
    app.main("({ app }) => void setTimeout(() => app.quit())")


def crash(app: App) -> None:
    """Have its main process die of a fault."""
    with suppress(AssertionError):  # it may be dead before it has answered
        app.main("() => void setTimeout(() => process.crash())")


def all_of(app: App, site: Site, server: psutil.Process) -> list[psutil.Process]:
    """Every process that is there because of the app: its own, the server's, the core's."""
    record = core_record(site)
    cores = [psutil.Process(record["pid"]), psutil.Process(record["keeper"]["pid"])]
    return [app.process, *app.children(), server, *server.children(recursive=True), *cores]
