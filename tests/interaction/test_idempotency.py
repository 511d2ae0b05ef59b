"""`Idempotency-Key` on POST /conversations: the stored answer, once, across restarts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.codes import refused
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

KEPT = ("content-type", "location")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each test has keys of its own and counts by title."""
    with server_at(tmp_path_factory.mktemp("keys")) as running:
        yield running


def create(server: Server, key: str, **body: Any) -> httpx.Response:
    """POST /conversations with a key."""
    made = {"working_directory": str(server.site.project)} | body
    return server.client.post("/conversations", json=made, headers={"Idempotency-Key": key})


def titled(server: Server, title: str) -> list[str]:
    """The ids of the conversations with this title."""
    return [c["id"] for c in server.get("/conversations?limit=200")["data"] if c["title"] == title]


def same(one: httpx.Response, other: httpx.Response) -> bool:
    """Whether two answers are one: status, body, and the headers that belong to it."""
    return (one.status_code, one.content, *map(one.headers.get, KEPT)) == (
        other.status_code,
        other.content,
        *map(other.headers.get, KEPT),
    )


def test_the_same_key_and_body_get_the_stored_answer_and_one_conversation(server: Server) -> None:
    first = create(server, "once", title="once")
    assert first.status_code == 201
    assert first.headers["location"] == f"/conversations/{first.json()['id']}"
    server.client.patch(first.headers["location"], json={"model": "another"})
    assert all(same(create(server, "once", title="once"), first) for _ in range(3))
    assert titled(server, "once") == [first.json()["id"]]


def test_the_answer_of_a_repeat_has_the_repeats_own_request_id(server: Server) -> None:
    one, other = create(server, "ids", title="ids"), create(server, "ids", title="ids")
    assert one.headers["x-request-id"] != other.headers["x-request-id"]


def test_without_a_key_every_request_makes_a_conversation(server: Server) -> None:
    assert server.conversation(title="keyless") != server.conversation(title="keyless")
    assert len(titled(server, "keyless")) == 2


def test_another_key_makes_another_conversation(server: Server) -> None:
    ids = {create(server, key, title="two").json()["id"] for key in ("a", "b", "a", "A")}
    assert sorted(titled(server, "two")) == sorted(ids)
    assert len(ids) == 3


def test_the_same_key_with_another_body_is_409(server: Server) -> None:
    first = create(server, "taken", title="taken")
    for body in ({"title": "taken2"}, {}, {"title": "taken", "model": "m"}):
        refused(create(server, "taken", **body), 409, "idempotency_key_reused")
    assert same(create(server, "taken", title="taken"), first)
    assert titled(server, "taken2") == []


def test_a_key_belongs_to_its_route(server: Server) -> None:
    made = create(server, "route", title="route").json()
    headers = {"Idempotency-Key": "route"}
    answer = server.client.post("/interrupt", headers=headers)
    assert answer.status_code == 202
    answer = server.client.post(f"/conversations/{made['id']}/interrupt", headers=headers)
    refused(answer, 409, "no_running_turn")


def test_a_refusal_is_stored_too(server: Server, tmp_path: Path) -> None:
    later = tmp_path / "later"
    first = create(server, "refused", working_directory=str(later))
    refused(first, 422, "invalid_working_directory")
    later.mkdir()
    again = create(server, "refused", working_directory=str(later))
    assert (again.status_code, again.json()["code"]) == (422, "invalid_working_directory")
    assert create(server, "fresh", working_directory=str(later)).status_code == 201


def test_two_at_once_with_one_key_make_one_conversation(server: Server) -> None:
    for turn in range(10):
        title = f"both {turn}"
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _, t=title: create(server, t, title=t), range(4)))
        for answer in answers:
            if answer.status_code != 201:
                refused(answer, 409, "request_in_progress")
        made = {a.json()["id"] for a in answers if a.status_code == 201}
        assert titled(server, title) == list(made)
        assert len(made) == 1


def test_a_client_that_leaves_and_comes_back_gets_the_conversation_it_made(server: Server) -> None:
    body = {"working_directory": str(server.site.project), "title": "left"}
    core = server.core()
    core.suspend()
    try:
        with pytest.raises(httpx.TimeoutException):
            httpx.post(
                f"{server.url}/conversations",
                json=body,
                headers={"Idempotency-Key": "left"},
                timeout=0.5,
            )
        refused(create(server, "left", title="left"), 409, "request_in_progress")
    finally:
        core.resume()
    while (answer := create(server, "left", title="left")).status_code == 409:
        refused(answer, 409, "request_in_progress")
    assert answer.status_code == 201
    assert titled(server, "left") == [answer.json()["id"]]


def test_a_key_is_known_after_a_restart_and_after_a_kill(site: Site) -> None:
    with start(site) as one:
        first = create(one, "lasting", title="lasting")
        assert first.status_code == 201
    with start(site) as two:
        assert same(create(two, "lasting", title="lasting"), first)
        refused(create(two, "lasting", title="other"), 409, "idempotency_key_reused")
        second = create(two, "killed", title="killed")
        two.kill()
    with start(site) as three:
        assert same(create(three, "lasting", title="lasting"), first)
        assert same(create(three, "killed", title="killed"), second)
        assert [len(titled(three, title)) for title in ("lasting", "killed")] == [1, 1]


def test_a_5xx_is_not_kept(site: Site) -> None:
    binary = site.root / "codex"
    binary.write_text("#!/bin/sh\nexit 7\n")
    binary.chmod(0o755)
    with start(site, "--codex-bin", str(binary), "--core-wait", "0.1") as coreless:
        refused(create(coreless, "again"), 503, "core_unavailable")
        refused(create(coreless, "again"), 503, "core_unavailable")
    with start(site) as server:
        answer = create(server, "again")
        assert answer.status_code == 201
        assert same(create(server, "again"), answer)
