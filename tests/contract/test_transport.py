"""Messages to and from a core: the Unix socket against a real server, stdio against a child."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, unix_serve
from websockets.http11 import Request
from websockets.server import ServerProtocol

from codex_http_server.engine.transport import (
    SocketTransport,
    StdioTransport,
    Transport,
    connect_socket,
)

PATIENCE = 10.0  # seconds
BIG = b"x" * 5_000_000
Handler = Callable[[ServerConnection], Awaitable[None]]


class Ears:
    """What arrived, and the means to wait for it."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.lost = asyncio.Event()
        self.times_lost = 0

    def on_message(self, message: bytes) -> None:
        self.heard.put_nowait(message)

    def on_lost(self) -> None:
        self.times_lost += 1
        self.lost.set()

    async def next(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()

    async def end(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.lost.wait()


@pytest.fixture
async def ears() -> Ears:
    return Ears()


@asynccontextmanager
async def core(handler: Handler, ears: Ears) -> AsyncIterator[Transport]:
    """A connection to a WebSocket server that does what `handler` says."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "core.sock")
        async with unix_serve(handler, path, max_size=None, compression=None):
            transport = await connect_socket(path, ears.on_message, ears.on_lost)
            try:
                yield transport
            finally:
                transport.close()
                await ears.end()


async def echo(core: ServerConnection) -> None:
    async for message in core:
        await core.send(message)


async def stay(core: ServerConnection) -> None:
    await core.wait_closed()


# --- the socket ----------------------------------------------------------------------------


async def test_a_message_goes_there_and_back_and_is_bytes(ears: Ears) -> None:
    async with core(echo, ears) as transport:
        for message in (b"{}", '{"a":"é\U0001f642"}'.encode(), b""):
            transport.send(message)
            assert await ears.next() == message


async def test_messages_keep_their_order(ears: Ears) -> None:
    async with core(echo, ears) as transport:
        for number in range(2000):
            transport.send(b"%d" % number)
        assert [await ears.next() for _ in range(2000)] == [b"%d" % n for n in range(2000)]


async def test_a_message_of_5_mb_arrives_whole_both_ways(ears: Ears) -> None:
    async with core(echo, ears) as transport:
        transport.send(BIG)
        transport.send(b"after")
        assert [await ears.next(), await ears.next()] == [BIG, b"after"]


async def test_a_message_in_fragments_arrives_as_one(ears: Ears) -> None:
    async def talk(core: ServerConnection) -> None:
        await core.send(["He", "", "llo ", "you"])
        await core.send("whole")
        await core.send(["", "late"])
        await core.send([BIG[:2_000_000].decode(), BIG[2_000_000:].decode()])
        await stay(core)

    async with core(talk, ears):
        heard = [await ears.next() for _ in range(4)]
    assert heard == [b"Hello you", b"whole", b"late", BIG]


async def test_a_ping_between_fragments_disturbs_nothing_and_is_answered(ears: Ears) -> None:
    answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def talk(core: ServerConnection) -> None:
        async def pieces() -> AsyncIterator[str]:
            yield "one "
            answered.set_result(await (await core.ping()))
            yield "message"

        await core.send(pieces())
        await stay(core)

    async with core(talk, ears):
        assert await ears.next() == b"one message"
    assert answered.done()


async def test_what_arrives_byte_by_byte_is_put_together(ears: Ears) -> None:
    async def talk(core: ServerConnection) -> None:
        await core.send("first")
        await core.send("second" * 100)
        await stay(core)

    with tempfile.TemporaryDirectory() as folder:
        behind, before = str(Path(folder) / "a.sock"), str(Path(folder) / "b.sock")
        slow = await asyncio.start_unix_server(drip(behind), before)
        async with unix_serve(talk, behind, compression=None), slow:
            transport = await connect_socket(before, ears.on_message, ears.on_lost)
            assert [await ears.next(), await ears.next()] == [b"first", b"second" * 100]
            transport.close()
            await ears.end()


def drip(target: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """A proxy that hands on the server's bytes one at a time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(target)

        async def upwards() -> None:
            while data := await reader.read(4096):
                up_writer.write(data)
            up_writer.close()

        sending = asyncio.create_task(upwards())
        while data := await up_reader.read(1):
            writer.write(data)
            await writer.drain()
        await sending
        writer.close()

    return serve


@pytest.mark.parametrize(
    "bad",
    [
        b"\xc1\x01x",  # a reserved bit
        b"\x81\x81abcdx",  # a mask, which only clients use
        b"\x81\x7f\x00\x00\x00\x00\x10\x00\x00\x01",  # a byte past MAX_MESSAGE
        b"\x80\x01x",  # the end of a message that never began
        b"\x01\x01x\x81\x01y",  # a message in the middle of another
        b"\x83\x01x",  # an unknown kind
        b"\x09\x01x",  # a ping in fragments
    ],
    ids=lambda bad: bad[:10].hex(),
)
async def test_a_core_that_breaks_the_rules_is_a_loss_told_once(ears: Ears, bad: bytes) -> None:
    async def talk(core: ServerConnection) -> None:
        core.transport.write(b"\x81\x04good" + bad + b"\x81\x04late")
        await stay(core)

    async with core(talk, ears):
        assert await ears.next() == b"good"
        await ears.end()
    assert ears.times_lost == 1
    assert ears.heard.empty()


async def test_messages_right_behind_the_handshake_arrive(ears: Ears) -> None:
    async def hurry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        server = ServerProtocol()
        server.receive_data(asked.encode())
        (request,) = server.events_received()
        assert isinstance(request, Request)
        server.send_response(server.accept(request))
        server.send_text(b"first")
        server.send_text(b"second")
        sent = b"".join(server.data_to_send())
        for piece in (sent[:40], sent[40:-3], sent[-3:]):
            writer.write(piece)
            await writer.drain()
        await reader.read()
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "core.sock")
        async with await asyncio.start_unix_server(hurry, path):
            transport = await connect_socket(path, ears.on_message, ears.on_lost)
            assert [await ears.next(), await ears.next()] == [b"first", b"second"]
            transport.close()
            await ears.end()


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_a_close_of_the_core_is_a_loss_told_once(ears: Ears, code: int) -> None:
    async def leave(core: ServerConnection) -> None:
        await core.recv()
        await core.send("bye")
        await core.close(code)

    async with core(leave, ears) as transport:
        transport.send(b"go")
        assert await ears.next() == b"bye"
        await ears.end()
        transport.send(b"too late")
    assert ears.times_lost == 1


async def test_a_core_that_dies_without_a_close_is_a_loss_told_once(ears: Ears) -> None:
    async def die(core: ServerConnection) -> None:
        core.transport.abort()

    async with core(die, ears):
        await ears.end()
    assert ears.times_lost == 1


async def test_our_close_may_be_called_twice_and_is_told(ears: Ears) -> None:
    async with core(stay, ears) as transport:
        transport.close()
        transport.close()
        await ears.end()
        transport.send(b"too late")
    assert ears.times_lost == 1


async def test_where_no_one_listens_connecting_is_refused(ears: Ears, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await connect_socket(str(tmp_path / "none.sock"), ears.on_message, ears.on_lost)
    server = await asyncio.start_unix_server(lambda *_: None, tmp_path / "old.sock")
    server.close()
    with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
        await connect_socket(str(tmp_path / "old.sock"), ears.on_message, ears.on_lost)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"", b"\r\n\r\n", b"x" * 20_000],
    ids=lambda answer: answer[:12].decode(),
)
async def test_a_listener_that_refuses_the_handshake_is_a_connection_error(
    ears: Ears, tmp_path: Path, answer: bytes
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    path = str(tmp_path / "odd.sock")
    async with await asyncio.start_unix_server(refuse, path), asyncio.timeout(PATIENCE):
        with pytest.raises(ConnectionError):
            await connect_socket(path, ears.on_message, ears.on_lost)


async def test_a_listener_that_never_answers_is_given_up(
    ears: Ears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codex_http_server.engine.transport.CONNECT", 0.05)
    left = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        left.set()

    path = str(tmp_path / "deaf.sock")
    async with await asyncio.start_unix_server(deaf, path), asyncio.timeout(PATIENCE):
        with pytest.raises(TimeoutError):
            await connect_socket(path, ears.on_message, ears.on_lost)
        await left.wait()  # our end was closed, not forgotten


async def test_nothing_is_sent_before_the_handshake(ears: Ears) -> None:
    SocketTransport(ears.on_message, ears.on_lost).send(b"too early")


# --- stdio ---------------------------------------------------------------------------------

ECHO = "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.flush()"


@asynccontextmanager
async def child(code: str, ears: Ears, limit: int = 64 << 20) -> AsyncIterator[Transport]:
    """A transport to a Python process that runs `code`."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=pipe, stdout=pipe, limit=limit
    )
    assert process.stdout is not None
    assert process.stdin is not None
    transport = StdioTransport(process.stdout, process.stdin, ears.on_message, ears.on_lost)
    try:
        yield transport
    finally:
        transport.close()
        async with asyncio.timeout(PATIENCE):
            await process.wait()
            await ears.end()


async def test_lines_go_there_and_back(ears: Ears) -> None:
    async with child(ECHO, ears) as transport:
        for message in (b"{}", '{"a":"é"}'.encode(), BIG):
            transport.send(message)
            assert (await ears.next()).rstrip(b"\n") == message
    assert ears.times_lost == 1


async def test_a_line_that_comes_in_pieces_is_one_message(ears: Ears) -> None:
    code = "import os\nfor piece in b'{', b'}', b'\\n', b'last': os.write(1, piece)"
    async with child(code, ears):
        assert [await ears.next(), await ears.next()] == [b"{}\n", b"last"]
        await ears.end()


async def test_the_end_of_a_child_is_a_loss_told_once(ears: Ears) -> None:
    async with child("pass", ears) as transport:
        await ears.end()
        transport.send(b"too late")
    assert ears.times_lost == 1


async def test_a_line_past_the_limit_ends_the_connection(ears: Ears) -> None:
    async with child("print('x' * 1500)", ears, limit=1000):
        await ears.end()
    assert ears.heard.empty()


async def test_our_close_of_stdio_ends_the_child_s_input(ears: Ears) -> None:
    async with child(ECHO, ears) as transport:
        transport.send(b"{}")
        await ears.next()
        transport.close()
        transport.close()
        await ears.end()
    assert ears.times_lost == 1
