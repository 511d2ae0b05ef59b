"""Steps become the right events of the Responses API, in order."""

from itertools import chain
from typing import Any

import msgspec
import pytest

from codex_http_server.testing.answers import (
    Command,
    Drop,
    Fail,
    Failed,
    Gate,
    Headers,
    Patch,
    Pause,
    Reasoning,
    Silence,
    Step,
    Text,
    ToolCall,
    Usage,
    WriteStdin,
    pieces,
)
from codex_http_server.testing.responses import error_body, frames, http_error, http_headers

Json = dict[str, Any]


def events(*steps: Step, tag: str = "t") -> list[Json]:
    """The data of all events; each must carry its type as event name too."""
    found: list[Json] = []
    for frame in frames(steps, tag):
        assert isinstance(frame, bytes)
        name, data, *rest = frame.decode().split("\n")
        assert rest == ["", ""]
        found.append(msgspec.json.decode(data.removeprefix("data: "), type=Json))
        assert name == f"event: {found[-1]['type']}"
    return found


def done_item(step: Step) -> Json:
    """The finished output item of an answer with one step."""
    return next(one for one in events(step) if one["type"] == "response.output_item.done")["item"]


def test_a_message_streams_as_deltas_between_added_and_done() -> None:
    kinds = [one["type"].removeprefix("response.") for one in events(Text("abcde", chunk=2))]
    deltas = ["output_text.delta"] * 3
    assert kinds == ["created", "output_item.added", *deltas, "output_item.done", "completed"]


@pytest.mark.parametrize("content", ['tick " and \\ and\nline', "\u2028 é 漢 😀", ""])
def test_the_deltas_joined_are_the_finished_text(content: str) -> None:
    sent = events(Text(content, chunk=3))
    joined = "".join(one["delta"] for one in sent if one["type"].endswith("text.delta"))
    assert joined == content
    assert sent[-2]["item"]["content"] == [{"type": "output_text", "text": content}]


def test_each_string_of_a_sequence_is_one_delta_and_halts_stay_between_them() -> None:
    gate, pause = Gate(), Pause(0.5)
    sent = list(frames([Text(["longer than a chunk of sixteen", gate, pause, "b"])], "t"))
    assert sent[3:5] == [gate, pause]
    assert b"longer than a chunk of sixteen" in msgspec.json.encode(str(sent[2]))


def test_ids_are_unique_across_responses_and_the_same_within_an_item() -> None:
    sent = [events(Text("a"), Command("ls"), tag=tag) for tag in ("x_1", "x_2")]
    done = [one["item"] for one in chain(*sent) if one["type"] == "response.output_item.done"]
    ids = [item[key] for item in done for key in ("id", "call_id") if key in item]
    assert len(set(ids)) == len(ids) == 6
    first = sent[0]
    assert first[1]["item"]["id"] == first[2]["item_id"] == first[3]["item"]["id"]
    assert [one["output_index"] for one in first if "output_index" in one] == [0, 0, 0, 1, 1]


def test_reasoning_has_a_summary_part_and_raw_text() -> None:
    kinds = [one["type"].removeprefix("response.") for one in events(Reasoning("sum", "raw"))]
    assert kinds[2:5] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_text.delta",
    ]
    item = done_item(Reasoning("sum", "raw"))
    assert item["summary"] == [{"type": "summary_text", "text": "sum"}]
    assert item["content"] == [{"type": "reasoning_text", "text": "raw"}]
    assert "content" not in done_item(Reasoning("sum"))


@pytest.mark.parametrize(
    ("step", "name", "arguments"),
    [
        (Command("ls"), "exec_command", {"cmd": "ls"}),
        (
            Command("ls", 250, "/w", escalate=True, justification="why", tty=True),
            "exec_command",
            {
                "cmd": "ls",
                "yield_time_ms": 250,
                "workdir": "/w",
                "tty": True,
                "sandbox_permissions": "require_escalated",
                "justification": "why",
            },
        ),
        (WriteStdin(7, "y\n"), "write_stdin", {"session_id": 7, "chars": "y\n"}),
        (ToolCall("any", {"a": [1]}), "any", {"a": [1]}),
    ],
)
def test_function_calls(step: Step, name: str, arguments: Json) -> None:
    item = done_item(step)
    assert (item["type"], item["name"]) == ("function_call", name)
    assert msgspec.json.decode(item["arguments"]) == arguments
    assert "namespace" not in item


def test_a_tool_may_stand_in_a_namespace() -> None:
    assert done_item(ToolCall("spawn", namespace="agents"))["namespace"] == "agents"


def test_a_patch_is_a_custom_tool_call_with_its_text_as_it_is() -> None:
    item = done_item(Patch("*** Begin Patch\n"))
    assert (item["type"], item["name"]) == ("custom_tool_call", "apply_patch")
    assert item["input"] == "*** Begin Patch\n"


def test_usage_is_reported_at_the_end_wherever_it_stands() -> None:
    usage = events(Usage(1000, 400, 50, 20), Text("a"))[-1]["response"]["usage"]
    assert usage == {
        "input_tokens": 1000,
        "input_tokens_details": {"cached_tokens": 400},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1050,
    }


@pytest.mark.parametrize("end", [Drop(), Silence(Gate())])
def test_nothing_follows_an_abrupt_end(end: Drop | Silence) -> None:
    inside = list(frames([Text(["a", end, "never"]), Text("never")], "t"))
    between = list(frames([Text("a"), end, Text("never")], "t"))
    for sent in (inside, between):
        assert sent[-1] is end
        assert not any(b"never" in frame for frame in sent if isinstance(frame, bytes))


def test_silence_as_the_first_step_sends_no_event_at_all() -> None:
    silence = Silence(Gate())
    assert list(frames([silence, Text("never")], "t")) == [silence]


def test_a_failed_response_ends_the_stream_in_good_order() -> None:
    last = events(Text(["a", Failed("server_error", "oops")]), Text("never"))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": "server_error", "message": "oops"}


def test_http_headers_and_errors() -> None:
    steps = [Headers({"a": "1", "b": "1"}), Headers({"b": "2"}), Text("x")]
    assert http_headers(steps) == {"a": "1", "b": "2"}
    assert http_error(steps) is None
    assert http_error([Fail(500)]) == Fail(500)
    assert error_body(Fail(429)) == b'{"error":{"message":"scripted status 429"}}'
    assert error_body(Fail(500, "plain")) == b"plain"
    assert error_body(Fail(400, {"a": 1})) == b'{"a":1}'


def test_pieces_lose_nothing() -> None:
    assert pieces("abcde", 2) == ["ab", "cd", "e"]
    assert pieces("", 2) == []
    with pytest.raises(ValueError, match="at least 1"):
        pieces("a", 0)
