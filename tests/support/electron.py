"""A real Electron for tests, on a screen of its own, driven with Playwright.

The Python half of Playwright can't drive Electron; its other half, which comes in the same package,
can: desktop/test/driver.mjs is told what to do. Where no Electron can be had, Chromium and Node
stand in for it (desktop/test/without-electron.mjs).
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import playwright
import psutil

from tests.support.chromium import CHROMIUM
from tests.support.leaks import WATCH
from tests.support.server import Site, core_record
from tests.support.typescript import NODE, PACKAGE, run

Json = Any
DESKTOP = PACKAGE.parents[1] / "desktop"
FOLDER = DESKTOP / ".electron"
PLAYWRIGHT = Path(playwright.__path__[0]) / "driver" / "package"
SERVE = NODE.parent / "codex-http-server"
SMALL = Path(__file__).parents[1] / "electron" / "app"
STEP = 60.0  # seconds for one answer of the driver
FETCH = 320.0  # seconds for the download


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

    program: Path  # Electron, or else Chromium
    display: str | None  # of Electron
    instead: str = ""  # why it is not Electron


@contextmanager
def host() -> Iterator[Host | str]:
    """Electron, or else what stands in for it, or else why there is neither."""
    program, why = find_electron()
    if program is not None:
        with screen() as display:
            yield Host(program, display)
    elif CHROMIUM is not None:
        yield Host(Path(CHROMIUM), None, why)
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
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._numbers = itertools.count()
        self.log: list[str] = []
        self._driver = subprocess.Popen(
            [str(NODE), str(DESKTOP / "test" / "driver.mjs"), str(PLAYWRIGHT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._hear, daemon=True),
        ]
        for each in self._reading:
            each.start()
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
        number = next(self._numbers)
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps({"id": number, "do": what, **arguments}) + "\n")
        self._driver.stdin.flush()
        line = self._answers.get(timeout=STEP + arguments.get("limit", 0) / 1000)
        assert line is not None, f"the driver has ended: {''.join(self.log[-20:])}"
        answer = json.loads(line)
        assert answer["id"] == number
        if "error" in answer:
            log = "".join(self.log[-20:])
            raise AssertionError(f"{what} {arguments}: {answer['error']}\n{log}")
        return answer["value"]

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
        assert self._driver.stdin is not None
        self._driver.stdin.close()
        try:
            self._driver.wait(5)
        finally:
            self._driver.kill()
        for each in self._reading:
            each.join(5)
        self._temporary.cleanup()

    def _read(self) -> None:
        assert self._driver.stdout is not None
        with self._driver.stdout as lines:
            for line in lines:
                self._answers.put(line)
        self._answers.put(None)

    def _hear(self) -> None:
        assert self._driver.stderr is not None
        with self._driver.stderr as lines:
            for line in lines:
                self.log.append(line)
                WATCH.look("the log of the app", line)

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
