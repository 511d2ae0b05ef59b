"""The scripted provider and the real core understand each other, in success and in failure."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from codex_http_server.testing.answers import (
    Command,
    Drop,
    Fail,
    Failed,
    Gate,
    Headers,
    Patch,
    Reasoning,
    Silence,
    Step,
    Text,
    Usage,
    WriteStdin,
)
from codex_http_server.testing.demo_script import demo_script
from codex_http_server.testing.provider import Provider
from codex_http_server.testing.requests import ModelRequest
from tests.support.stdio_core import Event, StdioCore

pytestmark = [pytest.mark.core, pytest.mark.timeout(60)]


class Rig(NamedTuple):
    """A provider, a core that uses it, and one thread of that core."""

    provider: Provider
    core: StdioCore
    thread: str

    def turn(self, text: str = "go", *steps: Step) -> list[Event]:
        """All events of a turn whose first response is `steps`, if any are given."""
        if steps:
            self.provider.expect(*steps)
        self.core.start_turn(self.thread, text)
        return self.core.until("turn/completed")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig; the core must call nothing but the model, and the script must not fail."""
    with ExitStack() as stack:
        provider = stack.enter_context(Provider())
        config = provider.config(stream_idle_timeout_ms=500)
        core = stack.enter_context(StdioCore(tmp_path, config))
        yield Rig(provider, core, core.start_thread())
        assert provider.failures == []
        assert provider.other_calls == []


def items(events: list[Event], kind: str) -> list[dict[str, Any]]:
    """The finished items of a kind."""
    finished = [one.params["item"] for one in events if one.method == "item/completed"]
    return [item for item in finished if item["type"] == kind]


def deltas(events: list[Event], method: str) -> list[str]:
    """The deltas of a method, in order."""
    return [one.params["delta"] for one in events if one.method == method]


def of(events: list[Event], method: str) -> list[dict[str, Any]]:
    """The parameters of all events of a method."""
    return [one.params for one in events if one.method == method]


def test_the_config_starts_a_core_without_unknown_keys(rig: Rig) -> None:
    # --strict-config refuses unknown keys, so that the core answers at all is half the proof.
    events = rig.turn("hello", Text("hi"))
    warnings = [one["summary"] for one in of(events, "configWarning")]
    assert [text for text in warnings if "bubblewrap" not in text] == []
    assert rig.provider.requests[0].user_text == "hello"
    assert rig.provider.requests[0].thread_id == rig.thread


def test_text_with_many_deltas_usage_and_headers(rig: Rig) -> None:
    text = "".join(f"{number:06} " for number in range(5000))
    headers = Headers({"x-codex-primary-used-percent": "43"})
    events = rig.turn("go", headers, Text(text, chunk=7), Usage(1000, 400, 50, 20))
    got = deltas(events, "item/agentMessage/delta")
    assert (len(got), "".join(got)) == (5000, text)
    assert items(events, "agentMessage")[0]["text"] == text
    assert of(events, "thread/tokenUsage/updated")[-1]["tokenUsage"]["last"]["totalTokens"] == 1050
    limits = of(events, "account/rateLimits/updated")[-1]["rateLimits"]
    assert limits["primary"]["usedPercent"] == 43


def test_reasoning(rig: Rig) -> None:
    events = rig.turn("go", Reasoning("thinking hard", "raw thoughts", chunk=5), Text("so"))
    assert "".join(deltas(events, "item/reasoning/summaryTextDelta")) == "thinking hard"
    assert "".join(deltas(events, "item/reasoning/textDelta")) == "raw thoughts"
    reasoning = items(events, "reasoning")[0]
    assert (reasoning["summary"], reasoning["content"]) == (["thinking hard"], ["raw thoughts"])


def test_a_command_really_runs_and_its_output_reaches_the_model(rig: Rig) -> None:
    rig.provider.expect(Command("echo made > made.txt; cat made.txt; exit 3"))
    rig.provider.expect(Text("done"))
    command = items(rig.turn(), "commandExecution")[0]
    assert (rig.core.workspace / "made.txt").read_text() == "made\n"
    assert (command["aggregatedOutput"], command["exitCode"]) == ("made\n", 3)
    assert "exited with code 3\n" in rig.provider.requests[1].tool_outputs[0]


def test_a_patch_really_changes_a_file(rig: Rig) -> None:
    (rig.core.workspace / "a.txt").write_text("hello\n")
    patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-hello\n+hello world\n*** End Patch"
    rig.provider.expect(Patch(patch))
    rig.provider.expect(Text("done"))
    events = rig.turn()
    assert (rig.core.workspace / "a.txt").read_text() == "hello world\n"
    change = items(events, "fileChange")[0]
    assert (change["status"], change["changes"][0]["kind"]["type"]) == ("completed", "update")
    assert "Success" in rig.provider.requests[1].tool_outputs[0]
    assert "+hello world" in of(events, "turn/diff/updated")[-1]["diff"]


def test_input_reaches_a_command_in_the_background(rig: Rig) -> None:
    def script(request: ModelRequest) -> list[Step]:
        if not request.results:
            return [Command("read line; echo heard $line", yield_ms=250, tty=True)]
        if len(request.results) == 1:
            session = request.results[0].output.partition("session ID ")[2].split()[0]
            return [WriteStdin(int(session), "you\n", yield_ms=5000)]
        return [Text("done")]

    rig.provider.script = script
    rig.turn()
    answered = rig.provider.requests[2].results[1]
    assert answered.name == "write_stdin"
    assert "heard you" in answered.output


