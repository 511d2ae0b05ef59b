"""Who watches a run is shown the answers of our servers, however asked for, and no others."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support import seen


def answering(request: httpx.Request) -> httpx.Response:
    """A server of ours at /ours, and another."""
    ours = {seen.OUR_HEADER: "1"} if request.url.path == "/ours" else {}
    return httpx.Response(200, headers=ours, text="well")


TRANSPORT = httpx.MockTransport(answering)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a watcher is shown meanwhile."""
    found: list[str] = []
    monkeypatch.setattr(seen, "_ANSWERS", [])
    seen.watch(answers=lambda answer: found.append(answer.request.url.path))
    return found


def test_answers_of_ours(shown: list[str]) -> None:
    with httpx.Client(transport=TRANSPORT, base_url="http://localhost") as client:
        client.get("/other")
        client.get("/ours")
    assert shown == ["/ours"]


def test_answers_to_an_async_client(shown: list[str]) -> None:
    async def main() -> None:
        async with httpx.AsyncClient(transport=TRANSPORT, base_url="http://localhost") as client:
            await client.get("/other")
            await client.get("/ours")

    asyncio.run(main())
    assert shown == ["/ours"]
