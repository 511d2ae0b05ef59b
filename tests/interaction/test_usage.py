"""What was used: rate limits as the core knows them, and what the turns of this server took."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from codex_http_server.engine.rpc import Peer
from codex_http_server.engine.transport import connect_socket
from codex_http_server.testing.answers import Command, Fail, Gate, Headers, Text, Usage
from tests.support.backend import backend, limits, sign_in
from tests.support.server import PATIENCE, Server, Site, start

PERCENT = "x-codex-primary-used-percent"


def used(server: Server, conversation: str, query: str = "") -> Any:
    return server.get(f"/conversations/{conversation}/usage{query}")


def counts(**given: int) -> dict[str, int]:
    names = ("input", "cached_input", "cache_write_input", "output", "reasoning_output", "total")
    return dict.fromkeys(names, 0) | given


def core_asks(site: Site, method: str, **params: Any) -> None:
    """Ask the core as another client of it would."""
    asyncio.run(_core_asks(site, method, params))


async def _core_asks(site: Site, method: str, params: dict[str, Any]) -> None:
    (record,) = (site.root / "state").rglob("core.json")
    peer = Peer(lambda *_: None, lambda *_: None)
    socket = json.loads(record.read_text())["socket"]
    transport = await connect_socket(socket, peer.receive, peer.lost)
    peer.attach(transport)
    client = {"name": "another", "title": None, "version": "1"}
    hello = {"clientInfo": client, "capabilities": {"experimentalApi": True}}
    await peer.request("initialize", hello, deadline=PATIENCE)
    peer.notify("initialized")
    await peer.request(method, params, deadline=PATIENCE)
    transport.close()


# --- rate limits ----------------------------------------------------------------------------


def test_signed_in_the_limits_are_those_of_the_backend(site: Site) -> None:
    with backend() as there:
        sign_in(site, there)
        with start(site) as server:
            server.wait_ready()
            found = server.get("/auth/usage")
            assert found["reason"] is None
            assert found["plan_type"] == "pro"
            assert found["credits"] == {"has_credits": True, "unlimited": False, "balance": "12.3"}
            assert found["rate_limits"] == [
                {
                    "limit_id": "codex",
                    "limit_name": None,
                    "window": window,
                    "used_percent": percent,
                    "window_minutes": minutes,
                    "resets_at": "2026-11-22T16:19:07.000Z",
                    "reached": None,
                }
                for window, percent, minutes in (("primary", 12, 300), ("secondary", 3, 10080))
            ]
            assert found["core"]["rate_limits"]["rateLimits"]["primary"]["usedPercent"] == 12
            assert found["core"]["token_usage"]["summary"]["lifetimeTokens"] == 123
            assert found["fetched_at"]
            assert found["stale"] is False


def test_the_backend_is_asked_once_a_minute_unless_told_to(site: Site) -> None:
    with backend() as there:
        sign_in(site, there)
        with start(site) as server:
            server.wait_ready()
            for _ in range(3):
                server.get("/auth/usage")
            assert there.count("/wham/usage") == 1
            there.answers["/wham/usage"] = limits(50, 4)
            assert server.get("/auth/usage")["rate_limits"][0]["used_percent"] == 12
            found = server.get("/auth/usage?refresh=1")
            assert [row["used_percent"] for row in found["rate_limits"]] == [50, 4]


def test_what_the_core_hears_from_the_model_is_merged_in(site: Site) -> None:
    with backend() as there:
        sign_in(site, there)
        with start(site) as server:
            server.wait_ready()
            server.get("/auth/usage")
            site.provider.expect(Headers({PERCENT: "77"}), Text("fine"))
            with server.read_all() as reader:
                server.run(server.conversation())
                told = reader.wait_type("account/rateLimits/updated")
            assert told["data"]["rateLimits"]["secondary"]["usedPercent"] == 3  # not forgotten
            found = server.get("/auth/usage")
            assert [row["used_percent"] for row in found["rate_limits"]] == [77, 3]
            assert found["credits"]["balance"] == "12.3"


def test_a_backend_that_fails_is_said_and_what_is_known_stays(site: Site) -> None:
    with backend() as there:
        sign_in(site, there)
        with start(site) as server:
            server.wait_ready()
            server.get("/auth/usage")
            del there.answers["/wham/usage"], there.answers["/wham/profiles/me"]
            found = server.get("/auth/usage?refresh=1")
            assert found["reason"] == found["core"]["token_usage_reason"] == "unreadable"
            assert found["rate_limits"][0]["used_percent"] == 12
            assert found["core"]["token_usage"]["summary"]["lifetimeTokens"] == 123


def test_without_a_login_there_are_no_limits_and_a_reason(site: Site) -> None:
    site.configure(requires_openai_auth=True)
    with start(site) as server:
        server.wait_ready()
        found = server.get("/auth/usage")
    assert (found["rate_limits"], found["reason"]) == ([], "not_signed_in")
    assert (found["credits"], found["fetched_at"], found["stale"]) == (None, None, False)
    assert found["core"] == {
        "rate_limits": None,
        "token_usage": None,
        "token_usage_reason": "not_signed_in",
    }


def test_an_api_key_and_a_provider_without_login_are_told_apart(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        assert server.get("/auth/usage")["reason"] == "provider_needs_no_login"
    site.configure(requires_openai_auth=True)
    key = {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-not-a-key"}
    (site.home / "auth.json").write_text(json.dumps(key))
    with start(site) as server:
        server.wait_ready()
        answer = server.client.get("/auth/usage")
        assert answer.json()["reason"] == "api_key"
        assert "sk-not" not in answer.text


def test_the_limits_of_an_account_do_not_outlive_it(site: Site) -> None:
    with backend() as there:
        sign_in(site, there)
        with start(site) as server:
            server.wait_ready()
            assert server.get("/auth/usage")["rate_limits"]
            after = server.get("/events?limit=2000")["next_after"]
            with server.read_all(f"?after={after}") as reader:
                core_asks(site, "account/logout")
                reader.wait_type("account/updated")
            found = server.get("/auth/usage")
            assert (found["rate_limits"], found["reason"]) == ([], "not_signed_in")


def test_without_a_core_the_answer_has_what_is_ours(site: Site) -> None:
    binary = site.root / "codex"
    binary.write_text("#!/bin/sh\nexit 7\n")
    binary.chmod(0o755)
    with start(site, "--codex-bin", str(binary), "--core-wait", "0.2") as server:
        found = server.get("/auth/usage")
    assert (found["rate_limits"], found["reason"]) == ([], "core_unavailable")
    assert found["tokens"]["total"]["turns"] == 0


# --- tokens ---------------------------------------------------------------------------------


def test_a_conversation_says_what_each_turn_took(server: Server, site: Site) -> None:
    conversation = server.conversation()
    assert used(server, conversation)["tokens"] == counts() | {"turns": 0, "minutes": 0}
    site.provider.expect(Text("one"), Usage(1000, 400, 50, 20))
    server.run(conversation)
    site.provider.expect(Command("echo hi"), Usage(2000, 0, 10, 0))
    site.provider.expect(Text("two"), Usage(3000, 0, 10, 0))
    server.run(conversation)
    found = used(server, conversation)
    first = counts(input=1000, cached_input=400, output=50, reasoning_output=20, total=1050)
    second = counts(input=5000, output=20, total=5020)
    assert [turn["tokens"] for turn in found["turns"]] == [second, first]
    assert {turn["usage"] for turn in found["turns"]} == {"reported"}
    assert {turn["caller"] for turn in found["turns"]} == {"local"}
    assert found["tokens"]["total"] == 6070
    assert found["tokens"]["turns"] == 2
    assert found["context"] == {"window": 258400, "used": 3010, "left": 258400 - 3010}
    assert found["core"]["total"]["totalTokens"] == 6070
    assert found["running"] == []


def test_turns_come_by_pages(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.script = lambda _: [Text("fine")]
    ids = [server.run(conversation)["turn_id"] for _ in range(5)]
    seen: list[str] = []
    query = "?limit=2"
    while query:
        page = used(server, conversation, query)
        seen += [turn["turn_id"] for turn in page["turns"]]
        more = page["next_before"]
        query = f"?limit=2&before={more}" if more else ""
    assert seen == ids[::-1]


def test_the_server_adds_up_and_names_the_costliest(server: Server, site: Site) -> None:
    cheap, dear = server.conversation(), server.conversation()
    site.provider.expect(Text("one"), Usage(10, 0, 1, 0))
    server.run(cheap)
    site.provider.expect(Text("two"), Usage(500, 0, 5, 0))
    server.run(dear)
    found = server.get("/auth/usage?by=conversation")
    assert found["tokens"]["total"]["total"] == found["tokens"]["today"]["total"] == 516
    assert [(c["conversation_id"], c["total"]) for c in found["conversations"]] == [
        (dear, 505),
        (cheap, 11),
    ]
    assert [(c["caller"], c["turns"]) for c in found["callers"]] == [("local", 2)]
    assert len(server.get("/auth/usage?by=conversation&limit=1")["conversations"]) == 1
    assert server.get("/auth/usage")["conversations"] is None


def test_a_running_turn_is_counted_while_it_runs(server: Server, site: Site) -> None:
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Command("echo hi"), Usage(100, 0, 10, 0))
    site.provider.expect(Text(["one ", gate]), Usage(200, 0, 10, 0))
    with server.read(conversation) as reader:
        server.send(conversation)
        reader.wait(lambda e: e.get("text") == "one ")
        found = used(server, conversation)
        (turn,) = found["running"]
        assert (turn["status"], turn["caller"], turn["tokens"]["total"]) == (
            "inProgress",
            "local",
            110,
        )
        assert (found["tokens"]["turns"], found["tokens"]["total"]) == (1, 110)
        assert server.get("/auth/usage")["tokens"]["today"]["total"] == 110
        gate.open()
        reader.wait_type("turn/completed")
    assert used(server, conversation)["tokens"]["total"] == 320


def test_what_the_core_repeats_is_not_counted_again(server: Server, site: Site) -> None:
    """It repeats its total when a turn is interrupted, when it sums up, and on a resume."""
    conversation, gate = server.conversation(), Gate()
    site.provider.expect(Text("one"), Usage(1000, 0, 50, 0))
    server.run(conversation)
    site.provider.expect(Text(["x ", gate]))
    with server.read(conversation) as reader:
        server.send(conversation)
        reader.wait(lambda e: e.get("text") == "x ")
        server.post(f"/conversations/{conversation}/interrupt", None, 202)
        reader.wait_type("turn/completed", status="interrupted")
        assert used(server, conversation)["tokens"]["total"] == 1050
        assert used(server, conversation)["turns"][0]["usage"] == "none"
        site.provider.expect(Text("in short"), Usage(500, 0, 30, 0))
        thread = server.get(f"/conversations/{conversation}")["thread_id"]
        core_asks(site, "thread/compact/start", threadId=thread)
        reader.wait(lambda e: len([x for x in reader.events if x["type"] == "turn/completed"]) == 3)
    found = used(server, conversation)
    assert found["tokens"]["total"] == 1580
    assert found["turns"][0]["caller"] == "core"
    assert found["context"]["used"] == found["core"]["last"]["totalTokens"]
    site.provider.expect(Fail(400, {"error": {"message": "no"}}))
    assert server.run(conversation)["turn"]["status"] == "failed"
    found = used(server, conversation)
    assert (found["turns"][0]["status"], found["turns"][0]["tokens"]["total"]) == ("failed", 0)


def test_totals_stand_after_a_restart(site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text("one"), Usage(1000, 0, 50, 0))
        server.run(conversation)
    with start(site) as server:
        server.wait_ready()
        assert used(server, conversation)["tokens"]["total"] == 1050
        site.provider.expect(Text("two"), Usage(100, 0, 5, 0))
        server.run(conversation)
        found = used(server, conversation)
        assert [turn["tokens"]["total"] for turn in found["turns"]] == [105, 1050]
        assert found["tokens"]["total"] == server.get("/auth/usage")["tokens"]["total"]["total"]
        assert found["tokens"]["total"] == 1155
