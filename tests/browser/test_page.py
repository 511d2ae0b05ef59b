"""The page at `/`, in a real browser, on a real server and core: one conversation."""

from __future__ import annotations

import re
from contextlib import ExitStack

import pytest
from playwright.sync_api import Page, expect

from codex_http_server.testing.answers import Command, Drop, Gate, Patch, Reasoning, Text, ToolCall
from tests.support.access import bearer, make_token, token_file
from tests.support.approvals import QUESTIONS, allow_all_questions, output
from tests.support.builtpage import needs_page
from tests.support.chatpage import ChatPage, open_chat
from tests.support.server import Server, Site, start
from tests.support.signin import LoginSite

pytestmark = [
    pytest.mark.core,
    pytest.mark.browser,
    pytest.mark.lent,
    pytest.mark.timeout(120),
    needs_page,
]

PATCH = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch"


@pytest.fixture
def chat(page: Page, server: Server) -> ChatPage:
    return open_chat(page, server)


def texts(server: Server, conversation: str) -> list[str]:
    """The answers of a conversation as the log has them."""
    events = server.get(f"/conversations/{conversation}/events?after=0")["data"]
    ended = [each for each in events if each["type"] == "item/completed"]
    return [each["data"]["item"]["text"] for each in ended if each["item_type"] == "agentMessage"]


# --- answers ------------------------------------------------------------------------------------


def test_a_first_message_makes_a_conversation_and_its_answer_streams(
    chat: ChatPage, server: Server
) -> None:
    gates = Gate(), Gate()
    server.site.provider.expect(Text(["Hel", gates[0], "lo ", gates[1], "`you`"]))
    chat.shoot("empty")
    chat.say("say <b>hello</b>")
    expect(chat.said).to_have_text("say <b>hello</b>")
    expect(chat.answers).to_have_text("Hel")
    expect(chat.button("Stop")).to_be_visible()
    chat.shoot("streaming")
    gates[0].open()
    expect(chat.answers).to_have_text("Hello")
    gates[1].open()
    expect(chat.answers).to_have_text("Hello you")
    expect(chat.foot).to_contain_text("Done in")
    expect(chat.button("Stop")).to_be_hidden()
    expect(chat.page.locator("[aria-live]")).to_have_text("Hello `you`")
    chat.expect_title("say <b>hello</b>")


def test_a_reload_in_mid_turn_shows_the_rest_once(chat: ChatPage, server: Server) -> None:
    gate = Gate()
    server.site.provider.expect(Reasoning("**Thinking**\n\nabout it"), Command("echo out; exit 3"))
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Text(["done\n\n", gate, "```\ncode\n```"]))
    chat.say("work")
    expect(chat.answers).to_have_text("done")
    chat.page.reload()
    expect(chat.answers).to_have_text("done")
    gate.open()
    expect(chat.foot).to_contain_text("Done")
    expect(chat.answers.locator("pre")).to_have_text("code")
    expect(chat.commands).to_contain_text("exit 3")
    expect(chat.commands.get_by_role("region", name="Output")).to_have_text("out\n")
    streamed = chat.messages.inner_text()
    chat.page.reload()
    expect(chat.foot).to_be_visible()
    assert chat.messages.inner_text() == streamed
    assert texts(server, chat.id) == ["done\n\n```\ncode\n```"]


@pytest.mark.own
def test_a_server_that_is_killed_in_mid_answer_loses_and_doubles_nothing(
    page: Page, site: Site
) -> None:
    gate = Gate()
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        site.provider.expect(Text(["one ", gate, "two"]))
        chat = open_chat(page, first)
        chat.say("count")
        expect(chat.answers).to_have_text("one")
        first.kill()
        expect(chat.connection_lost).to_be_visible()
        chat.shoot("reconnecting")
        second = stack.enter_context(start(site, "--port", first.url.rpartition(":")[2]))
        second.wait_ready()
        gate.open()
        expect(chat.foot).to_be_visible()
        expect(chat.connection_lost).to_be_hidden()
        shown = [each.strip() for each in chat.answers.all_inner_texts()]
        assert shown == [each.strip() for each in texts(second, chat.id)]
        assert shown[-1:] in (["one two"], ["one"])


