"""A webhook and a command are told of what happens, and nobody waits for them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.testing.answers import Text
from tests.support.approvals import allow_all_questions, asked, path_of, says
from tests.support.cli import refuses
from tests.support.commands import until, wait_for_file
from tests.support.receiver import Receiver, receiver
from tests.support.server import Server, Site, start

pytestmark = pytest.mark.core

# Writes what it is told into a file of its own: its standard input and its environment.
WRITES = """
import json, os, pathlib, sys
told = {"body": json.load(sys.stdin), "environ": dict(os.environ)}
name = os.environ["CODEX_HTTP_NOTICE_ID"]
part = pathlib.Path(sys.argv[1], name + ".part")
part.write_text(json.dumps(told))
part.rename(pathlib.Path(sys.argv[1], name + ".json"))
"""
SLEEPS = "import subprocess, sys; subprocess.run(['sleep', '1000'])"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@contextmanager
def telling(site: Site, hook: Receiver, *more: str) -> Iterator[Server]:
    """A server that tells `hook`; its core is ready."""
    with start(site, "--webhook-url", hook.url, *more) as server:
        hook.secret = secret_of(site)
        server.wait_ready()
        yield server


def secret_of(site: Site) -> str:
    (path,) = (site.root / "state").rglob("webhook.secret")
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def answers(site: Site, *texts: str) -> None:
    """What the model says in the next turns."""
    for text in texts:
        site.provider.expect(Text(text))


def command(program: str, *arguments: str) -> str:
    return shlex.join([sys.executable, "-c", program, *arguments])


def notes(server: Server) -> list[str]:
    return [note for note in server.get("/ready")["notes"] if "told of events" in note]


def test_an_approval_and_the_end_of_its_turn_are_told_once_each(site: Site, hook: Receiver) -> None:
    allow_all_questions(site)
    with telling(site, hook) as server:
        with asked(server) as (here, event, reader):
            told = hook.next()
            assert told.type == "approval/requested"
            assert told.id == event["position"]
            approval = path_of(here, event)
            assert told.data == {
                "conversation_id": here,
                "title": None,
                "turn_id": event["turn_id"],
                "approval_id": event["data"]["approval_id"],
                "kind": "command",
                "deadline_at": event["data"]["deadline_at"],
                "path": approval,
            }
            assert server.get(told.data["path"])["status"] == "pending"
            says(server)
            server.post(approval, {"decision": "accept"}, 200)
            end = reader.wait_type("turn/completed")
        told = hook.next()
        assert (told.type, told.id, told.data["status"]) == (
            "turn/completed",
            end["position"],
            "completed",
        )
        assert server.get(told.data["path"])["turn_id"] == end["turn_id"]
        assert notes(server) == []
    assert hook.is_empty()


def test_a_receiver_that_fails_is_told_again_under_the_same_id(site: Site, hook: Receiver) -> None:
    hook.answers.extend([500, 429])
    with telling(site, hook) as server:
        answers(site, "one", "two")
        here = server.conversation(title="Mine")
        server.run(here)
        first = [hook.next() for _ in range(3)]
        assert len({each.id for each in first}) == 1
        assert first[0].data["title"] == "Mine"
        server.run(here)
        assert hook.next().id != first[0].id
        until(lambda: notes(server) == [], "the trouble is over")


def test_one_that_refuses_is_not_told_again_and_that_is_shown(site: Site, hook: Receiver) -> None:
    hook.answers.extend([404])
    with telling(site, hook) as server:
        answers(site, "one", "two")
        here = server.conversation()
        server.run(here)
        first = hook.next()
        until(lambda: bool(notes(server)), "the refusal is shown")
        assert "webhook" in notes(server)[0]
        assert "HTTP 404" in notes(server)[0]
        server.run(here)
        assert hook.next().id != first.id


def test_nobody_waits_for_a_receiver_that_is_away(site: Site) -> None:
    with receiver() as gone:
        url = gone.url
    with start(site, "--webhook-url", url) as server:
        here = server.conversation()
        for number in range(5):
            site.provider.expect(Text(str(number)))
            assert server.run(here)["reply"] == str(number)
        until(lambda: bool(notes(server)), "the trouble is shown")
        assert "no answer" in notes(server)[0]


def test_only_the_types_that_were_chosen_are_told(site: Site, hook: Receiver) -> None:
    allow_all_questions(site)
    with telling(site, hook, "--notify-on", "approval/requested") as server:
        with asked(server) as (here, event, reader):
            assert hook.next().type == "approval/requested"
            server.post(path_of(here, event), {"decision": "cancel"}, 200)
            reader.wait_type("turn/completed")
        with asked(server):
            assert hook.next().type == "approval/requested"


def test_a_command_is_told_by_json_without_any_token(site: Site, tmp_path: Path) -> None:
    line = command(WRITES, str(tmp_path))
    given = {"CODEX_HTTP_TOKEN": "cht_" + "t" * 43, "CODEX_HTTP_NOTIFY_COMMAND": line}
    headers = {"Authorization": f"Bearer {given['CODEX_HTTP_TOKEN']}"}
    with start(site, environment=given) as server:
        server.client.headers.update(headers)
        server.wait_ready(headers=headers)
        site.provider.expect(Text("done"))
        here = server.conversation()
        server.run(here)
        event = next(e for e in server.events(here) if e["type"] == "turn/completed")
        wait_for_file(tmp_path / f"{event['position']}.json")
    told: dict[str, Any] = json.loads((tmp_path / f"{event['position']}.json").read_text())
    assert told["body"]["type"] == told["environ"]["CODEX_HTTP_NOTICE"] == "turn/completed"
    assert told["environ"]["CODEX_HTTP_CONVERSATION"] == here
    ours = {name for name in told["environ"] if name.startswith("CODEX_HTTP_")}
    assert ours == {"CODEX_HTTP_NOTICE", "CODEX_HTTP_NOTICE_ID", "CODEX_HTTP_CONVERSATION"}


def test_a_stop_ends_a_command_that_runs_with_all_it_started(site: Site, tmp_path: Path) -> None:
    program = f"import pathlib; pathlib.Path({str(tmp_path / 'began')!r}).touch(); {SLEEPS}"
    with start(site, "--notify-command", command(program)) as server:
        site.provider.expect(Text("done"))
        server.run(server.conversation())
        wait_for_file(tmp_path / "began")
        assert server.stop() == 0  # and the fixture fails where a process is left


@pytest.mark.parametrize(
    ("flag", "value", "word"),
    [
        ("--webhook-url", "ftp://example.org", "https"),
        ("--webhook-url", "http://example.org/hook", "use https"),
        ("--webhook-url", "https://user:word@example.org", "no password"),
        ("--notify-command", "'open", "quotation"),
        ("--notify-on", "turn/started", "none of them"),
    ],
)
def test_what_is_no_receiver_stops_the_start(site: Site, flag: str, value: str, word: str) -> None:
    said = refuses(site, flag, value, status=2)
    assert flag in said
    assert word in said


def test_a_secret_that_others_can_read_stops_the_start(site: Site) -> None:
    path = site.root / "webhook.secret"
    path.write_text("whsec_" + "A" * 44)
    path.chmod(0o644)
    flags = ("--webhook-url", "http://127.0.0.1:1/", "--webhook-secret-file", str(path))
    assert "can be read by others" in refuses(site, *flags, status=2)
