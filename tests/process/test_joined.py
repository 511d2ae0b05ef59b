"""Codex's own daemon is joined, used, left as it is, and found again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codex_http_server.engine.daemon import CONTROL
from codex_http_server.testing.answers import Command, Gate, Text
from codex_http_server.testing.reader import Reader
from codex_http_server.testing.tokens import Person
from tests.support.access import bearer, make_token, token_file
from tests.support.approvals import command, outside
from tests.support.commands import until
from tests.support.daemon import Daemon
from tests.support.judge import check_whole, text_of
from tests.support.other_client import OtherClient
from tests.support.remembered import EVERYTHING, asks, only, remember, remove
from tests.support.server import Json, Server, Site, core_record, gone, start
from tests.support.signin import LoginSite

PATIENT = 60_000  # milliseconds that the core waits for a silent model


@pytest.fixture
def daemon(site: Site) -> Iterator[Daemon]:
    """A daemon on a site whose model may be silent at a gate."""
    site.configure(
        stream_idle_timeout_ms=PATIENT, sandbox_mode="workspace-write", approval_policy="never"
    )
    with Daemon(site) as made:
        yield made


@pytest.fixture
def installed(site: Site) -> Iterator[Daemon]:
    """A daemon as its first start leaves it: with its updater."""
    with Daemon(site, installed=False) as made:
        assert made.updater  # was started; how long it stays is its own matter
        yield made


def core(server: Server) -> Json:
    return server.get("/health")["core"]


def ready_with(server: Server, pid: int) -> None:
    """Wait until this process is the core."""
    until(lambda: (core(server)["state"], core(server)["pid"]) == ("ready", pid), f"{pid} is used")


def kept(server: Server) -> bool:
    """Whether the core is one that the server started."""
    found = core(server)
    return found["state"] == "ready" and not found["joined"]


def refused(site: Site, *arguments: str) -> str:
    """What a server says that does not start, with exit code 5."""
    with pytest.raises(AssertionError, match=r"did not start \(5\)") as caught:
        start(site, *arguments)
    return str(caught.value)


def test_a_daemon_is_joined_used_and_left(installed: Daemon, site: Site) -> None:
    daemon = installed
    with start(site) as server:
        server.wait_ready()
        for found in (
            core(server),
            server.get("/ready")["core"],
            server.get("/auth/status")["core"],
        ):
            assert (found["joined"], found["pid"], found["version"]) == (
                True,
                daemon.pid,
                "0.163.0",
            )
        assert server.get("/auth/status")["also_using_home"] == []
        assert server.get("/ready")["notes"] == []
        conversation = server.conversation()
        site.provider.expect(Text("hello"))
        assert server.run(conversation)["reply"] == "hello"
        check_whole(server.events(conversation))
        assert core_record(site) == {}
        assert server.stop() == 0
    assert not gone(daemon.process)
    assert daemon.command("version")["status"] == "running"


def test_own_starts_one_beside_it(daemon: Daemon, site: Site) -> None:
    with start(site, "--core", "own") as server:
        server.wait_ready()
        assert core(server)["joined"] is False
        assert core(server)["pid"] == server.core().pid != daemon.pid
        others = server.get("/auth/status")["also_using_home"]
        assert [each["pid"] for each in others] == [daemon.pid]


def test_join_without_a_daemon_says_what_to_do(site: Site) -> None:
    said = refused(site, "--core", "join")
    assert "no daemon of Codex runs on this home" in said
    assert "codex app-server daemon start" in said


def begin(server: Server, site: Site) -> tuple[str, Gate, Reader]:
    """A turn that waits in mid-answer, and a reader that has seen it."""
    gate, conversation = Gate(), server.conversation()
    site.provider.expect(Text(["one ", gate, "two"]))
    reader = server.read(conversation)
    server.send(conversation, "begin")
    reader.wait(lambda e: e.get("text") == "one ")
    return conversation, gate, reader


def test_a_turn_outlives_a_killed_server(daemon: Daemon, site: Site) -> None:
    with start(site) as first:
        first.wait_ready()
        conversation, gate, reader = begin(first, site)
        first.kill()
    with reader, start(site) as second:
        with second.read(conversation, last_event_id=str(reader.seqs[-1])) as rest:
            assert rest.wait_type("item/gap")["data"]["reason"] == "not_connected"
            gate.open()
            assert "synthetic" not in rest.wait_type("turn/completed", status="completed")
        assert core(second)["pid"] == daemon.pid
        log = second.events(conversation)
        check_whole(log)
        assert text_of(log) == ["one two"]


def test_what_ended_while_no_server_ran_is_told(daemon: Daemon, site: Site) -> None:
    with start(site) as first:
        first.wait_ready()
        conversation, gate, reader = begin(first, site)
        first.kill()
    reader.close()
    gate.open()
    until(lambda: "task_complete" in rollouts(site), "the daemon has ended the turn")
    with start(site) as second, second.read(conversation) as reader:
        ended = reader.wait_type("turn/completed")
        assert (ended["status"], ended["synthetic"]) == ("completed", "history")
        assert text_of(second.events(conversation)) == ["one two"]
        assert core(second)["pid"] == daemon.pid


def rollouts(site: Site) -> str:
    """What the core has written of its threads."""
    return "".join(path.read_text() for path in (site.home / "sessions").rglob("*.jsonl"))


def test_stop_ends_our_turn_and_not_that_of_another_client(daemon: Daemon, site: Site) -> None:
    theirs = Gate()
    with other_client(site) as other:
        with start(site) as server:
            server.wait_ready()
            ours, gate, reader = begin(server, site)
            reader.close()
            site.provider.expect(Text(["three ", theirs, "four"]))
            thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
            ask(other, thread)
            other.notice("item/agentMessage/delta")
            assert server.stop() == 0
        theirs.open()
        ended = other.wait(
            lambda m: m.get("method") == "turn/completed" and m["params"]["threadId"] == thread
        )
    gate.open()
    assert ended["params"]["turn"]["status"] == "completed"
    with start(site) as server:
        server.wait_ready()
        ends = [e for e in server.events(ours) if e["type"] == "turn/completed"]
        assert [(e["status"], e.get("synthetic")) for e in ends] == [("interrupted", None)]
        assert text_of(server.events(thread)) == ["three four"]
        check_whole(server.events(thread))


def other_client(site: Site) -> OtherClient:
    """Another client of the daemon."""
    return OtherClient(site, (site.home / CONTROL).resolve())


def ask(other: OtherClient, thread: str, **policy: Json) -> None:
    """Begin a turn in a thread of theirs."""
    other.call("turn/start", threadId=thread, input=[{"type": "text", "text": "mine"}], **policy)


def test_a_turn_of_another_client_is_followed(daemon: Daemon, site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with start(site) as server, other_client(site) as other:
        server.wait_ready()
        thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
        ask(other, thread)
        with server.read_all() as everything:
            started = everything.wait_type("turn/started")
            assert started["conversation_id"] == thread
            gate.open()
            ended = everything.wait_type("turn/completed", status="completed")
        assert "synthetic" not in ended
        log = server.events(thread)
        check_whole(log)
        assert text_of(log) == ["one two"]
        site.provider.expect(Text("three"))
        assert server.run(thread)["reply"] == "three"
        site.provider.expect(Text("four"))
        with server.read(thread, "?after=latest") as reader:
            ask(other, thread)
            assert "synthetic" not in reader.wait_type("turn/started")
            reader.wait_type("turn/completed", status="completed")
        check_whole(server.events(thread))


def test_a_turn_that_ran_before_we_came_is_followed(daemon: Daemon, site: Site) -> None:
    gate = Gate()
    site.provider.expect(Text(["one ", gate, "two"]))
    with other_client(site) as other:
        thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
        ask(other, thread)
        other.notice("item/agentMessage/delta")
        with start(site) as server, server.read_all() as everything:
            everything.wait_type("turn/started")
            gate.open()
            assert "synthetic" not in everything.wait_type("turn/completed", status="completed")
            log = server.events(thread)
            check_whole(log)
            assert text_of(log) == ["one two"]


def test_a_question_of_their_turn_can_be_answered_here(daemon: Daemon, site: Site) -> None:
    site.provider.expect(command(site))
    site.provider.expect(Text("done"))
    with start(site) as server, other_client(site) as other, server.read_all() as everything:
        server.wait_ready()
        thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
        ask(other, thread, approvalPolicy="on-request")
        asked = everything.wait_type("approval/requested")
        assert asked["conversation_id"] == thread
        approval = server.get("/approvals")["data"][0]
        assert approval["deadline_at"] is None
        path = f"/conversations/{thread}/approvals/{approval['approval_id']}"
        server.post(path, {"decision": "accept"}, 200)
        everything.wait_type("turn/completed", status="completed")
    assert outside(site).exists()


def test_a_rule_is_taken_back_and_the_daemon_is_left_alone(site: Site) -> None:
    with Daemon(site) as daemon, start(site) as server:
        ready_with(server, daemon.pid)
        boss = bearer(make_token(token_file(site), "boss", EVERYTHING))
        here, _ = remember(server, boss)
        removed = remove(server, boss, only(server)["id"])
        assert (removed["hold"]["state"], removed["reloaded"]) == ("joined", [])
        assert removed["held_by"] == [here]
        assert server.get("/rules")["data"] == []
        assert [asks(server, here), asks(server, server.conversation())] == [False, True]
        for path in ("archive", "unarchive"):
            server.post(f"/conversations/{here}/{path}")
        assert asks(server, here)
        ready_with(server, daemon.pid)


def test_auto_starts_one_when_the_daemon_is_gone(daemon: Daemon, site: Site) -> None:
    with start(site) as server, server.read_all() as everything:
        server.wait_ready()
        conversation, gate, reader = begin(server, site)
        daemon.kill()
        told = everything.wait(lambda e: e["type"] == "core/state" and e["status"] == "restarting")
        assert told["data"]["reason"] == "the daemon has ended"
        with reader:
            ended = reader.wait_type("turn/completed")
        gate.open()
        assert (ended["status"], ended["synthetic"]) == ("interrupted", "core_lost")
        assert kept(server)
        site.provider.expect(Text("here I am"))
        assert server.run(conversation)["reply"] == "here I am"
        check_whole(server.events(conversation))


def test_a_daemon_that_hangs_is_waited_for(daemon: Daemon, site: Site) -> None:
    with start(site, "--core-check", "1") as server, server.read_all() as everything:
        server.wait_ready()
        conversation, gate, reader = begin(server, site)
        daemon.process.suspend()
        everything.wait(lambda e: e["type"] == "core/state" and e["status"] == "restarting")
        until(lambda: "does not answer" in str(core(server)["reason"]), "it is found mute")
        assert core_record(site) == {}
        daemon.process.resume()
        ready_with(server, daemon.pid)
        # Else its end may be told from the core's history, which is no fault.
        until(lambda: any("caught up with the core" in each for each in server.log), "caught up")
        gate.open()
        with reader:
            assert "synthetic" not in reader.wait_type("turn/completed", status="completed")
        log = server.events(conversation)
        check_whole(log)
        assert text_of(log) == ["one two"]


def test_join_waits_for_the_next_daemon(daemon: Daemon, site: Site) -> None:
    with start(site, "--core", "join") as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text("one"))
        assert server.run(conversation)["reply"] == "one"
        daemon.kill()
        until(lambda: "Start one" in str(core(server)["reason"]), "it says what to do")
        assert core_record(site) == {}
        daemon.start()
        ready_with(server, daemon.pid)
        site.provider.expect(Text("two"))
        assert server.run(conversation)["reply"] == "two"


def test_a_daemon_that_is_started_anew_is_joined_again(daemon: Daemon, site: Site) -> None:
    with start(site) as server:
        server.wait_ready()
        conversation = server.conversation()
        site.provider.expect(Text("one"))
        assert server.run(conversation)["reply"] == "one"
        before = daemon.pid
        daemon.restart()
        assert daemon.pid != before
        ready_with(server, daemon.pid)
        assert core_record(site) == {}
        site.provider.expect(Text("two"))
        assert server.run(conversation)["reply"] == "two"


def test_a_core_that_was_left_comes_first_until_it_is_quiet(daemon: Daemon, site: Site) -> None:
    with start(site, "--core", "own") as first:
        first.wait_ready()
        left = first.core()
        conversation, gate, reader = begin(first, site)
        first.kill()
    with reader, start(site) as second:
        ready_with(second, left.pid)
        assert core(second)["joined"] is False
        gate.open()
        ready_with(second, daemon.pid)
        assert gone(left)
        log = second.events(conversation)
        check_whole(log)
        assert text_of(log) == ["one two"]
        site.provider.expect(Text("and on"))
        assert second.run(conversation)["reply"] == "and on"


def test_a_socket_that_others_may_have_put_there_is_left_alone(daemon: Daemon, site: Site) -> None:
    folder = (site.home / CONTROL).parent
    folder.chmod(0o777)
    try:
        assert "can be written by other users" in refused(site, "--core", "join")
        with start(site) as server:
            server.wait_ready()
            assert kept(server)
    finally:
        folder.chmod(0o700)
    assert not gone(daemon.process)


def test_what_its_agents_start_is_kept_out(daemon: Daemon, site: Site) -> None:
    with start(site) as server, other_client(site) as other:
        server.wait_ready()
        site.provider.expect(Command(f"curl -s -m 10 {server.url}/conversations"))
        site.provider.expect(Text("done"))
        thread = other.call("thread/start", cwd=str(site.project))["thread"]["id"]
        ask(other, thread, sandboxPolicy={"type": "dangerFullAccess"})
        ran = other.wait(
            lambda m: (
                m.get("method") == "item/completed"
                and m["params"]["item"]["type"] == "commandExecution"
            )
        )
        assert "agent_self_access" in ran["params"]["item"]["aggregatedOutput"]


def test_an_old_login_of_the_daemon_is_said(signed_in_site: LoginSite) -> None:
    site, ada, bob = signed_in_site, signed_in_site.issuer.person.email, "bob@example.com"
    site.provider.script = lambda _: [Text("here you are")]

    def status(server: Server) -> tuple[bool, bool, str]:
        found = server.get("/auth/status")
        return found["authenticated"], found["stale"], found["email"]

    with Daemon(site) as daemon:
        with start(site) as server:
            server.wait_ready()
            until(lambda: status(server) == (True, False, ada), "the daemon's login is shown")
            site.issuer.write_login(site.home, Person(bob, "plus", "acct-bob", "user-bob"))
            until(lambda: status(server) == (True, True, ada), "its login is said to be old")
            assert "codex app-server daemon restart" in server.get("/auth/status")["hint"]
            assert server.run(server.conversation())["reply"] == "here you are"
            assert core(server)["pid"] == daemon.pid
        with start(site) as server:
            server.wait_ready()
            until(lambda: status(server) == (True, True, ada), "it is said at the start too")
            daemon.restart()
            ready_with(server, daemon.pid)
            until(lambda: status(server) == (True, False, bob), "the new login is used")