@pytest.mark.own
def test_a_message_to_a_server_that_is_away_is_sent_once_it_is_back(page: Page, site: Site) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(start(site))
        first.wait_ready()
        site.provider.expect(Text("before"))
        chat = open_chat(page, first)
        chat.say("one")
        expect(chat.foot).to_be_visible()
        first.stop()
        expect(chat.connection_lost).to_be_visible()
        site.provider.expect(Text("after"))
        chat.box.fill("two")
        chat.box.press("Enter")
        second = stack.enter_context(start(site, "--port", first.url.rpartition(":")[2]))
        second.wait_ready()
        expect(chat.answers).to_have_text(["before", "after"])
        expect(chat.said).to_have_text(["one", "two"])
        expect(chat.box).to_have_value("")


def test_a_broken_stream_is_shown_and_the_answer_comes_again(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["half ", Drop()]))
    server.site.provider.expect(gate, Text("whole"))
    chat.say("go")
    expect(chat.broken).to_be_visible()
    expect(chat.page.get_by_text("Trying again.")).to_be_visible()
    gate.open()
    expect(chat.page.get_by_text("Trying again.")).to_be_hidden()
    expect(chat.answers.last).to_have_text("whole")


# --- commands and files ------------------------------------------------------------------------


def test_a_commands_output_is_there_while_it_runs_with_its_colours(
    chat: ChatPage, server: Server
) -> None:
    go = server.site.project / "go"
    # Again and again: what a command prints in its first moment the core tells only at its end.
    red = "printf '\\033[31mred\\033[0m\\n'"
    line = f"while [ ! -e {go} ]; do {red}; sleep 0.05; done; echo end; exit 3"
    server.site.provider.expect(Command(line, yield_ms=30_000))
    server.site.provider.expect(Text("ended"))
    chat.say("run")
    expect(chat.commands.locator(".ansi-red-fg").first).to_have_text("red")
    expect(chat.commands.locator(".codex-state")).to_have_text("running")
    chat.shoot("command")
    go.touch()
    expect(chat.commands.locator(".codex-state")).to_contain_text("exit 3")
    expect(chat.commands).to_contain_text("end")


def test_a_long_output_is_cut_until_all_of_it_is_asked_for(chat: ChatPage, server: Server) -> None:
    server.site.provider.expect(Command("echo begin; seq 1 40000; echo end"))
    server.site.provider.expect(Text("ended"))
    chat.say("run")
    expect(chat.foot).to_be_visible()
    printed = chat.commands.get_by_role("region", name="Output")
    assert len(printed.inner_text()) <= 21_000
    chat.page.get_by_role("button", name=re.compile("Show all")).click()
    expect(printed).to_contain_text("begin")
    assert len(printed.inner_text()) > 200_000


def test_a_change_is_shown_with_its_lines_and_the_turns_diff(
    chat: ChatPage, server: Server
) -> None:
    (server.site.project / "old.txt").write_text("left\nmiddle\nright\n")
    patch = (
        "*** Begin Patch\n*** Update File: old.txt\n@@\n left\n-middle\n+centre\n right\n"
        "*** Add File: new.txt\n+fresh\n*** End Patch"
    )
    server.site.provider.expect(Patch(patch))
    server.site.provider.expect(Text("changed"))
    chat.say("change")
    expect(chat.foot).to_be_visible()
    expect(chat.files.locator(".diff-code-insert")).to_have_text(["fresh", "centre"])
    expect(chat.files.locator(".diff-code-delete")).to_have_text(["middle"])
    assert (server.site.project / "old.txt").read_text() == "left\ncentre\nright\n"
    chat.button("Show what it changed").click()
    expect(chat.foot.locator(".codex-file code")).to_have_text(["new.txt", "old.txt"])
    chat.shoot("diff")


# --- approvals ---------------------------------------------------------------------------------


