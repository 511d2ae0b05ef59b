"""What a snapshot says of a retry, also where a newer core tells it in another shape."""

from __future__ import annotations

import pytest

from codex_http_server import events
from codex_http_server.conversations import views
from codex_http_server.events import Draft, raw

TOLD = {"message": "Reconnecting... 2/5", "additionalDetails": "stream disconnected"}


def said(error: object) -> Draft:
    return Draft(events.ERROR, raw({"error": error, "willRetry": True}), 0, turn_id="t")


def test_what_the_core_says_is_shown() -> None:
    assert views.retrying(said(TOLD)) == {
        "turn_id": "t",
        "message": "Reconnecting... 2/5",
        "error": TOLD,
    }


@pytest.mark.parametrize("error", [None, "broken", ["x"]])
def test_in_another_shape_it_is_shown_without_its_words(error: object) -> None:
    assert views.retrying(said(error)) == {"turn_id": "t", "message": "", "error": {}}


def test_no_retry_is_nothing() -> None:
    assert views.retrying(None) is None
