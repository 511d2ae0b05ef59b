"""What tells of a login that is not good, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.refusal import Refusal, refusal
from tests.support.drafts import said, turn_completed


def error(info: Any, **more: Any) -> Any:
    return {"message": "m", "codexErrorInfo": info, "additionalDetails": None} | more


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ("unauthorized", None),
        ({"responseStreamDisconnected": {"httpStatusCode": 401}}, 401),
        ({"httpConnectionFailed": {"httpStatusCode": 403}}, 403),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 401}}, 401),
    ],
)
def test_the_login_s_errors_are_recognised(info: Any, status: int | None) -> None:
    body = {"turnId": "t", "error": error(info, additionalDetails="details"), "willRetry": True}
    assert refusal(said("error", body)) == Refusal(status, "details")
    end = said("turn/completed", {"turn": {"id": "t", "status": "failed", "error": error(info)}})
    assert refusal(end) == Refusal(status, "m")


@pytest.mark.parametrize(
    "info",
    [
        None,
        "other",
        "usageLimitExceeded",
        {"responseStreamDisconnected": {"httpStatusCode": None}},
        {"httpConnectionFailed": {"httpStatusCode": 500}},
        {"responseTooManyFailedAttempts": {"httpStatusCode": 429}},
        {"activeTurnNotSteerable": "review"},
        [401],
    ],
)
def test_other_errors_are_not_the_login_s(info: Any) -> None:
    assert refusal(said("error", {"turnId": "t", "error": error(info)})) is None


def test_an_end_without_an_error_or_in_another_shape_tells_nothing() -> None:
    assert refusal(turn_completed()) is None
    assert refusal(said("error", {"error": "text"})) is None
    assert refusal(said("turn/completed", {"turn": {"id": "t", "error": 7}})) is None
