"""GET /search on a real server and core: said, found; taken back, deleted, killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from tests.support.codes import refused
from tests.support.server import Json, Server, Site, start
from tests.support.shared import server_at, site_at

pytestmark = pytest.mark.core

UNKNOWN = "019f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all: each test has words of its own."""
    with server_at(tmp_path_factory.mktemp("search")) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    return server.site


def search(server: Server, q: str, **params: Any) -> list[Json]:
    page = server.get("/search", params={"q": q} | params)
    assert page["complete"]
    return page["data"]


def marked(hit: Json) -> list[str]:
    text = hit["snippet"]["text"]
    return [text[each["start"] : each["end"]] for each in hit["snippet"]["matches"]]


def say(server: Server, here: str, message: str, reply: str) -> str:
    server.site.provider.expect(Text(reply))
    return str(server.run(here, message)["turn_id"])


def test_what_was_said_is_found_where_it_was_said(server: Server) -> None:
    here = server.conversation(title="Wombat house")
    turn = say(server, here, "where do wombats live?", "A Wombat lives in a burrow.")
    answer, message = search(server, "wombat*", kind=["message", "answer"])
    assert (answer["kind"], message["kind"]) == ("answer", "message")
    assert {answer["turn_id"], message["turn_id"]} == {turn}
    assert marked(answer) == ["Wombat"]
    assert marked(message) == ["wombats"]
    (told,) = [e for e in server.events(here) if e["seq"] == answer["seq"]]
    assert (told["type"], told["item_id"]) == ("item/completed", answer["item_id"])
    first = search(server, "wombat")[0]
    assert (first["kind"], first["seq"], first["conversation_id"]) == ("title", None, here)
    assert search(server, '"lives in a burrow"')[0]["kind"] == "answer"
    assert search(server, '"burrow lives"') == []


def test_a_new_title_is_found_and_the_old_one_not(server: Server) -> None:
    here = server.conversation(title="Quokka")
    assert [hit["title"] for hit in search(server, "quokka")] == ["Quokka"]
    server.client.patch(f"/conversations/{here}", json={"title": "Numbat"})
    assert search(server, "quokka") == []
    assert [hit["title"] for hit in search(server, "numb", prefix=True)] == ["Numbat"]


def test_what_was_taken_back_is_not_found_and_what_is_sent_again_once(server: Server) -> None:
    here = server.conversation()
    say(server, here, "first axolotl", "kept axolotl")
    turn = say(server, here, "second axolotl", "gone axolotl")
    assert len(search(server, "axolotl")) == 4
    server.post(f"/conversations/{here}/revert", {"before_turn_id": turn}, 200)
    texts = [hit["snippet"]["text"] for hit in search(server, "axolotl")]
    assert texts == ["kept axolotl", "first axolotl"]


def test_a_retried_message_is_found_once(server: Server) -> None:
    here = server.conversation()
    gate = Gate()
    server.site.provider.expect(Text(["half an olingo", gate]))
    sent = server.send(here, "draw an olingo")
    with server.read(here, f"?after={sent['events'].split('=')[-1]}") as reader:
        reader.wait(lambda e: e["type"] == "item/agentMessage/delta")
        server.post(f"/conversations/{here}/interrupt", None)
        reader.wait(lambda e: e["type"] == "turn/completed")
    gate.open()
    broken = search(server, "olingo", kind="answer")
    assert [hit["status"] for hit in broken] in ([], ["discarded"])
    server.site.provider.expect(Text("a whole olingo"))
    server.post(f"/conversations/{here}/retry?wait=20", None)
    assert [hit["kind"] for hit in search(server, "olingo")] == ["answer", "message"]


def test_commands_are_found_only_where_that_is_asked(server: Server) -> None:
    here = server.conversation()
    server.site.provider.expect(Command("printf '\\033[31mpang\\033[0molin\\n'"))
    say(server, here, "run it", "Done.")
    assert search(server, "pangolin") == []
    (hit,) = search(server, "pangolin", kind=["command", "output"])
    assert (hit["kind"], hit["snippet"]["text"]) == ("output", "pangolin\n")


def test_filters_and_pages(server: Server) -> None:
    ids = [server.conversation(title=f"Tapir {number}") for number in range(5)]
    server.post(f"/conversations/{ids[0]}/archive")
    found = search(server, "tapir")
    assert [hit["conversation_id"] for hit in found] == ids[::-1]
    assert [hit["archived"] for hit in found] == [False] * 4 + [True]
    assert len(search(server, "tapir", archived=True)) == 1
    assert len(search(server, "tapir", archived=False)) == 4
    assert len(search(server, "tapir", conversation=ids[1:3])) == 2
    assert search(server, "tapir", working_directory="/nowhere") == []
    assert len(search(server, "tapir", working_directory=str(server.site.project))) == 5
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        page = server.get("/search", params={"q": "tapir", "limit": 2} | more)
        seen += [hit["conversation_id"] for hit in page["data"]]
        cursor = page["next_cursor"]
    assert seen == ids[::-1]


