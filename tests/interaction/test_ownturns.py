"""Turns that no message starts: compact, review, shell; what they do, and what refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Event
from tests.support.access import bearer, make_token, token_file
from tests.support.codes import refused
from tests.support.commands import until
from tests.support.gitrepo import make_repository
from tests.support.judge import check_reader, check_whole
from tests.support.server import Server, Site, start
from tests.support.shared import server_at
from tests.support.signin import LoginSite

WAIT = 20
EVERYTHING = ("read", "drive", "elevate")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all: each test has a conversation of its own."""
    with server_at(tmp_path_factory.mktemp("own")) as running:
        yield running


@pytest.fixture
def site(server: Server) -> Site:
    """The folders and the model of that server."""
    return server.site


@pytest.fixture(scope="module")
def elevated(server: Server) -> dict[str, str]:
    """The header of a caller who may run what they like."""
    return bearer(make_token(token_file(server.site), "elevated", EVERYTHING))


def ask(
    server: Server, conversation: str, kind: str, body: Any = None, wait: float = WAIT, **more: Any
) -> httpx.Response:
    """Ask for one; the answer, whatever it is."""
    path = f"/conversations/{conversation}/{kind}" + (f"?wait={wait:g}" if wait else "")
    return server.client.post(path, json=body, **more)


def done(answer: httpx.Response) -> Any:
    """The JSON of one that has ended."""
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "ended"
    return answer.json()


def of_turn(server: Server, conversation: str, turn_id: str) -> list[Event]:
    """The events of a turn, all that the conversation has being whole."""
    log = server.events(conversation)
    check_whole(log)
    return [event for event in log if event["turn_id"] == turn_id]


def finished(events: list[Event]) -> list[str]:
    """The types of the finished items."""
    return [str(e["item_type"]) for e in events if e["type"] == "item/completed"]


def test_compact_puts_a_summary_in_the_place_of_the_past(server: Server, site: Site) -> None:
    conversation = server.conversation()
    site.provider.expect(Text("It is a nice word."))
    server.run(conversation, "remember the word marmalade")
    site.provider.expect(Text("We spoke of breakfast."))
    with server.read(conversation) as reader:
        began = ask(server, conversation, "compact", wait=0)
        assert (began.status_code, began.json()["status"]) == (202, "started")
        turn = began.json()["turn_id"]
        reader.wait(lambda e: e["type"] == "turn/completed" and e["turn_id"] == turn)
    events = of_turn(server, conversation, turn)
    rest = server.get(began.json()["events"])["data"]
    assert events == [event for event in rest if event["turn_id"]]
    assert finished(events) == ["contextCompaction"]
    site.provider.expect(Text("yes"))
    assert server.run(conversation, "go on")["reply"] == "yes"
    told = str(site.provider.requests[-1].input)
    assert "We spoke of breakfast." in told
    assert "It is a nice word." not in told
    check_reader(
        reader.events, [e for e in server.events(conversation) if e["seq"] <= reader.seqs[-1]]
    )


def test_shell_leaves_the_sandbox_and_the_model_is_shown_it(
    server: Server, site: Site, elevated: dict[str, str]
) -> None:
    conversation, outside = server.conversation(sandbox="read-only"), site.root / "outside.txt"
    body = {"command": f"echo marmalade | tee {outside}; pwd; exit 3"}
    found = done(ask(server, conversation, "shell", body, headers=elevated))
    assert (found["exit_code"], found["output"]) == (3, f"marmalade\n{site.project}\n")
    assert found["turn"]["status"] == "completed"
    assert outside.read_text() == "marmalade\n"
    slow = {"command": "sleep 60", "timeout": 0.2}
    assert done(ask(server, conversation, "shell", slow, headers=elevated))["exit_code"] != 0
    site.provider.expect(Text("I see"))
    server.run(conversation, "what did it print?")
    assert "marmalade" in str(site.provider.requests[-1].input)
    assert finished(of_turn(server, conversation, found["turn_id"])) == ["commandExecution"]


@pytest.fixture(scope="module")
def repository(server: Server) -> tuple[Path, str]:
    """A repository, and the sha of its newest commit."""
    folder = server.site.root / "repository"
    folder.mkdir()
    return folder, make_repository(folder)


