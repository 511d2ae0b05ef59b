"""What the core asked the model: one recorded request and the parts of it a script looks at.

`ModelRequest.body` is the whole decoded JSON; the properties below read its `input` list.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import msgspec

Json = Mapping[str, object]

_CALLS = ("function_call", "custom_tool_call")
_RESULTS = ("function_call_output", "custom_tool_call_output")
# How messages begin that the core writes in the user's name (core 0.163).
_CONTEXT = (
    "# AGENTS.md instructions",
    "<environment_context>",
    "<recommended_plugins>",
    "<skill>",
    "<subagent_notification>",
    "<turn_aborted>",
    "<user_instructions>",
    "<user_shell_command>",
)


@dataclass(frozen=True)
class ToolResult:
    """One tool call of the model and what the core said to it."""

    name: str
    """Name of the tool, such as `exec_command`; "" when the call is not in the request."""
    arguments: str
    """The call's arguments as JSON text, or the free text of a custom tool."""
    output: str


@dataclass(frozen=True)
class ModelRequest:
    """One `POST /v1/responses` of the core."""

    headers: Mapping[str, str]
    body: Json
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when the core closed the connection before the answer was whole."""

    @property
    def thread_id(self) -> str:
        """The core's id of the conversation, "" if the caller sent none."""
        return self.headers.get("thread-id", "")

    @cached_property
    def input(self) -> list[Json]:
        """The conversation so far, oldest first."""
        return _objects(self.body.get("input"))

    @cached_property
    def user_text(self) -> str:
        """The last thing the user said, "" if nothing; context that the core adds is skipped."""
        place = self._last_user()
        return "" if place is None else message_text(self.input[place])

    @cached_property
    def results(self) -> list[ToolResult]:
        """The tool calls that were answered since the user's last message, oldest first."""
        start = self._last_user()
        return self._results(self.input[0 if start is None else start + 1 :])

    @cached_property
    def tool_outputs(self) -> list[str]:
        """What the tools said to the model's last response; empty if it called none."""
        start = len(self.input)
        while start and self.input[start - 1].get("type") in _RESULTS:
            start -= 1
        return [result.output for result in self._results(self.input[start:])]

    def _last_user(self) -> int | None:
        for place in range(len(self.input) - 1, -1, -1):
            if is_user_message(self.input[place]):
                return place
        return None

    def _results(self, items: Sequence[Json]) -> list[ToolResult]:
        calls = {item.get("call_id"): item for item in self.input if item.get("type") in _CALLS}
        answered = [item for item in items if item.get("type") in _RESULTS]
        return [_result(calls.get(item.get("call_id"), {}), item) for item in answered]


def is_user_message(item: Json) -> bool:
    """Whether a person wrote it: the core's own context comes as user messages too."""
    if item.get("type") != "message" or item.get("role") != "user":
        return False
    return not message_text(item).lstrip().startswith(_CONTEXT)


def message_text(item: Json) -> str:
    """The text of a message item, its parts joined."""
    return _text(item.get("content"))


def _result(call: Json, output: Json) -> ToolResult:
    asked = call.get("arguments", call.get("input", ""))
    return ToolResult(str(call.get("name", "")), str(asked), _text(output.get("output")))


def _text(content: object) -> str:
    """Content is a string or a list of typed parts; parts without text count as nothing."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in _objects(content))


def _objects(value: object) -> list[Json]:
    if not isinstance(value, list):
        return []
    items = cast("list[object]", value)
    return [cast("Json", item) for item in items if isinstance(item, dict)]


def decode(headers: Mapping[str, str], body: bytes) -> ModelRequest:
    """Read a request; ValueError if the body is not a JSON object."""
    try:
        return ModelRequest(headers, msgspec.json.decode(body, type=dict[str, object]))
    except msgspec.DecodeError as error:
        raise ValueError(f"not a JSON object: {error}") from error
