"""The order in which what a request shows is looked at, and what stands before the cookie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codex_http_server.api.recognise import Recogniser
from codex_http_server.auth.attempts import Attempts
from codex_http_server.auth.callers import LOCAL, Caller, Scope
from codex_http_server.auth.keyring import Keyring
from codex_http_server.auth.pages import Sessions
from codex_http_server.auth.tickets import Stream, Tickets
from codex_http_server.errors import AgentSelfAccess, ForwardedNotAllowed, InvalidToken
from tests.support.access import make_token


class House:
    """A recogniser, with a key to everything. `agent`: local callers are the agent's."""

    def __init__(self, path: Path) -> None:
        self.agent = False
        self.asked = 0
        self.sessions, self.tickets = Sessions(), Tickets()
        self.keyring = Keyring(path, None)
        self.token = make_token(path, "a")
        self.cookie = f"codex_http_3032={self.sessions.begin()}"
        self.ticket = self.tickets.make(Stream.of("/events", []), LOCAL)
        self.recognise = self.make()

    def make(self, *, require_token: bool = False) -> Recogniser:
        return Recogniser(
            local=self.local,
            keyring=self.keyring,
            tickets=self.tickets,
            sessions=self.sessions,
            attempts=Attempts(),
            require_token=require_token,
        )

    async def local(self, scope: Any) -> Caller:
        self.asked += 1
        if self.agent:
            raise AgentSelfAccess("the agent")
        return LOCAL


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "tokens.json")


def asks(client: str | None = "127.0.0.1", query: str = "", **headers: str) -> dict[str, Any]:
    """The scope of `GET /events`."""
    named = {"host": "127.0.0.1:3032", "accept": "text/event-stream"} | headers
    return {
        "type": "http",
        "method": "GET",
        "path": "/events",
        "query_string": query.encode(),
        "client": (client, 5) if client else None,
        "server": ("127.0.0.1", 3032),
        "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in named.items()],
    }


async def test_a_cookie_that_the_agent_has_come_to_have_is_no_use_to_it(house: House) -> None:
    found = await house.recognise(asks(cookie=house.cookie))
    assert found.may(Scope.ELEVATE)
    house.agent = True
    for recognise in (house.recognise, house.make(require_token=True)):
        with pytest.raises(AgentSelfAccess):
            await recognise(asks(cookie=house.cookie))


async def test_a_token_or_a_ticket_is_proof_enough_for_anybody(house: House) -> None:
    house.agent = True
    for client in ("127.0.0.1", "192.0.2.9"):
        found = await house.recognise(asks(client, authorization=f"Bearer {house.token}"))
        assert found.name == "token:a"
        found = await house.recognise(asks(client, query=f"ticket={house.ticket}"))
        assert found.via == "ticket"
    assert house.asked == 0


async def test_the_header_counts_before_the_ticket_and_that_before_the_cookie(
    house: House,
) -> None:
    ticket = f"ticket={house.ticket}"
    given = {"authorization": f"Bearer {house.token}", "cookie": house.cookie}
    assert (await house.recognise(asks(query=ticket, **given))).via == "token"
    del given["authorization"]
    assert (await house.recognise(asks(query=ticket, **given))).via == "ticket"
    assert (await house.recognise(asks(**given))).via == "page"
    with pytest.raises(InvalidToken):
        await house.recognise(asks(query=ticket, authorization="Bearer x", cookie=house.cookie))


@pytest.mark.parametrize("client", ["192.0.2.9", "::ffff:192.0.2.9", "fe80::1%eth0", None])
async def test_from_beyond_loopback_or_nowhere_the_cookie_is_nothing(
    house: House, client: str | None
) -> None:
    found = await house.recognise(asks(client, cookie=house.cookie))
    assert (found.via, found.scopes) == ("none", frozenset())
    assert house.asked == 0


async def test_through_a_proxy_the_cookie_is_refused(house: House) -> None:
    with pytest.raises(ForwardedNotAllowed):
        await house.recognise(asks(cookie=house.cookie, x_forwarded_for="127.0.0.1"))


async def test_where_a_token_is_needed_a_local_caller_is_nobody(house: House) -> None:
    recognise = house.make(require_token=True)
    assert (await recognise(asks())).via == "none"
    assert house.asked == 1, "who may not call at all hears that"
    assert (await recognise(asks(cookie=house.cookie))).via == "page"