def targets(sha: str) -> list[tuple[dict[str, Any] | None, str]]:
    """What can be reviewed, and what of it the model must be told."""
    return [
        (None, "staged, unstaged, and untracked"),
        ({"type": "uncommitted_changes"}, "staged, unstaged, and untracked"),
        ({"type": "base_branch", "branch": "main"}, "against the base branch 'main'"),
        ({"type": "commit", "sha": sha, "title": "two"}, f"introduced by commit {sha}"),
        ({"type": "custom", "instructions": "Look at the spelling."}, "Look at the spelling."),
    ]


def test_each_target_is_reviewed_in_one_turn(
    server: Server, site: Site, repository: tuple[Path, str]
) -> None:
    folder, sha = repository
    conversation = server.conversation(working_directory=str(folder))
    for target, told in targets(sha):
        site.provider.expect(Command("cat file.txt", yield_ms=20_000))
        site.provider.expect(Text("The change is fine."))
        body = None if target is None else {"target": target}
        found = done(ask(server, conversation, "review", body))
        assert found["reply"] == "The change is fine."
        assert told in str(site.provider.requests[-1].input)
        events = of_turn(server, conversation, found["turn_id"])
        assert [e["status"] for e in events if e["type"].startswith("turn/")] == [
            "inProgress",
            "completed",
        ]
        assert finished(events) == [
            "enteredReviewMode", "userMessage", "commandExecution", "exitedReviewMode",
            "agentMessage",
        ]  # fmt: skip
        (start,) = (e for e in events if e["type"] == "turn/started")
        assert start["policy"]["sandbox"] == "workspace-write"
        assert [e["synthetic"] for e in events if e["type"] == "item/discarded"] == ["replaced"]
    turns = server.get(f"/conversations/{conversation}/turns")["data"]
    assert [turn["status"] for turn in turns] == ["completed"] * 5


def test_a_review_does_not_inherit_what_one_message_was_allowed(server: Server, site: Site) -> None:
    conversation, file = server.conversation(sandbox="read-only"), site.project / "sticky.txt"
    site.provider.expect(Command(f"touch {file}", yield_ms=20_000))
    site.provider.expect(Text("written"))
    server.run(conversation, "write", sandbox="workspace-write")
    file.unlink()
    site.provider.expect(Command(f"touch {file}", yield_ms=20_000))
    site.provider.expect(Text("tried"))
    target = {"type": "custom", "instructions": "try"}
    assert done(ask(server, conversation, "review", {"target": target}))["reply"] == "tried"
    assert not file.exists()


@pytest.mark.parametrize("kind", ["compact", "review", "shell"])
def test_one_keeps_the_conversation_busy_and_can_be_interrupted(
    server: Server, site: Site, elevated: dict[str, str], kind: str
) -> None:
    conversation, gate = server.conversation(), Gate()
    bodies = {
        "review": {"target": {"type": "custom", "instructions": "look"}},
        "shell": {"command": "echo begun; sleep 60"},
    }
    if kind != "shell":
        site.provider.expect(Text(["one ", gate]))
    with server.read(conversation) as reader:
        turn = ask(server, conversation, kind, bodies.get(kind), 0, headers=elevated).json()[
            "turn_id"
        ]
        if kind == "shell":
            reader.wait(lambda e: e.get("text") == "begun\n")
        else:
            gate.wait_reached()
        assert server.get(f"/conversations/{conversation}")["status"] == "running"
        for other in ("compact", "review", "shell"):
            body = bodies.get(other)
            refused(
                ask(server, conversation, other, body, headers=elevated), 409, "conversation_busy"
            )
        if kind != "shell":
            path = f"/conversations/{conversation}/messages"
            steer = server.client.post(path, json={"message": "x", "while_busy": "steer"})
            refused(steer, 409, "turn_not_steerable")
        assert server.send(conversation, "and then?")["status"] == "queued"
        site.provider.expect(Text("then this"))
        assert server.post(f"/conversations/{conversation}/interrupt", {}, 202)["turn_id"] == turn
        end = reader.wait_type("turn/completed", status="interrupted")
        assert end["turn_id"] == turn
        reader.wait_type("turn/completed", status="completed")
    gate.open()
    assert server.client.post(f"/conversations/{conversation}/interrupt").status_code == 409
    check_whole(server.events(conversation))


