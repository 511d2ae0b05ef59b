"""Steps to the events of the Responses API, as server-sent events. Pure: no waiting, no sockets.

Each delta stays an event of its own. The `output` list of `response.completed` is left empty:
the core takes finished items from `response.output_item.done`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from codex_http_server.testing.answers import (
    Act,
    Command,
    Drop,
    Fail,
    Failed,
    Gate,
    Headers,
    Part,
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

Halt: TypeAlias = Gate | Pause | Drop | Silence
Frame: TypeAlias = bytes | Halt
"""Bytes to send, or something the sender has to do at this place."""

Item: TypeAlias = Mapping[str, object]
_Body: TypeAlias = Iterator[Frame | Failed]
_NewId: TypeAlias = Callable[[str], str]

_encode = msgspec.json.encode


def event(kind: str, **fields: object) -> bytes:
    """One server-sent event of the Responses API."""
    data = _encode({"type": kind, **fields})
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


def http_error(steps: Sequence[Step]) -> Fail | None:
    """The HTTP error that stands in place of a stream, if the answer is one."""
    return next((step for step in steps if isinstance(step, Fail)), None)


def http_headers(steps: Sequence[Step]) -> dict[str, str]:
    """The extra headers of the answer; a later step wins over an earlier one."""
    found: dict[str, str] = {}
    for step in steps:
        if isinstance(step, Headers):
            found.update(step.values)
    return found


def error_body(error: Fail) -> bytes:
    """The body of an HTTP error: as given, or a JSON error that names the status."""
    if isinstance(error.body, str):
        return error.body.encode()
    message = f"scripted status {error.status}"
    return _encode({"error": {"message": message}} if error.body is None else error.body)


def frames(steps: Sequence[Step], tag: str) -> Iterator[Frame]:
    """All of one response, in order. Ids are built on `tag`, which no other response may have.

    After `Drop` and `Silence` nothing follows; after `Failed` the stream ends in good order.
    """
    response_id = f"resp_{tag}"
    stands_still = bool(steps) and isinstance(steps[0], Silence)
    if not stands_still:
        yield event("response.created", response={"id": response_id, "status": "in_progress"})
    for frame in _body(steps, tag):
        if isinstance(frame, Failed):
            yield _failed(response_id, frame)
            return
        yield frame
        if isinstance(frame, Drop | Silence):
            return
    yield _completed(response_id, _usage(steps))


def _body(steps: Sequence[Step], tag: str) -> _Body:
    """The output items and the halts between them."""
    counter = itertools.count()

    def new_id(kind: str) -> str:
        return f"{kind}_{tag}_{next(counter)}"

    acts = 0
    for step in steps:
        if isinstance(step, Gate | Pause | Drop | Silence | Failed):
            yield step
        elif not isinstance(step, Usage | Headers | Fail):
            yield from _act(step, acts, new_id)
            acts += 1


def _act(step: Act, index: int, new_id: _NewId) -> _Body:
    """One output item: what the model says, thinks or calls."""
    if isinstance(step, Text):
        return _message(step, index, new_id("msg"))
    if isinstance(step, Reasoning):
        return _reasoning(step, index, new_id("rs"))
    return _call(call_item(step, new_id), index)


def _message(step: Text, index: int, item_id: str) -> _Body:
    item = {"type": "message", "role": "assistant", "id": item_id}
    yield event("response.output_item.added", output_index=index, item={**item, "content": []})
    parts = pieces(step.content, step.chunk) if isinstance(step.content, str) else step.content
    place: Item = {"item_id": item_id, "output_index": index, "content_index": 0}
    yield from _deltas("response.output_text.delta", place, parts)
    said = "".join(part for part in parts if isinstance(part, str))
    content = [{"type": "output_text", "text": said}]
    yield event("response.output_item.done", output_index=index, item={**item, "content": content})


def _reasoning(step: Reasoning, index: int, item_id: str) -> _Body:
    item = {"type": "reasoning", "id": item_id, "encrypted_content": "scripted"}
    place: Item = {"item_id": item_id, "output_index": index}
    summary = {**place, "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    yield event("response.output_item.added", output_index=index, item={**item, "summary": []})
    yield event("response.reasoning_summary_part.added", **summary, part=part)
    parts = pieces(step.summary, step.chunk)
    yield from _deltas("response.reasoning_summary_text.delta", summary, parts)
    raw = {**place, "content_index": 0}
    yield from _deltas("response.reasoning_text.delta", raw, pieces(step.raw, step.chunk))
    whole: dict[str, object] = {**item, "summary": [{**part, "text": step.summary}]}
    if step.raw:
        whole["content"] = [{"type": "reasoning_text", "text": step.raw}]
    yield event("response.output_item.done", output_index=index, item=whole)


def _deltas(kind: str, place: Item, parts: Iterable[Part]) -> _Body:
    """One event for each string; halts pass through."""
    # The delta goes in last, so that all but it is encoded once for the whole message.
    start = _encode({"type": kind, **place})[:-1]
    head = b"event: " + kind.encode() + b"\ndata: " + start + b',"delta":'
    for part in parts:
        yield head + _encode(part) + b"}\n\n" if isinstance(part, str) else part


def _call(item: Item, index: int) -> _Body:
    yield event("response.output_item.added", output_index=index, item=item)
    yield event("response.output_item.done", output_index=index, item=item)


def call_item(step: Command | WriteStdin | Patch | ToolCall, new_id: _NewId) -> Item:
    """The tool call as the core reads it: a function call, or `apply_patch` as a custom tool."""
    if isinstance(step, Patch):
        ids = {"id": new_id("ctc"), "call_id": new_id("call")}
        return {"type": "custom_tool_call", **ids, "name": "apply_patch", "input": step.patch_text}
    name, arguments = _function(step)
    ids = {"id": new_id("fc"), "call_id": new_id("call")}
    text = _encode(arguments).decode()
    item = {"type": "function_call", **ids, "name": name, "arguments": text}
    if isinstance(step, ToolCall) and step.namespace is not None:
        item["namespace"] = step.namespace
    return item


def _function(step: Command | WriteStdin | ToolCall) -> tuple[str, Mapping[str, object]]:
    if isinstance(step, ToolCall):
        return step.name, step.arguments
    waits = {} if step.yield_ms is None else {"yield_time_ms": step.yield_ms}
    if isinstance(step, WriteStdin):
        return "write_stdin", {"session_id": step.session_id, "chars": step.chars, **waits}
    place = {} if step.workdir is None else {"workdir": step.workdir}
    tty = {"tty": True} if step.tty else {}
    return "exec_command", {"cmd": step.cmd, **waits, **place, **tty, **_escalation(step)}


def _escalation(step: Command) -> dict[str, str]:
    if not step.escalate:
        return {}
    reason = step.justification or "the script asks for it"
    return {"sandbox_permissions": "require_escalated", "justification": reason}


def _usage(steps: Sequence[Step]) -> Usage:
    return next((step for step in steps if isinstance(step, Usage)), Usage())


def _completed(response_id: str, usage: Usage) -> bytes:
    counts = {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
    response = {"id": response_id, "status": "completed", "output": (), "usage": counts}
    return event("response.completed", response=response)


def _failed(response_id: str, failed: Failed) -> bytes:
    error = {"code": failed.code, "message": failed.message}
    response = {"id": response_id, "status": "failed", "error": error}
    return event("response.failed", response=response)
