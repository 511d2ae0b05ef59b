"""A core over stdio with the fewest means: JSON lines, one reader thread, bounded waits."""

import contextlib
import os
import queue
import select
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from codex_cli_bin import bundled_codex_path

Json = dict[str, Any]


class Event(NamedTuple):
    """One notification, or with `id` one request, of the core."""

    method: str
    params: Json
    id: int | None = None


class StdioCore:
    """`codex app-server` on a home of its own under `root`; leaving the `with` ends it.

    Unknown keys in `config` make the start fail (`--strict-config`). Leaving fails if a process
    that the core started is still there.
    """

    def __init__(self, root: Path, config: str) -> None:
        self.workspace = root / "workspace"
        self._home = root / "codex-home"
        self._user = root / "user-home"
        self._temporary = root / "tmp"
        for folder in (self.workspace, self._home, self._user, self._temporary):
            folder.mkdir(parents=True)
        (self._home / "config.toml").write_text(config)
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._answers: dict[int, queue.Queue[Json]] = {}
        self._next_id = 0

    def __enter__(self) -> Self:
        command = [str(bundled_codex_path()), "app-server", "--strict-config"]
        self.process = subprocess.Popen(
            [*command, "--disable", "shell_snapshot"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.workspace,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._user),
                "CODEX_HOME": str(self._home),
                "LANG": "C.UTF-8",
                # The core makes no sandbox helper for a home under the temporary folder, and
                # then commands with a terminal fail; so the temporary folder goes elsewhere.
                "TMPDIR": str(self._temporary),
            },
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        client = {"name": "provider-test", "version": "1"}
        try:
            self.call("initialize", clientInfo=client, capabilities={"experimentalApi": True})
            self._send({"method": "initialized"})
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self._reader.join(5)
        assert self.process.stdout
        self.process.stdout.close()
        left = self.processes_left()
        assert not left, f"processes left behind: {left}"

    def call(self, method: str, **params: Any) -> Json:
        """The result of a request; AssertionError on an error answer, queue.Empty after 10 s."""
        self._next_id += 1
        number = self._next_id
        self._answers[number] = queue.Queue()
        self._send({"id": number, "method": method, "params": params})
        answer = self._answers[number].get(timeout=10)
        assert "result" in answer, answer
        return answer["result"]

    def answer(self, request: Event, result: Json) -> None:
        """Answer a request of the core."""
        self._send({"id": request.id, "result": result})

    def start_thread(self, **params: Any) -> str:
        """A new thread in the workspace."""
        return self.call("thread/start", cwd=str(self.workspace), **params)["thread"]["id"]

    def start_turn(self, thread: str, text: str, **params: Any) -> str:
        """A turn that asks nobody and may write in the workspace."""
        given = {
            "input": [{"type": "text", "text": text}],
            "approvalPolicy": "never",
            "sandboxPolicy": {"type": "workspaceWrite", "excludeSlashTmp": True},
            **params,
        }
        return self.call("turn/start", threadId=thread, **given)["turn"]["id"]

    def until(self, method: str, timeout: float = 15.0) -> list[Event]:
        """All events up to and including the next `method`; AssertionError if it never comes."""
        seen: list[Event] = []
        while not seen or seen[-1].method != method:
            try:
                event = self._events.get(timeout=timeout)
            except queue.Empty:
                event = None
            assert event, f"no {method} after {[one.method for one in seen]}"
            seen.append(event)
        return seen

    def processes_left(self, seconds: float = 2.0) -> list[int]:
        """Processes with our CODEX_HOME that do not end within `seconds`."""
        mark = f"CODEX_HOME={self._home}".encode()
        return [pid for pid in _with_environment(mark) if not _ends(pid, seconds)]

    def _send(self, message: Json) -> None:
        assert self.process.stdin
        self.process.stdin.write(msgspec.json.encode(message) + b"\n")
        self.process.stdin.flush()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            message = msgspec.json.decode(line, type=Json)
            if "method" in message:
                self._events.put(Event(message["method"], message["params"], message.get("id")))
            else:
                self._answers[message["id"]].put(message)
        self._events.put(None)


def _with_environment(mark: bytes) -> list[int]:
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def _ends(pid: int, seconds: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
