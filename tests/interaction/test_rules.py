"""Rules that approvals had remembered: who added them, and that they are really gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server.client import AsyncClient, Client, Forbidden
from codex_http_server.testing.answers import Command, Gate, Patch, Text
from tests.support.access import bearer, make_token, token_file
from tests.support.approvals import PATCH, outside, path_of
from tests.support.codes import refused
from tests.support.judge import check_whole
from tests.support.remembered import EVERYTHING, asks, only, remember, remove
from tests.support.server import Server, Site, start
from tests.support.shared import server_at

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: each test takes back what it had remembered."""
    with server_at(tmp_path_factory.mktemp("rules")) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    """The folders and the model of that server."""
    return server.site


@pytest.fixture(scope="module")
def token(server: Server) -> str:
    return make_token(token_file(server.site), "boss", EVERYTHING)


@pytest.fixture
def boss(token: str) -> dict[str, str]:
    """The header of a caller who may do all."""
    return bearer(token)


@pytest.fixture
def folder(server: Server) -> Iterator[Path]:
    """Where the rules are; no test leaves any."""
    folder = server.site.home / "rules"
    yield folder
    left = [rule["text"] for rule in server.get("/rules")["data"]]
    shutil.rmtree(folder, ignore_errors=True)
    assert left == []


def test_a_remembered_rule_is_seen_and_taken_back(
    server: Server, site: Site, boss: dict[str, str], folder: Path
) -> None:
    here, approval = remember(server, boss)
    untouched = server.conversation()
    rule = only(server)
    assert rule["added"] == {
        "by": "token:boss",
        "at": approval["resolution"]["at"],
        "conversation_id": here,
        "approval_id": approval["approval_id"],
    }
    assert (rule["kind"], rule["decision"]) == ("prefix", "allow")
    assert rule["pattern"] == ["touch", str(outside(site))]
    assert (rule["file"], rule["lines"], rule["removable"]) == ("default.rules", [1], True)
    assert folder.joinpath("default.rules").read_text() == rule["text"] + "\n"
    other = server.conversation()
    assert [asks(server, here), asks(server, other)] == [False, False]
    with server.read_all("?after=latest") as reader:
        removed = remove(server, boss, rule["id"])
        told = reader.wait_type("rules/changed")
    assert removed["hold"]["state"] == "none"
    assert removed["held_by"] == []
    assert set(removed["reloaded"]) >= {here, other, untouched}
    assert removed["removed"] == rule | {"added": None}
    assert told["data"]["rule"]["text"] == rule["text"]
    assert (told["data"]["by"], told["conversation_id"]) == ("token:boss", None)
    new = server.conversation()
    assert [asks(server, each) for each in (here, other, untouched, new)] == [True] * 4
    for each in (here, other, untouched, new):
        assert server.get(f"/conversations/{each}")["archived"] is False
        check_whole(server.events(each))
    answer = server.client.delete(f"/rules/{rule['id']}", headers=boss)
    refused(answer, 404, "rule_not_found")


def test_a_running_conversation_keeps_a_rule_until_its_turn_has_ended(
    server: Server, site: Site, boss: dict[str, str], folder: Path
) -> None:
    here, _ = remember(server, boss)
    gate = Gate()
    site.provider.expect(Text(["so ", gate, "be it"]))
    with server.read(here, "?after=latest") as reader:
        server.send(here)
        gate.wait_reached()
        removed = remove(server, boss, only(server)["id"])
        assert removed["hold"]["state"] == "some"
        assert removed["held_by"] == [here]
        gate.open()
        reader.wait_type("turn/completed")
        reader.wait_type("thread/unarchived")
    assert asks(server, here)


def changes(server: Server, conversation: str, decision: str) -> bool:
    """Whether a change of files that the sandbox forbids asks for an approval."""
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Text("so be it"))
    with server.read(conversation, "?after=latest") as reader:
        server.send(conversation, sandbox="read-only")
        found = reader.wait(lambda e: e["type"] in ("approval/requested", "turn/completed"))
        if found["type"] == "approval/requested":
            server.post(path_of(conversation, found), {"decision": decision}, 200)
            reader.wait_type("turn/completed")
    return found["type"] == "approval/requested"


def test_what_was_approved_for_a_session_is_seen_and_taken_back(
    server: Server, boss: dict[str, str], folder: Path
) -> None:
    here = server.conversation()
    assert [changes(server, here, "acceptForSession"), changes(server, here, "")] == [True, False]
    rule = only(server)
    (approval,) = server.get(f"/conversations/{here}/approvals?all=1")["data"]
    assert (rule["kind"], rule["id"], rule["file"]) == ("session", approval["approval_id"], None)
    assert rule["added"]["conversation_id"] == here
    removed = remove(server, boss, rule["id"])
    assert (removed["reloaded"], removed["hold"]["state"]) == ([here], "none")
    assert server.get("/rules") == {"folder": str(folder), "complete": True, "data": []}
    answer = server.client.delete(f"/rules/{rule['id']}", headers=boss)
    refused(answer, 404, "rule_not_found")
    assert changes(server, here, "acceptForSession")
    assert only(server)["id"] != rule["id"]
    with server.read_all("?after=latest") as reader:
        server.core().kill()
        reader.wait(lambda e: e["type"] == "core/state" and e["status"] == "ready")
    assert changes(server, here, "decline")
    assert server.get("/rules")["data"] == []


