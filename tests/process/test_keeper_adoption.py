"""The keeper without its server: how long a core waits, who may come, and what ends it."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from codex_http_server.engine import keeper, kept, process
from codex_http_server.engine.kept import Bond
from codex_http_server.engine.lock import write_private
from codex_http_server.engine.process import identity, reap
from tests.support.keepers import Held, ended, hang_up, stays
from tests.support.server import gone

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a keeper is POSIX")

SHORT = 0.3  # seconds


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """Someone whose end ends the core."""
    with subprocess.Popen(["/bin/sleep", "600"]) as sleeper:
        yield sleeper
        sleeper.kill()


async def check_end(held: Held, status: int = -signal.SIGTERM) -> None:
    """The core ends in order, with nobody there to hear of it."""
    await held.until(lambda: held.left() == [], "everything has ended")
    assert held.record["status"] == status
    assert await held.adopt() is None


# --- the server is gone ---------------------------------------------------------------------


@pytest.mark.parametrize("within", [0.0, SHORT])
async def test_a_core_waits_for_a_server_as_long_as_it_was_told(held: Held, within: float) -> None:
    core = await held.start("polite", Bond(within))
    await stays(core, SHORT + 0.1)
    since = time.monotonic()
    await hang_up(core)
    await check_end(held)
    assert within <= time.monotonic() - since < within + 2


async def test_a_core_that_nobody_comes_for_gets_the_ladder(held: Held) -> None:
    await hang_up(await held.start("drains_first", Bond(0.0)))
    await check_end(held, 0)


async def test_the_commands_of_a_core_that_nobody_comes_for_end_with_it(held: Held) -> None:
    core = await held.start("leaves_a_child", Bond(0.0))
    command = psutil.Process(int(held.printed()))
    await hang_up(core)
    await check_end(held)
    assert gone(command)


async def test_a_core_that_ends_while_nobody_is_there_has_its_status_on_record(held: Held) -> None:
    await hang_up(await held.start("exits_when_told"))
    held.core().send_signal(signal.SIGUSR1)
    await check_end(held, 3)


# --- the next server ------------------------------------------------------------------------


async def test_the_next_server_gets_the_core_that_was_left(held: Held) -> None:
    first, record = await held.start("polite", Bond(SHORT)), held.record
    await hang_up(first)
    core = await held.adopted(Bond(SHORT))
    assert (core.pid, core.socket, core.command) == (first.pid, first.socket, first.command)
    assert held.record == record
    await stays(core, SHORT + 0.2)
    holder = held.keeper()
    assert await core.stop() == "told"
    assert core.status == -signal.SIGTERM
    await ended(holder)
    assert (held.record, held.left()) == ({}, [])


async def test_the_bond_of_the_next_server_takes_the_place_of_the_old_one(
    held: Held, parent: subprocess.Popen[bytes]
) -> None:
    await hang_up(await held.start("polite", Bond(60.0)))
    await hang_up(await held.adopted(Bond(60.0, parent.pid)))
    await hang_up(await held.adopted(Bond(60.0)))
    parent.kill()
    parent.wait()
    core = await held.adopted(Bond(SHORT))
    await stays(core)
    await hang_up(core)
    await check_end(held)


async def test_a_server_that_is_still_there_is_replaced(held: Held) -> None:
    old = await held.start("polite")
    new = await held.adopted(Bond(0.0))
    assert await old.wait() is None
    await stays(new)
    await hang_up(new)
    await check_end(held)


# --- the parent -----------------------------------------------------------------------------


@pytest.mark.parametrize("buried", [True, False])
async def test_a_core_without_a_server_goes_with_the_parent_that_it_is_bound_to(
    held: Held, parent: subprocess.Popen[bytes], *, buried: bool
) -> None:
    core = await held.start("polite", Bond(60.0, parent.pid))
    await hang_up(core)
    core = await held.adopted(Bond(60.0, parent.pid))
    parent.kill()
    if buried:
        parent.wait()
    await stays(core)  # a server ends in its own order
    await hang_up(core)
    await check_end(held)


async def test_the_end_of_the_parent_is_seen_while_nobody_is_there(
    held: Held, parent: subprocess.Popen[bytes]
) -> None:
    await hang_up(await held.start("polite", Bond(60.0, parent.pid)))
    parent.kill()
    parent.wait()
    await check_end(held)


async def test_a_parent_that_was_gone_before_it_was_named_is_gone(
    held: Held, parent: subprocess.Popen[bytes]
) -> None:
    parent.kill()
    parent.wait()
    await hang_up(await held.start("polite"))
    await hang_up(await held.adopted(Bond(60.0, parent.pid)))
    await check_end(held)


async def test_a_stranger_under_the_parent_s_pid_is_not_the_parent(held: Held) -> None:
    await hang_up(await held.start("polite"))
    with held.line() as line:
        parent = {"pid": os.getpid(), "birth": f"{keeper.birth(os.getpid())}0"}
        line.sendall(json.dumps({"parent": parent}).encode() + b"\n")
    await check_end(held)


# --- what is said on the line ---------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b'{"stop": true\n',
        b"\xff\xfe\n",
        b"null\n",
        b'"stop"\n',
        b"[[]]\n",
        b'{"adopt_within": "soon"}\n',
        b'{"adopt_within": NaN}\n',
        b'{"adopt_within": -1}\n',
        b'{"parent": 1}\n',
        b'{"parent": {"pid": 1}}\n',
        b'{"adopt_within": 0, "parent": {"pid": "x", "birth": "y"}}\n',
        b"[" * 50_000 + b"\n",
        b"x" * 200_000,
    ],
    ids=range(15),
)
async def test_words_that_no_server_says_end_the_connection_and_not_the_core(
    held: Held, words: bytes
) -> None:
    await hang_up(await held.start("polite"))
    with held.line() as line:
        try:
            line.sendall(words)
            assert line.recv(1) == b""
        except ConnectionError:
            pass  # it closed before it had read all of them
    await stays(await held.adopted())


async def test_a_core_waits_for_as_long_as_there_is_time(held: Held) -> None:
    await hang_up(await held.start("polite"))
    with held.line() as line:
        line.sendall(b'{"adopt_within": Infinity}\n')
    await stays(await held.adopted())


async def test_a_line_may_come_in_pieces(held: Held) -> None:
    await hang_up(await held.start("polite"))
    with held.line() as line:
        for piece in (b'{"adopt', b'_within": 0}\n{"par', b'ent": null}', b"\n"):
            line.sendall(piece)
            await held.until(lambda: unread(line) == 0, "it is read")
        assert not gone(held.core())
    await check_end(held)


def unread(line: Any) -> int:
    """Bytes that the other side has not read yet."""
    answer = fcntl.ioctl(line, termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, "little")


async def test_half_a_line_is_not_obeyed(held: Held) -> None:
    await hang_up(await held.start("polite"))
    with held.line() as line:
        line.sendall(b'{"stop": true}')
    await stays(await held.adopted())


# --- who can't be adopted -------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": keeper.PROTOCOL + 1},
        {"protocol": None},
        {"status": 0},
        {"keeper": None},
        {"keeper": identity(os.getpid()) | {"birth": "another"}},
        {"keeper": {"pid": 4194303, "birth": "a/1"}},
        {"control": None},
        {"control": "/nowhere/of-anyone.sock"},
        None,
    ],
)
async def test_a_record_that_does_not_prove_its_keeper_leads_to_no_adoption(
    held: Held, change: dict[str, Any] | None
) -> None:
    core, record = await held.start("polite"), held.record
    if change is None:
        held.places.core_record.unlink()
    else:
        write_private(held.places.core_record, record | change)
    assert await held.adopt() is None
    await stays(core, 0.1)
    write_private(held.places.core_record, record)
    assert await core.stop() == "told"


async def test_the_record_of_a_killed_keeper_leads_to_no_adoption(held: Held) -> None:
    await hang_up(await held.start("leaves_daemons"))
    holder = held.keeper()
    holder.kill()
    await ended(holder)
    assert "status" not in held.record
    assert await held.adopt() is None
    reap(held.places.core_record)
    assert (held.record, held.left()) == ({}, [])


async def test_a_stopped_keeper_is_not_adopted_and_ended_with_its_core(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STOP_KILL", SHORT)
    await hang_up(await held.start("polite"))
    core, holder = held.core(), held.keeper()
    holder.suspend()
    since = time.monotonic()
    assert await held.adopt() is None
    assert time.monotonic() - since < kept.TAKE + 1
    assert reap(held.places.core_record) == core.pid
    assert gone(core)
    assert gone(holder)
    assert held.record == {}
    await held.until(lambda: held.left() == [], "nothing is left")


@pytest.mark.parametrize(
    "engine", ["polite", "drains_first", "deaf_to_sigterm", "leaves_a_child", "leaves_daemons"]
)
async def test_a_core_that_is_not_adopted_is_ended_and_its_keeper_goes_too(
    held: Held, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setattr(process, "STOP_TERM", SHORT)
    await hang_up(await held.start(engine))
    core, holder = held.core(), held.keeper()
    assert reap(held.places.core_record) == core.pid
    assert gone(core)
    assert gone(holder)
    assert (held.record, held.left()) == ({}, [])