def test_a_key_makes_one_of_it(server: Server, site: Site, elevated: dict[str, str]) -> None:
    conversation = server.conversation()
    headers, body = elevated | {"Idempotency-Key": "own-1"}, {"command": "echo x >> count.txt"}
    one, two = (done(ask(server, conversation, "shell", body, headers=headers)) for _ in range(2))
    assert one == two
    assert (site.project / "count.txt").read_text() == "x\n"
    other = ask(server, conversation, "shell", {"command": "true"}, headers=headers)
    refused(other, 409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("compact", {"wait": 1}, None),
        ("review", {"target": {"type": "everything"}}, "target"),
        ("review", {"target": {"type": "base_branch"}}, "target.base_branch.branch"),
        (
            "review",
            {"target": {"type": "base_branch", "branch": "-x"}},
            "target.base_branch.branch",
        ),
        ("review", {"target": {"type": "base_branch", "branch": " "}}, "target.base_branch.branch"),
        ("review", {"target": {"type": "commit", "sha": ""}}, "target.commit.sha"),
        (
            "review",
            {"target": {"type": "custom", "instructions": "\n"}},
            "target.custom.instructions",
        ),
        ("review", {"delivery": "detached"}, "delivery"),
        ("shell", None, None),
        ("shell", {"command": "  "}, "command"),
        ("shell", {"command": "true", "timeout": 0}, "timeout"),
        ("shell", {"command": "true", "timeout": "x"}, "timeout"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_begins(
    server: Server, elevated: dict[str, str], kind: str, body: Any, field: str | None
) -> None:
    conversation = server.conversation()
    if kind == "compact":
        assert ask(server, conversation, "compact?wait=601", wait=0).status_code == 422
    else:
        refused(
            ask(server, conversation, kind, body, headers=elevated), 422, "invalid_request", field
        )
    assert server.get(f"/conversations/{conversation}/turns")["data"] == []


def test_who_may_not_and_what_is_not_there(
    server: Server, site: Site, elevated: dict[str, str]
) -> None:
    conversation, command = server.conversation(), {"command": "touch never.txt"}
    for scopes, kinds in (("drive", ["shell"]), ("read", ["compact", "review", "shell"])):
        secret = make_token(token_file(site), f"only-{scopes}", [scopes])
        for kind in kinds:
            answer = ask(server, conversation, kind, command, headers=bearer(secret))
            refused(answer, 403, "scope_required")
    refused(ask(server, conversation, "shell", command), 403, "scope_required")
    assert not (site.project / "never.txt").exists()
    nowhere = "00000000-0000-7000-8000-000000000000"
    refused(ask(server, nowhere, "compact"), 404, "conversation_not_found")
    site.provider.expect(Text("hello"))
    server.run(conversation)
    server.post(f"/conversations/{conversation}/archive")
    for kind, body in (("compact", None), ("review", None), ("shell", command)):
        answer = ask(server, conversation, kind, body, headers=elevated)
        refused(answer, 409, "conversation_archived")


def test_a_base_branch_without_a_repository_is_refused_at_once(server: Server, site: Site) -> None:
    conversation = server.conversation()
    target = {"type": "base_branch", "branch": "main"}
    problem = refused(ask(server, conversation, "review", {"target": target}), 422, "core_refused")
    assert "not a git repository" in problem["detail"]
    assert server.get(f"/conversations/{conversation}")["status"] == "idle"
    running = "/conversations?status=running"
    until(lambda: not server.get(running)["data"], "the list says so too")
    site.provider.expect(Text("all is well"))
    assert server.run(conversation)["turn"]["status"] == "completed"
    assert not [e for e in server.events(conversation) if e["type"] == "error"]


def test_who_is_not_signed_in_is_told_so(login_site: LoginSite) -> None:
    with start(login_site) as server:
        server.wait_ready()
        headers = bearer(make_token(token_file(login_site), "elevated", EVERYTHING))
        conversation = server.conversation()
        for kind in ("compact", "review"):
            problem = refused(ask(server, conversation, kind), 409, "login_required")
            assert problem["reason"] == "not_signed_in"
        found = done(ask(server, conversation, "shell", {"command": "echo me"}, headers=headers))
        assert found["output"] == "me\n"
        check_whole(server.events(conversation))