def test_a_command_is_allowed_and_two_tabs_agree(chat: ChatPage, server: Server) -> None:
    made = server.site.root / "made.txt"
    server.site.provider.expect(Command(f"touch {made}", escalate=True, justification="Shall I?"))
    server.site.provider.expect(Text("done"))
    chat.say("go")
    expect(chat.asked).to_contain_text("Shall I?")
    amend = chat.asked.locator("[data-decision]").nth(1)
    expect(amend).to_contain_text("Always allow")
    expect(amend).to_be_disabled()
    expect(chat.asked).to_contain_text("scope elevate")
    expect(chat.asked).to_contain_text("if nobody answers")
    chat.shoot("approval")
    browser = chat.page.context.browser
    assert browser is not None
    other = ChatPage(browser.new_page())
    other.page.goto(chat.page.url)
    expect(other.asked).to_be_visible()
    chat.page.reload()  # it waits for whoever comes
    chat.button("Allow once").click()
    expect(chat.foot).to_contain_text("Done")
    expect(chat.answered.locator("summary")).to_contain_text("Allowed once by you")
    expect(other.asked).to_have_count(0)
    expect(other.answers).to_have_text("done")
    elsewhere = "Allowed once on this machine, without a token"
    expect(other.answered.locator("summary")).to_contain_text(elsewhere)
    assert made.exists()
    chat.page.reload()
    expect(chat.answered.locator("summary")).to_contain_text("Allowed once by you")
    other.page.reload()
    expect(other.answered.locator("summary")).to_contain_text(elsewhere)
    expect(other.answered.get_by_text("Shall I?")).to_be_hidden()
    other.answered.locator("summary").click()
    expect(other.answered.get_by_text("Shall I?")).to_be_visible()
    other.shoot("answered")
    other.page.close()


def test_what_is_allowed_for_the_session_is_not_asked_again(chat: ChatPage, server: Server) -> None:
    server.site.configure(sandbox_mode="read-only", approval_policy="on-request")
    for name in ("new", "next"):
        server.site.provider.expect(Patch(PATCH.replace("new.txt", f"{name}.txt")))
    server.site.provider.expect(Text("both"))
    chat.choice("Sandbox").select_option("read-only")
    chat.say("go")
    chat.button("Allow for this session").click()
    expect(chat.asked).to_contain_text("next.txt")
    chat.button("Allow for this session").click()
    expect(chat.answers).to_have_text("both")


def test_a_file_change_is_denied_with_its_diff_in_view(chat: ChatPage, server: Server) -> None:
    server.site.provider.expect(Patch(PATCH))
    server.site.provider.expect(Text("then not"))
    chat.choice("Sandbox").select_option("read-only")
    chat.say("go")
    expect(chat.asked.locator(".diff-code-insert")).to_have_text(["one", "two"])
    chat.button("Deny").click()
    expect(chat.answers).to_have_text("then not")
    expect(chat.files).to_contain_text("declined")
    expect(chat.answered).to_contain_text("Denied by you")
    assert not (server.site.project / "new.txt").exists()


def test_who_else_answered_is_told(chat: ChatPage, server: Server) -> None:
    made = server.site.root / "made-elsewhere.txt"
    ask = Command(f"touch {made}", escalate=True, justification="Shall I?")
    token = bearer(make_token(token_file(server.site), "phone"))
    server.site.provider.expect(ask)
    server.site.provider.expect(Text("not done"))
    chat.say("go")
    expect(chat.asked).to_be_visible()
    (waits,) = server.get(f"/conversations/{chat.id}/approvals")["data"]
    path = f"/conversations/{chat.id}/approvals/{waits['approval_id']}"
    answered = server.client.post(path, json={"decision": "decline"}, headers=token)
    assert answered.status_code == 200
    expect(chat.answered).to_contain_text("Denied with the token “phone”")
    server.site.provider.expect(ask)
    chat.say("again")
    expect(chat.asked).to_be_visible()
    chat.button("Stop").click()
    expect(chat.answered.last).to_contain_text("Not answered: the turn was interrupted")


@pytest.mark.own
def test_that_nobody_answered_in_time_is_told(page: Page, site: Site) -> None:
    with start(site, "--approval-deadline", "1") as server:
        server.wait_ready()
        ask = Command("touch /outside", escalate=True, justification="Shall I?")
        site.provider.expect(ask)
        site.provider.expect(Text("then not"))
        chat = open_chat(page, server)
        chat.say("go")
        expect(chat.answers).to_have_text("then not")
        expect(chat.answered).to_contain_text("Denied as nobody answered in time")
        page.reload()
        expect(chat.answered).to_contain_text("Denied as nobody answered in time")


