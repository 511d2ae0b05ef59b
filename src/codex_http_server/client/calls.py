"""Every request of the client as a value: what is asked, and how its answer is read.

Pure, so that the synchronous and the asynchronous client ask the same. A POST carries an
Idempotency-Key: if its answer is lost on the way it can be asked again, and is done once.
"""

from __future__ import annotations

import mimetypes
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from codex_http_server.client.types import Json, ReviewTarget, Sent

T = TypeVar("T")

ANSWER: Final = 90.0  # seconds for an answer that does not wait for a turn
SLICE: Final = 50.0  # seconds of one wait for a turn; a longer one asks again
EVENT_STREAM: Final = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
QUIET: Final = 60.0  # seconds of silence after which a stream is taken for dead; it beats every 15
Query = Mapping[str, "str | int | float | bool | Sequence[str] | None"]


def _same(answer: Any) -> Any:
    return answer


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request. `timeout` is how long its answer, or the next piece of it, may take; `also` is a
    status that is an answer and no refusal."""

    method: str
    path: str
    read: Callable[[Any], T] = _same
    json: Any = None
    content: bytes | None = None
    params: Query = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float = ANSWER
    also: int | None = None

    @property
    def repeatable(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return self.method in ("GET", "HEAD", "PUT", "PATCH") or "Idempotency-Key" in self.headers

    def query(self) -> dict[str, str | list[str]]:
        """The query as the server reads it; what is None is left out, a list is repeated."""
        return {name: _said(value) for name, value in self.params.items() if value is not None}


def _said(value: str | int | float | bool | Sequence[str]) -> str | list[str]:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else list(value)


def post(path: str, json: Any = None, key: str | None = None, **options: Any) -> Call[Any]:
    """A POST that can be asked again."""
    return Call("POST", path, json=json, headers=_keyed(key), **options)


def any_request(
    method: str, path: str, json: Any, params: Query | None, key: str | None
) -> Call[Any]:
    """A request that has no method of its own here."""
    headers = _keyed(key) if method.upper() == "POST" else {}
    return Call(method.upper(), path, json=json, params=params or {}, headers=headers)


def _keyed(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def within(conversation_id: str, rest: str = "") -> str:
    """A path of one conversation."""
    return f"/conversations/{quote(conversation_id, safe='')}{rest}"


def named(path: str, identity: str) -> str:
    """The path of one thing in a list."""
    return f"{path}/{quote(identity, safe='')}"


# --- conversations --------------------------------------------------------------------------


def create(working_directory: str | os.PathLike[str], options: Mapping[str, Any]) -> Call[Any]:
    """Start a conversation."""
    return post("/conversations", {"working_directory": os.fspath(working_directory), **options})


def delete(conversation_id: str, *, force: bool, keep_codex_copy: bool) -> Call[Any]:
    """Delete a conversation."""
    params: Query = {"force": force or None, "codex": "keep" if keep_codex_copy else None}
    return Call("DELETE", within(conversation_id), params=params)


def fork(conversation_id: str, options: Mapping[str, Any]) -> Call[Any]:
    """Start one that begins with what this one had."""
    body = dict(options)
    if "working_directory" in body:
        body["working_directory"] = os.fspath(body["working_directory"])
    return post(within(conversation_id, "/fork"), body)


def conversations(wanted: Mapping[str, Any]) -> Call[Any]:
    """The list of conversations."""
    return Call("GET", "/conversations", params=wanted)


def search(q: str, wanted: Mapping[str, Any]) -> Call[Any]:
    """What was said, and where."""
    return Call("GET", "/search", params={"q": q, **wanted})


def snapshot(conversation_id: str) -> Call[Any]:
    """All of a conversation that a first paint needs."""
    return Call("GET", within(conversation_id), params={"include": "snapshot"})


def approvals(conversation_id: str, *, ended: bool) -> Call[Any]:
    """The approvals of a conversation."""
    return Call("GET", within(conversation_id, "/approvals"), params={"all": ended})


def approval(conversation_id: str, approval_id: str) -> str:
    """The path of an approval."""
    return named(within(conversation_id, "/approvals"), approval_id)


def waiting_message(conversation_id: str, submit_id: str) -> str:
    """The path of a message that waits."""
    return named(within(conversation_id, "/queue"), submit_id)


# --- messages -------------------------------------------------------------------------------


def message(
    conversation_id: str, text: str | None, options: Mapping[str, Any], key: str | None
) -> Call[Sent]:
    """Send a message. The same call asked again is the same message."""
    body: Json = dict(options) | ({} if text is None else {"message": text})
    return replace(post(within(conversation_id, "/messages"), body, key), read=Sent.of)


def waiting(call: Call[Sent], left: float) -> Call[Sent]:
    """The same message, answered when its turn has ended or after a while."""
    seconds = max(0.0, min(left, SLICE))
    return replace(call, params={"wait": seconds} if seconds else {}, timeout=ANSWER + seconds)


def retry(conversation_id: str, *, anyway: bool, key: str | None) -> Call[Sent]:
    """Send the message of the last turn again."""
    return replace(post(within(conversation_id, "/retry"), {"anyway": anyway}, key), read=Sent.of)


def streaming(call: Call[Any]) -> Call[Any]:
    """The same request, answered as a stream."""
    return replace(call, headers={**call.headers, **EVENT_STREAM}, timeout=QUIET)


def goes_on(sent: Sent, left: float) -> bool:
    """Whether to go on waiting: its turn has not ended, and it is not stuck for want of a login."""
    return left > 0 and not sent.done and sent.status != "waiting_for_login"


# --- turns that no message starts -----------------------------------------------------------


def own_turn(conversation_id: str, kind: str, body: Json | None, wait: float) -> Call[Any]:
    """Begin one; answered when it has ended or the time is up."""
    params: Query = {"wait": wait} if wait else {}
    return post(within(conversation_id, f"/{kind}"), body, params=params, timeout=ANSWER + wait)


def review(conversation_id: str, target: ReviewTarget | None, wait: float) -> Call[Any]:
    """Have changes reviewed."""
    return own_turn(conversation_id, "review", {"target": target} if target else None, wait)


def shell(conversation_id: str, command: str, timeout: float | None, wait: float) -> Call[Any]:
    """Run a command."""
    body = {"command": command} | ({} if timeout is None else {"timeout": timeout})
    return own_turn(conversation_id, "shell", body, wait)


# --- rules ----------------------------------------------------------------------------------


def rule(rule_id: str) -> Call[Any]:
    """Take a rule back."""
    return Call("DELETE", f"/rules/{quote(rule_id, safe='')}")


# --- uploads --------------------------------------------------------------------------------


def upload(image: bytes | str | Path, media_type: str | None) -> Call[Any]:
    """Send an image: its bytes with their media type, or a file."""
    if isinstance(image, (str, Path)):
        media_type = media_type or mimetypes.guess_type(image)[0]
        image = Path(image).read_bytes()
    headers = {**_keyed(None), "Content-Type": media_type or "application/octet-stream"}
    return Call("POST", "/uploads", content=image, headers=headers)
