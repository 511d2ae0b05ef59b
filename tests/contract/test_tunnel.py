"""A tunnel between a client and the core, on two real sockets: how each end's death is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from codex_http_server.engine.bounds import close_frame
from codex_http_server.engine.tunnel import CORE_LEFT, Line, Tunnel

PONG = b"\x8a\x80mask"  # of a client: masked, empty


async def line(end: socket.socket) -> Line:
    return Line(*await asyncio.open_connection(sock=end))


def passed_on(act: Callable[[socket.socket, socket.socket], object]) -> bytes:
    """What a client is told to the end, after `act(client, core)` on the far ends of a tunnel."""

    async def main() -> bytes:
        (ours, client), (to_core, core) = socket.socketpair(), socket.socketpair()
        tunnel = Tunnel(await line(ours), await line(to_core), lambda: True, beat=60)
        running = asyncio.create_task(tunnel.run())
        reader, writer = await asyncio.open_connection(sock=client)
        await reader.readexactly(2)  # the ping that it starts with: it runs
        act(client, core)
        told = await reader.read()
        writer.close()
        await running
        core.close()
        return told

    return asyncio.run(asyncio.wait_for(main(), 20))


def answer_a_dead_core(client: socket.socket, core: socket.socket) -> None:
    """The core reads no more, and what the client sends is the first to meet that."""
    core.shutdown(socket.SHUT_RD)
    client.send(PONG)


def leave(_client: socket.socket, core: socket.socket) -> None:
    core.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("act", [answer_a_dead_core, leave])
def test_a_core_that_left_is_told_whoever_met_it_first(
    act: Callable[[socket.socket, socket.socket], None],
) -> None:
    assert passed_on(act) == close_frame(*CORE_LEFT)