@pytest.mark.own
def test_a_question_is_answered_in_a_form(page: Page, site: Site) -> None:
    allow_all_questions(site)
    with start(site) as server:
        server.wait_ready()
        site.provider.expect(ToolCall("request_user_input", QUESTIONS))
        site.provider.expect(Text("thank you"))
        chat = open_chat(page, server)
        chat.say("go")
        chat.button("Answer").click()
        expect(chat.asked.get_by_role("alert")).to_contain_text("must answer a question")
        chat.asked.get_by_label("blue").check()
        chat.shoot("question")
        chat.button("Answer").click()
        expect(chat.answers).to_have_text("thank you")
        expect(chat.answered).to_contain_text("Answered by you")
        chat.answered.locator("summary").click()
        expect(chat.answered).to_contain_text('"blue"')
        assert output(site) == '{"answers":{"colour":{"answers":["blue"]}}}'


# --- while a turn runs -------------------------------------------------------------------------


def test_messages_wait_are_edited_moved_and_removed_and_a_turn_is_stopped(
    chat: ChatPage, server: Server
) -> None:
    gate = Gate()
    server.site.provider.expect(Text(["first ", gate, "never"]))
    server.site.provider.expect(Text("second"))
    chat.say("one")
    expect(chat.answers).to_have_text("first")
    for text in ("two", "three", "four"):
        chat.say(text)
        expect(chat.waiting.last).to_contain_text(text)
    chat.page.get_by_role("button", name="Remove: three").click()
    expect(chat.waiting).to_have_count(2)
    chat.page.get_by_role("button", name="Move up: four").click()
    expect(chat.waiting.first).to_contain_text("four")
    chat.page.get_by_role("button", name="Edit: four").click()
    chat.page.get_by_label("Waiting message", exact=True).fill("changed")
    chat.button("Save").click()
    expect(chat.waiting.first).to_contain_text("changed")
    chat.page.get_by_role("button", name="Remove: two").click()
    expect(chat.waiting).to_have_count(1)
    chat.shoot("queue")
    chat.box.press("Escape")
    expect(chat.foot.first).to_contain_text("Interrupted")
    expect(chat.answers).to_have_text(["first", "second"])
    expect(chat.said).to_have_text(["one", "changed"])
    expect(chat.waiting).to_have_count(0)
    gate.open()


def test_a_message_is_given_to_the_running_turn(chat: ChatPage, server: Server) -> None:
    go = server.site.project / "go"
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    server.site.provider.expect(Command(wait, yield_ms=30_000))
    server.site.provider.expect(Text("with both"))
    chat.say("one")
    expect(chat.commands).to_be_visible()
    chat.choice("While Codex works").select_option("steer")
    chat.say("two")
    go.touch()
    expect(chat.answers).to_have_text("with both")
    expect(chat.said).to_have_text(["one", "two"])
    expect(chat.foot).to_have_count(1)


# --- what goes wrong ---------------------------------------------------------------------------


def test_a_refusal_is_told_and_the_text_is_kept(chat: ChatPage) -> None:
    chat.folder.fill("/does/not/exist")
    chat.box.fill("hello")
    chat.box.press("Enter")
    expect(chat.problem).to_contain_text("does not exist")
    expect(chat.box).to_have_value("hello")
    chat.shoot("error")


def test_what_is_being_written_outlives_a_reload(chat: ChatPage, server: Server) -> None:
    server.site.provider.expect(Text("yes"))
    chat.say("there?")
    expect(chat.foot).to_be_visible()
    chat.box.fill("half a thou")
    chat.page.reload()
    expect(chat.box).to_have_value("half a thou")
    chat.button("New conversation").click()
    expect(chat.box).to_have_value("")


@pytest.mark.own
def test_a_refused_login_leads_to_a_new_one_and_the_message_waits(
    page: Page, signed_in_site: LoginSite
) -> None:
    signed_in_site.provider.authorise = lambda _: 401
    with start(signed_in_site) as server:
        server.wait_ready()
        chat = open_chat(page, server)
        chat.say("hello")
        signin = page.get_by_role("region", name="Sign in")
        expect(signin).to_be_visible()
        expect(chat.waiting).to_contain_text("until somebody has signed in")
        chat.shoot("login")