def test_what_people_wrote_is_shown_and_only_rules_can_be_taken_out(
    server: Server, boss: dict[str, str], folder: Path
) -> None:
    folder.mkdir(exist_ok=True)
    own = folder / "own.rules"
    own.write_text('# mine\nprefix_rule(\n    pattern=["rm", ["-r", "-f"]],\n)\nx = 1\n')
    own.chmod(0o600)
    rule, other = server.get("/rules")["data"]
    assert (rule["pattern"], rule["added"], rule["lines"]) == (["rm", ["-r", "-f"]], None, [2])
    assert (other["kind"], other["text"], other["removable"]) == ("other", "x = 1", False)
    answer = server.client.delete(f"/rules/{other['id']}", headers=boss)
    problem = refused(answer, 409, "rule_not_removable")
    assert (problem["detail"], problem["file"]) == (other["why_not"], str(own))
    own.chmod(0o400)
    answer = server.client.delete(f"/rules/{rule['id']}", headers=boss)
    refused(answer, 503, "rules_unusable")
    own.chmod(0o600)
    remove(server, boss, rule["id"])
    assert own.read_text() == "# mine\nx = 1\n"
    own.unlink()


def test_an_id_of_nothing_is_404_and_a_folder_that_is_none_an_error(
    server: Server, boss: dict[str, str], folder: Path
) -> None:
    for wrong in ("0" * 16, "none", "..", "%00", "a" * 500, "ä"):
        answer = server.client.delete(f"/rules/{wrong}", headers=boss)
        assert answer.status_code in (404, 405), answer.text
    aside = folder.rename(folder.with_name("aside")) if folder.exists() else None
    folder.write_text("no folder")
    refused(server.client.get("/rules"), 503, "rules_unusable")
    refused(server.client.delete("/rules/0", headers=boss), 503, "rules_unusable")
    folder.unlink()
    if aside is not None:
        aside.rename(folder)


def test_to_take_a_rule_back_needs_the_scope_of_the_configuration(
    server: Server, boss: dict[str, str], folder: Path
) -> None:
    remember(server, boss)
    rule = only(server)
    refused(server.client.delete(f"/rules/{rule['id']}"), 403, "scope_required")
    less = bearer(make_token(token_file(server.site), "less", ("read", "approve", "elevate")))
    answer = server.client.delete(f"/rules/{rule['id']}", headers=less)
    assert refused(answer, 403, "scope_required")["scope"] == "admin"
    remove(server, boss, rule["id"])


async def test_the_clients_of_python_list_and_take_back(
    server: Server, boss: dict[str, str], token: str, folder: Path
) -> None:
    here, _ = remember(server, boss)
    with Client(server.url) as client, pytest.raises(Forbidden):
        client.remove_rule(client.rules()[0]["id"])
    async with AsyncClient(server.url, token) as client:
        (rule,) = await client.rules()
        assert rule["added"]
        assert rule["added"]["conversation_id"] == here
        assert (await client.remove_rule(rule["id"]))["removed"]["text"] == rule["text"]
    schemas = server.get("/openapi.json")["components"]["schemas"]
    assert set(rule) == set(schemas["RuleView"]["properties"])
    remember(server, boss)
    with Client(server.url, token) as client:
        assert here not in client.remove_rule(client.rules()[0]["id"])["held_by"]


def test_rules_and_what_is_still_to_be_loaded_anew_survive_a_restart(tmp_path: Path) -> None:
    with server_at(tmp_path) as server:
        site = server.site
        boss = bearer(make_token(token_file(site), "boss", EVERYTHING))
        here, approval = remember(server, boss)
        rule = only(server)
        site.provider.expect(Command("sleep 60"))
        with server.read(here, "?after=latest") as reader:
            server.send(here)
            reader.wait(lambda e: e.get("item_type") == "commandExecution")
            server.kill()
        with start(site) as second:
            second.wait_ready()
            assert only(second) == rule
            assert rule["added"]["approval_id"] == approval["approval_id"]
            removed = remove(second, boss, rule["id"])
            assert removed["held_by"] == [here]
            second.kill()
        with start(site) as third:
            third.wait_ready()
            assert third.get("/rules")["data"] == []
            with third.read(here) as reader:
                third.client.post(f"/conversations/{here}/interrupt")  # it may have ended
                reader.wait_type("thread/unarchived")
            assert asks(third, here)
