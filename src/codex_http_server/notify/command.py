"""A local command: run once for each notice, one at a time, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final

from codex_http_server.engine.environment import core_environment
from codex_http_server.notify.notices import Notice
from codex_http_server.notify.telling import Outcome, Told

SECONDS: Final = 30.0  # for one run
OUTPUT: Final = 2000  # bytes of its output that are logged
VARIABLES: Final = ("CODEX_HTTP_NOTICE", "CODEX_HTTP_NOTICE_ID", "CODEX_HTTP_CONVERSATION")
GOES: Final = ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


class Command:
    """Runs a program with the notice as JSON on its standard input.

    Its environment is the core's: no token and no setting of ours, and what a desktop needs to show
    something. A run that fails is logged and not repeated: it may have shown something already.
    """

    name = "command"

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        home: str,
        seconds: float = SECONDS,
    ) -> None:
        self._command = tuple(command)
        self._environment = core_environment(environ, home, GOES)
        self._seconds = seconds

    async def tell(self, notice: Notice, body: bytes) -> Told:
        """Run it, for at most `SECONDS`; past them it is killed with all that it started."""
        values = (notice.type, notice.id, notice.conversation_id or "")
        told = dict(zip(VARIABLES, values, strict=True))
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._environment | told,
                start_new_session=True,  # its group can be ended without ours
            )
        except OSError as error:
            return Told(Outcome.REFUSED, f"it can't be started: {error.strerror}")
        try:
            return await self._watch(process, body)
        finally:
            _kill(process)
            await process.wait()  # it is buried by us; the kill makes that a moment

    async def _watch(self, process: asyncio.subprocess.Process, body: bytes) -> Told:
        try:
            async with asyncio.timeout(self._seconds):
                _, output = await asyncio.gather(_feed(process, body), _read(process))
                code = await process.wait()
        except TimeoutError:
            return Told(Outcome.REFUSED, f"killed: it did not end in {self._seconds:g} s")
        words = output.decode("utf-8", "replace").strip()
        detail = f"exit code {code}" + (f": {words}" if code and words else "")
        return Told(Outcome.REFUSED if code else Outcome.TOLD, detail)

    async def close(self) -> None:
        """It holds nothing between two notices."""


async def _feed(process: asyncio.subprocess.Process, body: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it does not want to read
        process.stdin.write(body + b"\n")
        await process.stdin.drain()
    process.stdin.close()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """The first `OUTPUT` bytes; the rest is read and thrown away, so that nothing blocks."""
    assert process.stdout is not None
    kept = b""
    while part := await process.stdout.read(65536):
        kept += part[: OUTPUT - len(kept)]
    return kept


def _kill(process: asyncio.subprocess.Process) -> None:
    """Kill what is left of its group, the program itself included."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "nt":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
