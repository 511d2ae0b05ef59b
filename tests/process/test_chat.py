"""`codex-http-server chat`: on a terminal, and in a pipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from codex_http_server.testing.answers import Command, Fail, Gate, Text
from codex_http_server.testing.reader import PATIENCE
from tests.support.approvals import ASKING, allow_all_questions
from tests.support.server import Server, Site, start
from tests.support.shared import site_at
from tests.support.signin import LoginSite
from tests.support.terminal import CTRL_C, CTRL_D, Terminal


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with site_at(tmp_path_factory.mktemp("chat")) as site:
        # the model waits for the tests
        allow_all_questions(site, stream_idle_timeout_ms=60_000)
        with start(site) as running:
            running.wait_ready()
            yield running


def terminal(site: Site, *arguments: str) -> Terminal:
    return Terminal("chat", *arguments, env=site.environment(), cwd=site.project)


def piped(site: Site, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "codex_http_server", "chat", *arguments],
        env=site.environment(),
        cwd=site.project,
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


def newest(server: Server) -> str:
    return str(server.get("/conversations")["data"][0]["id"])


# --- in a pipe ------------------------------------------------------------------------------


def test_one_message_and_the_answer_alone_on_stdout(server: Server) -> None:
    server.site.provider.expect(Command("echo first; echo second"))
    server.site.provider.expect(Text("All\ndone.", chunk=3))
    done = piped(server.site, "do it\n")
    assert (done.returncode, done.stdout) == (0, "All\ndone.\n")
    assert "$ /bin/bash -lc 'echo first; echo second'" in done.stderr
    assert "  second" in done.stderr
    found = server.get(f"/conversations/{newest(server)}")
    assert found["working_directory"] == str(server.site.project)


def test_a_message_in_a_conversation_that_is_there(server: Server) -> None:
    conversation = server.conversation()
    server.site.provider.expect(Text("Again."))
    done = piped(server.site, "", conversation, "--message", "go on")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Again.\n", "")


def test_what_is_asked_is_declined_where_nobody_is(server: Server) -> None:
    server.site.provider.expect(Command("touch ../x", escalate=True, justification="Please."))
    server.site.provider.expect(Text("Then not."))
    done = piped(server.site, "do it")
    assert (done.returncode, done.stdout) == (0, "Then not.\n")
    assert "? command" in done.stderr
    assert "reason: Please." in done.stderr
    assert "declined: nobody is here to answer" in done.stderr
    assert not (server.site.root / "x").exists()


def test_the_exit_code_says_that_it_failed(server: Server) -> None:
    server.site.provider.expect(Fail(400, {"error": {"message": "too hot"}}))
    done = piped(server.site, "do it")
    assert (done.returncode, done.stdout) == (1, "")
    assert "[failed]" in done.stderr
    assert "too hot" in done.stderr


def test_what_can_not_be_done_is_said(server: Server) -> None:
    done = piped(server.site, "do it", "no-such-conversation")
    assert (done.returncode, done.stdout) == (1, "")
    assert "conversation_not_found" in done.stderr
    assert piped(server.site, "x", "an-id", "-C", str(server.site.project)).returncode == 2
    done = piped(server.site, "x", "--url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "hint:" in done.stderr


def test_without_a_server(site: Site) -> None:
    done = piped(site, "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No server runs" in done.stderr


def test_nobody_is_signed_in_and_nothing_stays_behind(login_site: LoginSite) -> None:
    with start(login_site) as server:
        server.wait_ready()
        done = piped(login_site, "do it")
        assert (done.returncode, done.stdout) == (1, "")
        assert "login" in done.stderr
        assert server.get(f"/conversations/{newest(server)}/queue")["data"] == []


# --- on a terminal --------------------------------------------------------------------------


def test_talking(server: Server) -> None:
    site = server.site
    with terminal(site) as shown:
        shown.wait("> ")
        site.provider.expect(Text("Hello there.", chunk=4))
        shown.type("hi\n")
        shown.wait("Hello there.\n> ")
        site.provider.expect(Text("And again."))
        shown.type("more\n")
        shown.wait("And again.\n> ")
        shown.type("/help\n")
        shown.wait("Ctrl-C interrupts")
        shown.type("/nothing\n")
        shown.wait("no such command")
        shown.type("/quit\n")
        assert shown.ends() == 0
    with terminal(site, newest(server)) as shown:
        shown.wait("And again.\n> ")
        shown.type(CTRL_D)
        assert shown.ends() == 0


@pytest.mark.parametrize(("typed", "made"), [("1", True), ("decline", False)])
def test_an_approval(server: Server, typed: str, made: bool) -> None:
    site = server.site
    site.provider.expect(Command("touch ../asked.txt", escalate=True, justification="I need it."))
    site.provider.expect(Text("Fine."))
    with terminal(site, "--message", "do it") as shown:
        shown.wait("? command")
        shown.wait("touch ../asked.txt")
        shown.wait("reason: I need it.")
        shown.wait("1 accept")
        shown.wait("? ")
        shown.type("what\n")
        shown.wait("'what' is not among them")
        shown.type(f"{typed}\n")
        shown.wait("Fine.")
        assert shown.ends() == 0
    asked = site.root / "asked.txt"
    assert asked.exists() is made
    asked.unlink(missing_ok=True)


def test_files_are_shown_before_they_are_changed(server: Server) -> None:
    site = server.site
    conversation = server.conversation(sandbox="read-only")
    site.provider.expect(ASKING["file_change"](site))
    site.provider.expect(Text("Fine."))
    with terminal(site, conversation, "--message", "do it") as shown:
        shown.wait("? file change")
        shown.wait("  +one\n  +two\n")
        shown.wait("1 accept")
        shown.type("accept\n")
        shown.wait("new.txt (+2 -0)")
        shown.wait("Fine.")
        assert shown.ends() == 0
    assert (site.project / "new.txt").read_text() == "one\ntwo\n"


def test_a_question_is_asked_and_its_answer_given(server: Server) -> None:
    site = server.site
    site.provider.expect(ASKING["question"](site))
    site.provider.expect(Text("Blue it is."))
    with terminal(site, "--message", "paint") as shown:
        shown.wait("? question")
        shown.wait("1 answer, 2 decline")
        shown.type("1\n")
        shown.wait("Which colour?")
        shown.wait("red / blue")
        shown.type("blue\n")
        shown.wait("Blue it is.")
        assert shown.ends() == 0
    assert "blue" in str(site.provider.requests[-1].tool_outputs)


def test_an_approval_that_someone_else_answers(server: Server) -> None:
    site = server.site
    site.provider.expect(Command("touch ../else.txt", escalate=True))
    site.provider.expect(Text("Fine."))
    with terminal(site, "--message", "do it") as shown:
        shown.wait("1 accept")
        approval = server.get("/approvals")["data"][0]
        path = f"/conversations/{approval['conversation_id']}/approvals/{approval['approval_id']}"
        server.post(path, {"decision": "decline"})
        shown.type("1\n")
        shown.wait("ended already: answered")
        shown.wait("Fine.")
        assert shown.ends() == 0
    assert not (site.root / "else.txt").exists()


def test_ctrl_c_interrupts_the_turn_and_the_chat_goes_on(server: Server) -> None:
    site = server.site
    site.provider.expect(Text(["I begin ", Gate()]))
    with terminal(site) as shown:
        shown.wait("> ")
        shown.type("go\n")
        shown.wait("I begin")
        shown.type(CTRL_C)
        shown.wait("[interrupted]")
        shown.wait("> ")
        site.provider.expect(Text("Still here."))
        shown.type("and?\n")
        shown.wait("Still here.\n> ")
        shown.ctrl_c_at_prompt()
        assert shown.ends() == 130
    assert server.get(f"/conversations/{newest(server)}")["status"] == "idle"


def test_ctrl_c_in_place_of_an_answer_interrupts_too(server: Server) -> None:
    site = server.site
    site.provider.expect(Command("touch ../never.txt", escalate=True))
    with terminal(site, "--message", "do it") as shown:
        shown.wait("1 accept")
        shown.wait("? ")
        shown.ctrl_c_at_prompt()
        shown.wait("[interrupted]")
        assert shown.ends() == 130


def test_a_second_ctrl_c_leaves_and_the_turn_goes_on(site: Site) -> None:
    """Where the server does not answer, so that the first has no effect yet."""
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    site.provider.expect(Text(["I begin ", gate, "and end."]))
    with start(site) as server:
        server.wait_ready()
        with terminal(site) as shown:
            shown.wait("> ")
            shown.type("go\n")
            shown.wait("I begin")
            server.kill()
            shown.type(CTRL_C)
            shown.wait("[interrupting")
            shown.type(CTRL_C)
            assert shown.ends() == 130
        with start(site) as second:
            conversation = newest(second)
            with terminal(site, conversation) as shown:
                shown.wait("[a turn runs]")
                gate.open()
                shown.wait("I begin and end.")
                shown.type("/quit\n")
                assert shown.ends() == 0


def test_a_restart_of_the_server_in_mid_answer(site: Site) -> None:
    site.configure(stream_idle_timeout_ms=60_000)
    gate = Gate()
    site.provider.expect(Text(["One two ", gate, "three."]))
    with start(site) as server:
        server.wait_ready()
        with terminal(site) as shown:
            shown.wait("> ")
            shown.type("go\n")
            shown.wait("One two ")
            server.kill()
            with start(site):
                gate.open()
                shown.wait("three.\n> ")
                assert shown.shown.count("One two") == 1
                site.provider.expect(Text("As before."))
                shown.type("and?\n")
                shown.wait("As before.\n> ")
                shown.type("/quit\n")
                assert shown.ends() == 0


def test_what_would_move_the_cursor_is_spelled_out(server: Server) -> None:
    site = server.site
    site.provider.expect(Command("printf '\\033[2Jgone'"))
    site.provider.expect(Text("\x1b[31mred\u202e"))
    with terminal(site, "--message", "do it") as shown:
        shown.wait("\\u001b[2Jgone")
        shown.wait("\\u001b[31mred\\u202e")
        assert shown.ends() == 0
        assert "\x1b[31m" not in shown.shown
