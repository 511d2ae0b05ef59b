"""Who is at a home's control socket, and whether it is to be joined."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve

from codex_http_server.engine import meeting
from codex_http_server.engine.daemon import CONTROL
from codex_http_server.engine.meeting import meet

NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with the folder of the control socket. Its path is short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="meet"))
    (made / CONTROL).parent.mkdir(mode=0o700)
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def listening(home: Path, agent: str | None) -> AsyncIterator[None]:
    """Something that answers `initialize` as a core that calls itself so; None: it says nothing."""

    async def talk(line: ServerConnection) -> None:
        async for message in line:
            said: dict[str, Any] = json.loads(message)
            if agent is not None and "id" in said:
                await line.send(json.dumps({"id": said["id"], "result": {"userAgent": agent}}))

    async with unix_serve(talk, str(home / CONTROL)):
        yield


async def test_nobody_is_there(home: Path, tmp_path: Path) -> None:
    assert (await meet(home)).presence == "none"
    assert (await meet(tmp_path)).presence == "none"


async def test_a_socket_that_a_killed_daemon_left_is_nobody(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(home / CONTROL))
    assert (await meet(home)).presence == "none"


async def test_a_link_that_leads_nowhere_is_nobody(home: Path) -> None:
    (home / CONTROL).symlink_to(home / "gone")
    assert (await meet(home)).presence == "none"


@pytest.mark.parametrize("name", ["codex_vscode", "Codex Desktop", "a/b c"])
async def test_one_of_our_version_is_healthy_whoever_was_its_first_client(
    home: Path, name: str
) -> None:
    async with listening(home, f"{name}/0.163.2 (Debian 12.0.0; x86_64) unknown (x; 1)"):
        met = await meet(home)
    assert (met.presence, met.version) == ("healthy", "0.163.2")
    assert met.daemon is not None
    assert met.daemon.pid == os.getpid()


async def test_another_version_is_refused_in_words(home: Path) -> None:
    async with listening(home, "codex/0.99.0 (Debian)"):
        met = await meet(home)
    assert met.presence == "strange"
    assert "codex 0.99.0" in met.words
    assert "0.163" in met.words


async def test_one_without_a_version_is_refused(home: Path) -> None:
    async with listening(home, "codex"):
        assert (await meet(home)).presence == "strange"


async def test_one_that_says_nothing_is_mute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "ANSWER", 0.2)
    async with listening(home, None):
        met = await meet(home)
    assert met.presence == "mute"
    assert str(os.getpid()) in met.words


def opened(home: Path) -> None:
    (home / CONTROL).parent.chmod(0o770)


def led_elsewhere(home: Path) -> None:
    """As Codex does it, but into a folder where others may write."""
    (home / "open").mkdir()
    (home / "open").chmod(0o777)
    (home / CONTROL).rename(home / "open/socket")
    (home / CONTROL).symlink_to(home / "open/socket")


def given_away(home: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(home / CONTROL, NOBODY, NOBODY)


def folder_given_away(home: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown((home / CONTROL).parent, NOBODY, NOBODY)


@pytest.mark.parametrize("spoil", [opened, led_elsewhere, given_away, folder_given_away])
async def test_what_others_may_have_put_there_is_not_spoken_to(
    home: Path, spoil: Callable[[Path], None]
) -> None:
    async with listening(home, "codex/0.163.0"):
        spoil(home)
        met = await meet(home)
    assert (met.presence, met.daemon) == ("foreign", None)
    assert "left alone" in met.words


async def test_a_listener_of_another_user_is_not_spoken_to(home: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can become another user")
    script = (
        "import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]);"
        f"os.chmod(sys.argv[1], 0o777); os.setuid({NOBODY}); s.listen();"
        "print(1, flush=True); s.accept()[0].recv(100) and os._exit(7)"
    )
    other = await asyncio.create_subprocess_exec(
        "python3", "-c", script, str(home / CONTROL), stdout=asyncio.subprocess.PIPE
    )
    assert other.stdout is not None
    await other.stdout.readline()
    met = await meet(home)
    assert (met.presence, met.daemon) == ("foreign", None)
    assert "another user" in met.words
    assert await asyncio.wait_for(other.wait(), 10) == 0, "it was told something"
