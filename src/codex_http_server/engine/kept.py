"""A core held by a keeper: start one, take over one that is left, end it for certain.

Owns our line to the keeper. What the keeper does is told in keeper.py; the core itself is
reached through its own socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codex_http_server.engine import keeper
from codex_http_server.engine.keeper import birth
from codex_http_server.engine.lock import read_json
from codex_http_server.engine.process import ending, forget, kill_group
from codex_http_server.engine.strays import MARK, end_strays
from codex_http_server.errors import CoreGone, CoreMissing
from codex_http_server.logs import get_logger
from codex_http_server.places import Places

log = get_logger(__name__)

CONTROL: Final = ".keeper"  # behind the path of a core's socket: that of its keeper
START: Final = 5.0  # seconds for a keeper to start its core (0.04 measured)
STOP: Final = 3.0  # seconds for a keeper to end its core and what is left below it (1.6 at worst)
TAKE: Final = 2.0  # seconds for a keeper that is left to answer


@dataclass(frozen=True)
class Bond:
    """What ends a core that no server comes back for."""

    adopt_within: float  # seconds
    parent: int | None = None  # pid; with it the core goes at once

    def words(self) -> dict[str, Any]:
        """As the keeper is told."""
        parent = self.parent and {"pid": self.parent, "birth": birth(self.parent)}
        return {"adopt_within": self.adopt_within, "parent": parent}


class KeptCore:
    """A running core and the line to its keeper. `pid` is the core's."""

    def __init__(
        self,
        record: dict[str, Any],
        path: Path,
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        process: asyncio.subprocess.Process | None = None,
    ) -> None:
        self.pid = int(record["pid"])
        self.pids = (int(record["keeper"]["pid"]), self.pid)
        self.socket = str(record["socket"])
        self.command: list[str] = list(record["command"])
        self.version = str(record["version"])  # of the server that started it
        self.status: int | None = None
        self._record = record
        self._path = path
        self._reader, self._writer = line
        self._process = process  # the keeper, if it is our child
        self._ended = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        """Hear of the core's end; the end of the line without a word is the keeper's own."""
        with contextlib.suppress(OSError, ValueError):  # half a line, if it was killed
            while line := await self._reader.readline():
                self.status = json.loads(line).get("status", self.status)
        if self.status is None:
            log.error("the keeper of the core is gone", keeper=self._record["keeper"]["pid"])
        self._ended.set()

    async def wait(self) -> int | None:
        """Wait for the end of the core; its exit status, or None if that was not learnt."""
        await self._ended.wait()
        return self.status

    async def stop(self) -> str:
        """End the core and everything below it: at most `STOP` s by its keeper, and where that
        does not do it, a moment more without it (`2 * TAKE` and the strays' patience at worst).

        May be called on a dead core. Returns how it ended: `gone`, `told` or `killed`.
        """
        how = "gone" if self._ended.is_set() else "told"
        with contextlib.suppress(OSError, TimeoutError):
            self._writer.write(b'{"stop": true}\n')
            async with asyncio.timeout(STOP):
                await self.wait()
        if self.status is None:
            how = "killed"
            self._kill()
            with contextlib.suppress(TimeoutError):  # its lock is free at the end of the line
                async with asyncio.timeout(TAKE):
                    await self._ended.wait()
            await asyncio.to_thread(end_strays, self.socket)
        await self._close()
        return how

    def _kill(self) -> None:
        """The keeper does not do it. A core that is gone may have left commands in its group."""
        if birth(self.pid) in (self._record["birth"], None):
            kill_group(self.pid)
        holder = self._record["keeper"]
        if birth(holder["pid"]) == holder["birth"]:
            kill_group(holder["pid"])

    async def _close(self) -> None:
        self._writer.close()
        self._listening.cancel()
        if self._process is not None:
            await _buried(self._process)
        forget(self._path, Path(self.socket), Path(self._record["control"]))


async def _buried(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a keeper that has said its last word; `TAKE` s, then it is killed."""
    try:
        async with asyncio.timeout(TAKE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    places: Places,
    *,
    socket: str,
    version: str,
    bond: Bond,
) -> KeptCore:
    """Start a keeper, and it a core that listens on `socket`.

    Raises `CoreMissing`, and `CoreGone` if the core has ended before we could meet its keeper.
    """
    spec: dict[str, Any] = {
        "command": list(command),
        "socket": socket,
        "control": socket + CONTROL,
        "record": str(places.core_record),
        "lock": str(places.core_lock),
        "version": version,
        # In a bare locale Python sets this one for itself, and its children (PEP 538).
        "unset": [] if "LC_CTYPE" in environment else ["LC_CTYPE"],
        **bond.words(),
    }
    out = os.open(places.core_output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", _program(), json.dumps(spec),
            env=dict(environment) | {MARK: socket},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CoreMissing(f"{sys.executable} can't be run: {error.strerror}.") from error
    finally:
        os.close(out)
    try:
        async with asyncio.timeout(START):
            record, line = await _meet(spec, process)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise CoreMissing(f"The keeper of the core said nothing for {START:g} s.") from error
        raise
    return KeptCore(record, places.core_record, line, process)


def _program() -> str:
    """The keeper, compiled where it is: it need not be parsed, which would cost it 0.8 MB."""
    compiled = importlib.util.cache_from_source(keeper.__file__)
    return compiled if os.access(compiled, os.R_OK) else keeper.__file__


async def _meet(
    spec: dict[str, Any], process: asyncio.subprocess.Process
) -> tuple[dict[str, Any], tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    while process.returncode is None:
        # A keeper says nothing when it starts to listen, so we knock. It may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ConnectionError):
            return await _greet(spec["control"])
        await asyncio.sleep(0.005)
    written = read_json(Path(spec["record"])) or {}
    if "status" in written and written["keeper"]["pid"] == process.pid:
        raise CoreGone(ending(written["status"]))
    held = process.returncode == keeper.HELD
    raise CoreMissing(
        "Another keeper still holds the core of this home."
        if held
        else f"The keeper of the core ended with status {process.returncode}."
    )


async def _greet(
    control: str,
) -> tuple[dict[str, Any], tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(control)
    try:
        record = json.loads(await reader.readline() or b"{}")
    except BaseException:
        writer.close()
        raise
    if "pid" not in record:
        writer.close()
        raise ConnectionRefusedError("the keeper is ending")
    return record, (reader, writer)


async def adopt(places: Places, bond: Bond) -> KeptCore | None:
    """Take over the core that an earlier server of this home left, if its keeper is alive.

    None if there is none, or if the keeper or its core is not provably the recorded one.
    """
    record = read_json(places.core_record) or {}
    match record:
        case {
            "protocol": keeper.PROTOCOL,
            "keeper": {"pid": int(pid), "birth": str(born)},
            "control": str(control),
        }:
            if birth(pid) != born or "status" in record:
                return None
        case _:
            return None
    try:
        async with asyncio.timeout(TAKE):
            said, line = await _greet(control)
    except (OSError, TimeoutError, ValueError) as error:
        log.warning("a core that was left can't be taken over", reason=str(error))
        return None
    line[1].write(json.dumps(bond.words()).encode() + b"\n")
    return KeptCore(said, places.core_record, line)