def test_a_deleted_conversation_is_found_no_more_and_its_words_are_gone(server: Server) -> None:
    here, other = server.conversation(title="Okapi"), server.conversation(title="Okapi too")
    say(server, here, "an okapiword", "the okapiword")
    assert len(search(server, "okapi*")) == 4
    answer = server.client.delete(f"/conversations/{here}")
    assert answer.json()["wiped"]
    assert [hit["conversation_id"] for hit in search(server, "okapi*")] == [other]
    data = next(server.site.root.rglob("log.db"))
    left = [p.name for p in data.parent.glob("log.db*") if b"okapiword" in p.read_bytes()]
    assert left == []


def test_what_is_wrong_names_its_field(server: Server) -> None:
    for params, field in (
        ({"q": ""}, "q"),
        ({"q": "   "}, "q"),
        ({"q": "x" * 501}, "q"),
        ({"q": "x" * 10_240}, "q"),
        ({"q": "a " * 33}, "q"),
        ({}, "q"),
        ({"q": "a", "limit": 0}, "limit"),
        ({"q": "a", "limit": 101}, "limit"),
        ({"q": "a", "kind": "thought"}, "kind.0"),
        ({"q": "a", "archived": "perhaps"}, "archived"),
    ):
        body = refused(server.client.get("/search", params=params), 422, "invalid_request")
        assert [each["field"] for each in body["errors"]] == [field]
    for cursor in ("zz", "-1", "0x1", "é", "f" * 17, "\0"):
        answer = server.client.get("/search", params={"q": "a", "cursor": cursor})
        refused(answer, 400, "bad_cursor")
    unknown = server.client.get("/search", params={"q": "a", "conversation": UNKNOWN})
    refused(unknown, 404, "conversation_not_found")


ODD = [
    '"', '""', '"a', 'a"b"c', "*", "**", "a*b", "a**", "'", "''", ";--", "(", ")", "a AND", "OR",
    "NOT a", "NEAR(a b)", "title:a", "{title} : a", "^a", "a + b", "a\0b", "\0", "\x02a\x03",
    "\x1f", "\U0010ffff", "-", "->", "a-b", "%", "_", "\\", "[a]",
    "🚀", "👩‍👩‍👧", "日本語", "ﷺ", "é", "\u200b", "\ufdd0", "\ufffd",
    "½", "Ⅷ", "\u0301", "x" * 500, '"' * 500, "* " * 250, "日" * 500,
]  # fmt: skip


def test_odd_queries_are_text(server: Server) -> None:
    here = server.conversation()
    say(server, here, "odd", "a b c AND OR NOT NEAR title 🚀 日本語 ½")
    for q in ODD:
        answer = server.client.get("/search", params={"q": q})
        words = answer.json().get("detail", "")
        assert answer.status_code == 200 or "q: should have" in words, (q, answer.text)
    assert [hit["kind"] for hit in search(server, "NOT NEAR")] == ["answer"]


# --- deaths -----------------------------------------------------------------------------------


def test_it_survives_kills_and_stops_and_finds_nothing_twice(tmp_path: Path) -> None:
    with site_at(tmp_path) as site:
        for life in range(4):
            with start(site) as server:
                here = server.get("/conversations")["data"] or [{"id": server.conversation()}]
                assert len(search(server, "gecko")) == 2 * life
                say(server, here[0]["id"], f"message{life} gecko", f"answer{life} gecko")
                if life % 2:
                    assert len(search(server, "gecko")) == 2 * (life + 1)
                if life < 2:
                    server.kill()


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    with site_at(tmp_path) as site:
        with start(site) as server:
            server.wait_ready()
            say(server, server.conversation(), "the gecko", "a gecko")
            assert len(search(server, "gecko")) == 2
        with closing(sqlite3.connect(next(site.root.rglob("log.db")))) as look:
            look.execute("UPDATE search_text_data SET block = x'00' WHERE id > 10")
            look.commit()
        with start(site) as server:
            answer = server.client.get("/search", params={"q": "gecko"})
            refused(answer, 503, "search_unavailable")
            assert len(search(server, "gecko")) == 2
            assert server.get("/health")["status"] == "ok"
