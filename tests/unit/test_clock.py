"""Time and new ids."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server import clock


def test_an_id_is_a_uuid_of_version_7_and_the_rfc_s_variant() -> None:
    for _ in range(500):
        made = uuid.UUID(clock.new_id())
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_an_id_begins_with_its_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: 0x0123456789AB)
    assert clock.new_id().startswith("01234567-89ab-7")


@given(st.integers(0, 2**48 - 2), st.integers(1, 10**9))
def test_a_later_id_sorts_later(ms: int, more: int) -> None:
    later = min(ms + more, 2**48 - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now_ms", lambda: ms)
        first = clock.new_id()
        patch.setattr(clock, "now_ms", lambda: later)
        assert first < clock.new_id()


def test_ids_of_one_millisecond_differ_in_all_their_random_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock, "now_ms", lambda: 0)
    made = [uuid.UUID(clock.new_id()).int for _ in range(2000)]
    assert len(set(made)) == 2000
    seen_one, seen_zero = 0, 0
    for value in made:
        seen_one |= value
        seen_zero |= ~value
    both = seen_one & seen_zero & (2**80 - 1)
    assert both.bit_count() == 74


def test_now_is_now() -> None:
    assert abs(clock.now_ms() - time.time() * 1000) < 2000


@given(st.integers(0, 4102444800000))
def test_a_timestamp_is_rfc_3339_in_utc_to_the_millisecond(ms: int) -> None:
    text = clock.rfc3339(ms)
    assert text.endswith("Z")
    assert len(text) == 24
    moment = datetime.fromisoformat(text)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    assert round(since.total_seconds() * 1000) == ms


def test_a_timestamp_by_example() -> None:
    assert clock.rfc3339(1_700_000_000_007) == "2023-11-14T22:13:20.007Z"
    assert clock.rfc3339(0) == "1970-01-01T00:00:00.000Z"
