"""What is tried again, what is not, and when it is given up."""

from __future__ import annotations

import httpx
import pytest

from codex_http_server.client.attempts import LONGEST, Attempts, Contact
from codex_http_server.client.calls import Call, post
from codex_http_server.client.errors import (
    ApiError,
    ClientError,
    ConnectionLost,
    NotFound,
    ServerNotFound,
    Unavailable,
    of_answer,
)

GET: Call[object] = Call("GET", "/x")
POST: Call[object] = post("/x")
DELETE: Call[object] = Call("DELETE", "/x")
REFUSED, BROKEN = httpx.ConnectError("refused"), httpx.ReadError("broken")
TIMEOUT = httpx.ReadTimeout("late")


def contact(*, met: bool = True, patience: float = 30.0) -> Contact:
    made = Contact(patience)
    made.met = met
    return made


def answer(status: int, code: str, retry_after: str | None = None) -> ApiError:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    found = of_answer(status, headers, {"code": code, "detail": "no", "request_id": "r"})
    assert isinstance(found, ApiError)
    return found


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (GET, REFUSED),
        (POST, REFUSED),
        (DELETE, REFUSED),
        (GET, BROKEN),
        (POST, BROKEN),
        (POST, TIMEOUT),
        (GET, ServerNotFound("gone")),
        (POST, answer(409, "request_in_progress")),
        (POST, answer(503, "core_unavailable", "1")),
        (DELETE, answer(503, "stopping", "1")),
        (GET, answer(429, "too_many_requests", "1")),
    ],
)
def test_what_is_tried_again(call: Call[object], error: httpx.TransportError | ClientError) -> None:
    assert 0 < Attempts(call, contact()).after(error) < 2


@pytest.mark.parametrize(
    ("call", "error", "shown"),
    [
        (DELETE, BROKEN, ConnectionLost),
        (GET, answer(404, "not_found"), NotFound),
        (GET, answer(503, "core_timeout", "1"), Unavailable),
        (POST, answer(503, "core_unavailable"), Unavailable),
        (POST, answer(500, "internal"), ApiError),
        (POST, answer(429, "quota_exceeded", "1"), ApiError),
        (GET, answer(503, "core_unavailable", "3600"), Unavailable),
    ],
)
def test_what_is_not(
    call: Call[object], error: httpx.TransportError | ClientError, shown: type[ClientError]
) -> None:
    with pytest.raises(shown):
        Attempts(call, contact()).after(error)


@pytest.mark.parametrize("error", [REFUSED, BROKEN, ServerNotFound("none")])
def test_a_server_that_never_answered_is_not_waited_for(
    error: httpx.TransportError | ClientError,
) -> None:
    with pytest.raises((ConnectionLost, ServerNotFound)):
        Attempts(GET, contact(met=False)).after(error)


def test_the_waits_grow_up_to_a_limit() -> None:
    attempts = Attempts(GET, contact(patience=10_000))
    waits = [attempts.after(REFUSED) for _ in range(12)]
    assert waits[0] < 0.2
    assert max(waits) <= LONGEST * 1.25
    assert min(waits[7:]) >= LONGEST * 0.75
    assert Attempts(GET, contact()).after(REFUSED, least=2.0) >= 2.0
    assert Attempts(GET, contact()).after(answer(503, "stopping", "3")) >= 3.0


def test_patience_ends() -> None:
    attempts = Attempts(GET, contact(patience=0.0))
    with pytest.raises(ConnectionLost) as lost:
        attempts.after(REFUSED)
    assert "refused" in str(lost.value)
