"""A line to a server that does what it likes: every wait ends, and what came is kept."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from codex_http_server.testing.attack.answers import BODY_MOST, CLOSED
from codex_http_server.testing.attack.target import Target, target
from codex_http_server.testing.attack.wire import Unreachable, connect

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Target]:
    """A server that does `serve` with each connection."""
    ended: list[asyncio.Task[None]] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.append(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    try:
        yield target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
        for task in ended:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*ended, return_exceptions=True), 5)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_silence_ends_with_the_time() -> None:
    async with serving(silent) as there, await connect(there) as line:
        start = time.monotonic()
        answer = await line.ask(b"GET / HTTP/1.1\r\n\r\n", 0.2)
        assert (answer.status, answer.silent) == (CLOSED, True)
        assert not await line.ends_within(0.2)
        assert time.monotonic() - start < 3


async def test_answers_are_read_one_by_one() -> None:
    async def two(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + OK[:10])
        await writer.drain()
        await reader.readexactly(1)
        writer.write(OK[10:])
        await writer.drain()

    async with serving(two) as there, await connect(there) as line:
        assert (await line.ask(b"GET / HTTP/1.1\r\n\r\n")).body == b"ok"
        assert (await line.answer(0.1)).silent
        assert (await line.ask(b"x")).body == b"ok"
        assert not (await line.answer()).silent


async def test_what_was_said_before_the_line_was_cut_is_kept() -> None:
    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(OK)
        await writer.drain()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    async with serving(refuses) as there, await connect(there) as line:
        assert (await line.ask(endless(), 5)).status == 200
        assert await line.ends_within(5)
        assert not await line.send(b"more")


async def test_an_answer_without_an_end_is_bounded() -> None:
    async def floods(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(floods) as there, await connect(there) as line:
        answer = await line.ask(b"GET / HTTP/1.1\r\n\r\n", 10)
        assert answer.good
        assert len(answer.body) == BODY_MOST


async def test_a_server_that_reads_nothing_holds_the_sender_up_for_a_time_only() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    async with serving(deaf) as there, await connect(there) as line:
        assert (await line.ask(endless(), 0.3)).silent


async def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable) as failure:
        await connect(target(f"http://127.0.0.1:{port}"))
    assert not failure.value.denied


async def test_a_unix_socket_is_reached_and_may_be_denied(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answers, path)
    async with server:
        async with await connect(target(f"unix:{path}")) as line:
            assert (await line.ask(b"GET / HTTP/1.1\r\n\r\n")).good
        if os.geteuid() == 0:
            path.chmod(0o600)
            with pytest.raises(Unreachable) as failure:
                await connect(target(f"unix:{path}"), uid=65534)
            assert failure.value.denied
            assert os.geteuid() == 0


@pytest.fixture
def open_socket() -> Iterator[tuple[Target, socket.socket]]:
    """A listening Unix socket that everybody may open."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder) / "s"
        listening.bind(str(path))
        listening.listen(1)
        path.chmod(0o666)
        path.parent.chmod(0o755)
        yield target(f"unix:{path}"), listening


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
async def test_a_line_of_another_user_is_theirs_to_the_kernel(
    open_socket: tuple[Target, socket.socket],
) -> None:
    there, listening = open_socket
    async with await connect(there, uid=65534):
        accepted, _ = listening.accept()
        with accepted:
            credentials = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    assert int.from_bytes(credentials[4:8], "little") == 65534
