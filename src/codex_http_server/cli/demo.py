"""`codex-http-server demo`: the real core at work, offline.

Makes a temporary Codex home, data folder and sample project, plays the model itself (a script
on loopback), sends the first message over HTTP as any client would, and shows every event.
Nothing of the user's own Codex home is read or written.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

import typer

from codex_http_server import runtime
from codex_http_server.cli.browser import has_screen
from codex_http_server.cli.options import takes_settings
from codex_http_server.cli.starting import run, settings_of, token_of_environment
from codex_http_server.settings import Flags
from codex_http_server.testing.demo_script import demo_script
from codex_http_server.testing.provider import Provider

FIRST_MESSAGE: Final = "show me what you can do"
PATIENCE: Final = 60.0  # seconds for one answer of the server
SAMPLE: Final = {
    "README.md": "# A sample project\n\nThe demo made it. Change it as you like.\n",
    "greeting.py": 'def greet(name):\n    return f"Hello, {name}!"\n\n\nprint(greet("you"))\n',
}


@takes_settings
def demo(
    flags: Flags,
    once: Annotated[
        bool, typer.Option("--once", help="Stop after the first turn instead of serving on.")
    ] = False,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Show the real Codex core at work, offline, with a scripted model.

    Its home and its data are temporary: --codex-home, --data-dir, --listen, --config and the
    environment have no effect here.
    """
    token_of_environment()  # has no effect, and is nothing for the agent to find
    with tempfile.TemporaryDirectory(prefix="codex-demo-") as folder:
        root = _folders(Path(folder).resolve())
        # The core makes no helper binaries for a home below the temporary folder (measured),
        # so its temporary folder is a sibling of its home.
        os.environ["TMPDIR"] = str(root / "tmp")
        with Provider(demo_script, keep=20) as provider:
            _configure(root / "home", provider)
            settings = settings_of(_own(flags, root), {}, read_file=False)
            stage = _Stage(root / "project", once=once, open_page=open_page)
            plan = runtime.Plan(settings, stage.on_ready, state_root=root / "state")
            run(runtime.serve(plan))
            stage.close()
    raise typer.Exit(stage.exit_code)


def _folders(root: Path) -> Path:
    for name in ("home", "project", "state", "tmp"):
        (root / name).mkdir()
    for name, text in SAMPLE.items():
        (root / "project" / name).write_text(text)
    return root


def _configure(home: Path, provider: Provider) -> None:
    policy = {"sandbox_mode": "workspace-write", "approval_policy": "on-request"}
    (home / "config.toml").write_text(provider.config(**policy))


def _own(flags: Flags, root: Path) -> Flags:
    """The demo's settings: a free port, which a browser can reach, a quiet log, its own home;
    flags may change the rest."""
    flags = {name: value for name, value in flags.items() if name != "listen"}
    fixed = {"codex_home": str(root / "home"), "data_dir": str(root / "state" / "data")}
    return {"port": "0", "log_level": "warning", **flags, **fixed}


class _Stage:
    """The first turn, played over HTTP by a thread of its own, as a client would."""

    def __init__(self, project: Path, *, once: bool, open_page: bool) -> None:
        self._project = project
        self._once = once
        self._open_page = open_page and has_screen()
        self._thread: threading.Thread | None = None
        self._conversation_id = ""
        self.exit_code = 0

    def on_ready(self, line: dict[str, Any]) -> None:
        """The server listens: begin."""
        self._thread = threading.Thread(target=self._play, args=(str(line["url"]),))
        self._thread.start()

    def close(self) -> None:
        """Wait for the thread; the server has ended, so it ends too."""
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def _play(self, url: str) -> None:
        try:
            self._begin(url)
            self._first_turn(url)
        except (OSError, HTTPException, ValueError, KeyError) as error:
            typer.echo(f"The demo's first turn did not work: {error!r}", err=True)
            self.exit_code = 1
        if self._once:
            os.kill(os.getpid(), 15)
        elif not self.exit_code:
            typer.echo(f"\nYour turn: open {self._page(url)}\nCtrl-C ends the demo.")

    def _begin(self, url: str) -> None:
        body = {"working_directory": str(self._project), "title": "Demo"}
        self._conversation_id = _post(url, "/conversations", body)["id"]
        typer.echo(_introduction(url, self._page(url), self._conversation_id, self._project))
        if self._open_page:
            webbrowser.open(self._page(url))

    def _page(self, url: str) -> str:
        directory = quote(str(self._project))
        return f"{url}/?working_directory={directory}#{self._conversation_id}"

    def _first_turn(self, url: str) -> None:
        path = f"/conversations/{self._conversation_id}/messages"
        typer.echo(f"The first message: {FIRST_MESSAGE}\n")
        for event in _stream(url, path, {"message": FIRST_MESSAGE}):
            _show(event)
            if event["type"] == "turn/completed" and event["status"] != "completed":
                self.exit_code = 1


def _introduction(url: str, page: str, conversation_id: str, project: Path) -> str:
    here = f"{url}/conversations/{conversation_id}"
    return f"""
The server listens on {url}
The page:    {page}
The project: {project}

Watch it with curl, from the first event on, and again from any number (?after=N):
  curl -N -H 'Accept: text/event-stream' {here}/events

Send something yourself:
  curl -s -X POST {here}/messages \\
    -H 'Content-Type: application/json' -d '{{"message": "list the files"}}'
"""


def _show(event: dict[str, Any]) -> None:
    """One event as one line: number, type, and what is worth a look."""
    item: dict[str, Any] = event["data"].get("item") or {}
    seen = event.get("text") or item.get("command") or item.get("text") or event.get("status") or ""
    paths = [change["path"] for change in item.get("changes", [])]
    text = " ".join([str(seen), *paths]).replace("\n", " ")
    typer.echo(f"{event['seq']:>5}  {event['type']:<36} {text[:90]}")


def _connect(url: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE)


def _post(url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = _connect(url)
    try:
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        found = json.load(answer)
    finally:
        connection.close()
    if answer.status >= 400:
        raise ValueError(found.get("detail", "the server refused"))
    return found


def _stream(url: str, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one turn."""
    connection = _connect(url)
    headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
    finally:
        connection.close()
