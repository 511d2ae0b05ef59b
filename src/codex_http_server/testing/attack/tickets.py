"""Tickets open one event stream each; a page's code begins one session. Neither is more.

An EventSource can't send a header, so these stand in addresses: whoever finds one must have
nothing of it but what it was made for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from codex_http_server.testing.attack.attacks import Verdict, attack, broken, held, hole, skipped
from codex_http_server.testing.attack.stage import Stage
from codex_http_server.testing.attack.tokens import guess

STREAM = "Accept: text/event-stream"
NONE = "this server has no tickets"
WRONG = (400, 401)
READ_ON = 8.0  # seconds in which the first of two readers must end


async def _ticket(stage: Stage, path: str) -> str:
    """A ticket for a stream; empty where none can be had."""
    body = b'{"path":"%s"}' % path.encode()
    answer = await stage.ask(stage.request("POST", "/tickets", kind="application/json", body=body))
    found = answer.json.get("ticket")
    return found if isinstance(found, str) else ""


def _with_ticket(
    use: Callable[[Stage, str], Awaitable[Verdict]],
) -> Callable[[Stage], Awaitable[Verdict]]:
    """Give an attack a ticket for /events; it is skipped where there are none."""

    async def run(stage: Stage) -> Verdict:
        ticket = await _ticket(stage, "/events")
        return await use(stage, ticket) if ticket else skipped(NONE)

    run.__name__, run.__module__ = use.__name__, use.__module__
    return run


@attack("A stream could be opened by whoever guesses.")
async def guessed_tickets(stage: Stage) -> Verdict:
    values = {
        "a guess": guess("chs_"),
        "nothing": "",
        "a token": guess(),
        "a word": "ticket",
        "a path": "../../tickets",
        "10,000 characters": "t" * 10_000,
    }
    cases = {
        name: stage.get(f"/events?ticket={value}", STREAM, token="")
        for name, value in values.items()
    }
    return await stage.refused(cases, *WRONG, head_only=True)


@attack("A ticket that was found in a log would open other streams, and other routes.")
@_with_ticket
async def a_ticket_elsewhere(stage: Stage, ticket: str) -> Verdict:
    none = "00000000-0000-7000-8000-000000000000"
    query = f"ticket={ticket}"
    kind, body = "application/json", stage.body()
    cases = {
        "another stream": stage.get(f"/conversations/{none}/events?{query}", STREAM, token=""),
        "no stream": stage.get(f"/events?{query}", token=""),
        "a long poll": stage.get(f"/events?wait=1&{query}", token=""),
        "other events": stage.get(f"/events?account=1&{query}", STREAM, token=""),
        "the list": stage.get(f"/conversations?{query}", token=""),
        "the list as a stream": stage.get(f"/conversations?{query}", STREAM, token=""),
        "another spelling": stage.get(f"/events/?{query}", STREAM, token=""),
        "a POST": stage.request("POST", f"/conversations?{query}", token="", kind=kind, body=body),
        "another ticket": stage.request(
            "POST", f"/tickets?{query}", token="", kind=kind, body=b'{"path":"/events"}'
        ),
        "as a token": stage.probe(f"Authorization: Bearer {ticket}", token=""),
        "of a foreign page": stage.get(
            f"/events?{query}", STREAM, "Origin: http://evil.example", token=""
        ),
        "with another beside it": stage.get(
            f"/events?ticket={guess('chs_')}&{query}x", STREAM, token=""
        ),
    }
    return await stage.refused(cases, *WRONG, 404, head_only=True)


@attack("Two could read with one ticket: whoever found it, and its owner, who would not know.")
@_with_ticket
async def a_ticket_used_twice(stage: Stage, ticket: str) -> Verdict:
    data = stage.get(f"/events?after=latest&ticket={ticket}", STREAM, token="")
    stage.requests += 2
    async with await stage.line() as first, await stage.line() as second:
        opened = await first.ask(data, head_only=True)
        again = await second.ask(data, head_only=True)
        one_ended = again.status != 200 or await first.ends_within(READ_ON)
    if opened.status != 200:
        return skipped(f"the ticket did not open its stream: {opened}")
    if one_ended:
        return held()
    return broken("both read on", hole("the second reader", data, "200, and the first goes on"))