def test_a_gate_holds_in_mid_text(rig: Rig) -> None:
    gate = Gate()
    rig.provider.expect(Text(["before ", gate, "after"]))
    rig.core.start_turn(rig.thread, "go")
    first = rig.core.until("item/agentMessage/delta")
    gate.wait_reached()
    assert deltas(first, "item/agentMessage/delta") == ["before "]
    gate.open()
    assert deltas(rig.core.until("turn/completed"), "item/agentMessage/delta") == ["after"]


def test_an_interrupt_hangs_up_and_leaves_the_open_message_without_an_end(rig: Rig) -> None:
    gate = Gate()
    rig.provider.expect(Text(["cut", gate]))
    turn = rig.core.start_turn(rig.thread, "go")
    rig.core.until("item/agentMessage/delta")
    rig.core.call("turn/interrupt", threadId=rig.thread, turnId=turn)
    events = rig.core.until("turn/completed")
    assert events[-1].params["turn"]["status"] == "interrupted"
    assert items(events, "agentMessage") == []
    assert rig.provider.requests[0].hung_up.wait(5)
    rig.turn("again", Text("ok"))
    assert rig.provider.requests[1].user_text == "again"
    assert "<turn_aborted>" in str(rig.provider.requests[1].body)


def test_an_interrupt_leaves_a_running_command_alive_until_it_is_cleaned(rig: Rig) -> None:
    rig.provider.expect(Command("sleep 0.6; echo up; sleep 300"))
    turn = rig.core.start_turn(rig.thread, "go")
    rig.core.until("item/commandExecution/outputDelta")
    rig.core.call("turn/interrupt", threadId=rig.thread, turnId=turn)
    assert items(rig.core.until("turn/completed"), "commandExecution") == []
    running = rig.core.call("thread/backgroundTerminals/list", threadId=rig.thread)["data"]
    assert [one["command"] for one in running] == ["sleep 0.6; echo up; sleep 300"]
    rig.core.call("thread/backgroundTerminals/clean", threadId=rig.thread)
    ended = items(rig.core.until("item/completed"), "commandExecution")
    assert [item["status"] for item in ended] == ["failed"]


@pytest.mark.parametrize(
    ("step", "requests", "info"),
    [
        (Fail(500), 6, "internalServerError"),
        (Fail(401), 2, {"httpConnectionFailed": {"httpStatusCode": 401}}),
        (Fail(429), 1, {"responseTooManyFailedAttempts": {"httpStatusCode": 429}}),
        (Text(["cut", Drop()]), 2, "other"),
        (Silence(Gate()), 2, "other"),
        (Failed("context_length_exceeded", "too long"), 1, "contextWindowExceeded"),
        (Failed("server_error", "oops"), 2, "other"),
    ],
    ids=["500", "401", "429", "drop", "silence", "context", "server_error"],
)
def test_a_failing_model_ends_the_turn(rig: Rig, step: Step, requests: int, info: object) -> None:
    def script(_: ModelRequest) -> list[Step]:
        return [step]

    rig.provider.script = script
    events = rig.turn()
    errors = of(events, "error")
    assert [error["willRetry"] for error in errors] == ([True, False] if requests > 1 else [False])
    assert errors[-1]["error"]["codexErrorInfo"] == info
    assert of(events, "thread/status/changed")[-1]["status"] == {"type": "systemError"}
    assert events[-1].params["turn"]["status"] == "failed"
    assert events[-1].params["turn"]["error"] == errors[-1]["error"]
    assert len(rig.provider.requests) == requests


def test_after_a_drop_the_message_starts_again_under_a_new_id(rig: Rig) -> None:
    rig.provider.expect(Text(["lost", Drop()]))
    rig.provider.expect(Text("found"))
    events = rig.turn()
    messages = [
        one["item"]["id"]
        for one in of(events, "item/started")
        if one["item"]["type"] == "agentMessage"
    ]
    assert len(set(messages)) == 2
    assert [item["text"] for item in items(events, "agentMessage")] == ["found"]


def test_the_demo_does_real_work(rig: Rig) -> None:
    rig.provider.script = demo_script
    said = [items(rig.turn("create a file n.txt with one old line"), "agentMessage")]
    said.append(items(rig.turn("add a line another old one to n.txt"), "agentMessage"))
    said.append(items(rig.turn("replace old with new in n.txt"), "agentMessage"))
    assert (rig.core.workspace / "n.txt").read_text() == "one new line\nanother new one\n"
    assert [len(messages) for messages in said] == [1, 1, 1]
    tour = items(rig.turn("show me what you can do"), "agentMessage")
    assert "Hello from a file" in tour[-1]["text"]


def test_closing_cuts_a_held_stream_at_once() -> None:
    gate = Gate()
    with Provider() as provider, ThreadPoolExecutor(1) as pool:
        provider.expect(Text(["held", gate]))
        held = pool.submit(httpx.post, provider.url + "/responses", json={}, timeout=10)
        gate.wait_reached()
        provider.close()  # raises if it takes more than two seconds
        assert isinstance(held.exception(5), httpx.RemoteProtocolError)
    assert provider.failures == []


def test_an_answer_nobody_expected_fails_at_once_and_is_noted() -> None:
    with Provider() as provider:
        asked = {"input": [{"type": "message", "role": "user", "content": "hm"}]}
        answer = httpx.post(provider.url + "/responses", json=asked)
        assert answer.status_code == 400
        assert "no answer was expected for: hm" in answer.text
        assert len(provider.failures) == 1
        assert httpx.post(provider.url + "/responses", content="[").status_code == 400
        assert httpx.get(provider.url + "/models").json()["data"][0]["id"] == "gpt-5.5"
        assert httpx.get(provider.url + "/other").status_code == 404
        assert provider.other_calls == ["GET /v1/other"]
        with pytest.raises(TimeoutError):
            provider.wait_request(2, timeout=0.01)
        assert provider.wait_request(1).user_text == "hm"
