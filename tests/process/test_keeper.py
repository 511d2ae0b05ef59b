"""The keeper: it starts a core, and ends it with everything below it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

import psutil
import pytest

from codex_http_server.engine import keeper, kept
from codex_http_server.engine.kept import Bond, KeptCore
from codex_http_server.engine.process import ending, identity
from codex_http_server.engine.strays import MARK
from codex_http_server.errors import CoreGone, CoreMissing
from tests.support.keepers import PATIENCE, Held, ended, engine, hang_up, stays
from tests.support.server import gone

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a keeper is POSIX")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")

SLEEP = ["/bin/sleep", "600"]
MASKS = ("SigIgn", "SigBlk", "SigCgt")
PYTHONS = sum(1 << (number - 1) for number in (signal.SIGPIPE, signal.SIGXFSZ))
MEMORY = 16_000_000  # bytes


async def runs(held: Held, command: list[str]) -> None:
    """Wait until the core is the command: a moment before, it is a copy of its keeper."""
    await held.until(lambda: held.core().cmdline() == command, f"{command} runs")


def open_files(folder: Path) -> dict[str, Path]:
    """What a process has open, by descriptor."""
    found: dict[str, Path] = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.readlink()
    return found


# --- the start ------------------------------------------------------------------------------


async def test_core_and_keeper_are_on_record_by_pid_and_birth(held: Held) -> None:
    core = await held.start("polite")
    assert held.record == {
        "protocol": keeper.PROTOCOL,
        "version": "1.2.3",
        "command": engine("polite"),
        "socket": core.socket,
        "control": core.socket + ".keeper",
        "keeper": identity(held.core().ppid()),
        **identity(core.pid),
    }
    assert [path.name for path in held.root.glob("*.sock.keeper") if path.is_socket()]
    assert any("keeper" in Path(word).name for word in held.keeper().cmdline())
    assert not held.is_free()


def test_a_core_is_not_started_before_it_is_on_record(held: Held) -> None:
    part = held.places.core_record.with_name("core.json.part")
    os.mkfifo(part)  # what is written can be read, but not be put on disk
    program = held.program(engine("polite"))
    written = part.read_text()
    assert '"keeper"' in written
    assert '"birth"' not in written.replace(f'"birth": "{keeper.birth(program.pid)}"', "")
    assert program.wait(PATIENCE) == 1
    assert "ready" not in held.printed()
    assert "the keeper gives up" in held.printed()
    assert held.left() == []


def test_a_core_that_can_not_be_registered_is_not_left_running(held: Held) -> None:
    first = {"command": engine("polite"), "socket": held.socket(), "version": "1.2.3"}
    first |= {"control": held.socket() + ".keeper", "protocol": keeper.PROTOCOL}
    room = len(str(first | {"keeper": identity(os.getpid())})) + 20
    ours = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, ours[1]))  # it is inherited
    try:
        program = held.program(engine("polite"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, ours)
    assert program.wait(PATIENCE) == 1
    assert held.record["keeper"]["pid"] == program.pid
    assert "pid" not in held.record
    assert held.left() == []


def masks(status: Path) -> dict[str, int]:
    """The signals that a process ignores, blocks and catches."""
    lines = [line.partition(":") for line in status.read_text().splitlines()]
    return {name: int(mask, 16) for name, _, mask in lines if name in MASKS}


@linux
async def test_the_core_has_a_session_of_its_own_no_input_and_nothing_of_its_keeper(
    held: Held,
) -> None:
    core = await held.start(SLEEP)
    await runs(held, SLEEP)
    assert core.pid == os.getpgid(core.pid) == os.getsid(core.pid)
    about = Path("/proc", str(core.pid))
    output = held.places.core_output
    expected = {"0": Path(os.devnull), "1": output, "2": output}
    # The loader of a program has its libraries open for a moment.
    await held.until(lambda: open_files(about / "fd") == expected, "three files are open")
    # What we were started with (`nohup` ignores one) is passed on, what Python added is not.
    ours = masks(Path("/proc/self/status"))["SigIgn"] & ~PYTHONS
    assert masks(about / "status") == {"SigIgn": ours, "SigBlk": 0, "SigCgt": 0}


@pytest.mark.parametrize("given", [{}, {"LC_ALL": "C"}, {"LC_CTYPE": "C.UTF-8", "PYTHONHOME": "x"}])
async def test_the_core_gets_exactly_the_environment_it_was_given_and_its_mark(
    held: Held, given: dict[str, str]
) -> None:
    core = await held.start(SLEEP, environment=given)
    await runs(held, SLEEP)
    expected = held.environment | given | {MARK: core.socket}
    assert psutil.Process(core.pid).environ() == expected


async def test_a_keeper_is_small(held: Held) -> None:
    await held.start("polite")
    size = held.keeper().memory_info().rss
    print(f"RSS of a keeper: {size / 1e6:.1f} MB")
    assert size < MEMORY


async def how_it_ended(held: Held, command: str | list[str]) -> str:
    """The end of a core that does not last, whether we meet its keeper before it or not."""
    try:
        core = await held.start(command)
    except CoreGone as error:
        return str(error)
    status = await core.wait()
    await core.stop()
    return ending(status)


@pytest.mark.parametrize("command", [["/nowhere/codex"], [__file__]])
async def test_a_command_that_can_not_be_run_is_told_in_the_output(
    held: Held, command: list[str]
) -> None:
    assert await how_it_ended(held, command) == "it exited with 127"
    assert f"{command[0]} can't be run: " in held.printed()
    assert held.left() == []


async def test_a_core_that_ends_at_once_leaves_no_more_than_its_status_and_its_words(
    held: Held,
) -> None:
    assert await how_it_ended(held, "exits_at_once") == "it exited with 3"
    assert "no such model" in held.printed()
    assert held.left() == []


async def test_a_second_keeper_of_a_home_does_not_start_a_core(held: Held) -> None:
    core, record = await held.start("polite"), held.record
    with pytest.raises(CoreMissing, match="Another keeper"):
        await held.start("polite")
    assert held.record == record
    await stays(core)
    assert held.printed().split() == ["ready"]


async def test_a_keeper_that_says_nothing_is_not_waited_for(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "START", 0.3)
    monkeypatch.setattr(keeper, "__file__", engine("polite")[1])
    with pytest.raises(CoreMissing, match="said nothing"):
        await held.start("polite")
    assert held.living() == []


# --- the end --------------------------------------------------------------------------------


async def check_stop(held: Held, core: KeptCore, status: int) -> None:
    """Stop a core; it ends like this, and nothing is left."""
    process, holder = held.core(), held.keeper()
    held.root.joinpath(core.socket).touch()  # our cores have none
    assert await core.stop() == "told"
    assert (core.status, await core.wait()) == (status, status)
    assert held.record == {}
    assert held.left() == []
    assert gone(process)
    assert gone(holder)


async def test_a_polite_core_leaves_at_the_first_rung(held: Held) -> None:
    await check_stop(held, await held.start("polite"), -signal.SIGTERM)


async def test_a_core_that_drains_gets_a_second_sigterm(held: Held) -> None:
    await check_stop(held, await held.start("drains_first"), 0)
    _, first, second = await held.said(3)
    assert 0.1 < float(second) - float(first) < 1.2  # 0.2, if both are heard at once


async def test_a_deaf_core_is_killed(held: Held) -> None:
    await check_stop(held, await held.start("deaf_to_sigterm"), -signal.SIGKILL)


async def test_stop_may_be_called_on_a_core_that_has_ended_and_again(held: Held) -> None:
    core = await held.start("exits_when_told")
    os.kill(core.pid, signal.SIGUSR1)
    assert await core.wait() == 3
    assert held.record["status"] == 3  # for a server that is not there
    assert [await core.stop(), await core.stop()] == ["gone", "gone"]
    assert held.record == {}
    assert held.left() == []


async def test_a_core_ended_by_a_signal_has_it_for_a_status(held: Held) -> None:
    core = await held.start("polite")
    os.kill(core.pid, signal.SIGKILL)
    assert await core.wait() == -signal.SIGKILL
    await core.stop()
    assert held.left() == []


@pytest.mark.parametrize("killed", [False, True])
async def test_a_command_in_the_core_s_group_ends_with_it(held: Held, *, killed: bool) -> None:
    core = await held.start("leaves_a_child")
    command = psutil.Process(int(held.printed()))
    assert os.getpgid(command.pid) == core.pid
    if killed:
        os.kill(core.pid, signal.SIGKILL)
        await core.wait()
        assert gone(command)
    else:
        await check_stop(held, core, -signal.SIGTERM)
    assert gone(command)


@linux
@pytest.mark.parametrize("killed", [False, True])
async def test_commands_out_of_the_core_s_reach_end_with_it(held: Held, *, killed: bool) -> None:
    core = await held.start("leaves_daemons")
    session, daemon = (psutil.Process(int(pid)) for pid in held.printed().split())
    assert session.ppid() == core.pid != os.getsid(session.pid)
    assert daemon.ppid() == held.keeper().pid
    if killed:
        os.kill(core.pid, signal.SIGKILL)
        await core.wait()
    else:
        await check_stop(held, core, -signal.SIGTERM)
    assert gone(session)
    assert gone(daemon)


@linux
async def test_the_end_of_a_daemon_is_not_the_core_s(held: Held) -> None:
    core = await held.start("leaves_daemons")
    daemon = psutil.Process(int(held.printed().split()[1]))
    daemon.kill()
    await held.until(lambda: not psutil.pid_exists(daemon.pid), "the keeper buries the daemon")
    await stays(core)
    await check_stop(held, core, -signal.SIGTERM)


@linux
async def test_an_end_that_the_disk_has_no_room_for_is_told_all_the_same(held: Held) -> None:
    core = await held.start("polite")
    resource.prlimit(held.keeper().pid, resource.RLIMIT_FSIZE, (0, 0))
    await check_stop(held, core, -signal.SIGTERM)


@linux
async def test_a_killed_keeper_takes_its_core_along(held: Held) -> None:
    core = await held.start("deaf_to_sigterm")
    process = held.core()
    held.keeper().kill()
    await ended(process)
    assert await core.wait() is None
    assert await core.stop() == "killed"
    assert held.record == {}
    assert held.left() == []


@linux
@pytest.mark.parametrize("left", ["leaves_a_child", "leaves_daemons"])
async def test_commands_of_a_core_whose_keeper_was_killed_end_when_it_is_stopped(
    held: Held, left: str
) -> None:
    core = await held.start(left)
    commands = [psutil.Process(int(pid)) for pid in held.printed().split()]
    held.keeper().kill()
    assert await core.wait() is None
    assert await core.stop() == "killed"
    assert [gone(command) for command in commands] == [True] * len(commands)
    assert (held.record, held.left()) == ({}, [])


async def test_a_keeper_that_does_not_listen_is_killed_with_its_core(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "STOP", 0.3)
    core = await held.start("leaves_a_child")
    held.keeper().suspend()
    assert await core.stop() == "killed"
    assert core.status is None
    await held.until(lambda: held.left() == [], "nothing is left")


async def test_sigterm_ends_a_keeper_that_has_no_server_and_its_core(held: Held) -> None:
    core = await held.start("polite")
    process, holder = held.core(), held.keeper()
    holder.terminate()
    await stays(core)
    await hang_up(core)
    holder.terminate()
    await ended(holder)
    assert gone(process)
    assert held.record["status"] == -signal.SIGTERM
    assert held.left() == []


async def test_the_next_core_can_be_started_as_soon_as_one_has_ended(held: Held) -> None:
    for _ in range(5):
        await hang_up(await held.start("polite", Bond(30.0)))
        core = await held.adopted()
        await core.stop()  # not our child: nothing but its words tells us that it is gone
        assert held.record == {}
        assert held.is_free()
        held.places.core_output.unlink()
