"""Bytes of the core as values: each known shape, and odd ones that pass through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.engine import wire
from codex_http_server.engine.wire import Notice
from codex_http_server.events import TEXT_DELTAS, Draft, raw

AT = 1_700_000_000_000
IDS = b'"threadId":"T","turnId":"t"'


def told(method: str, params: bytes) -> Notice:
    return wire.notice(method, msgspec.Raw(params), AT)


def summary(notice: Notice) -> dict[str, Any]:
    """Thread, retry, and the fields of the draft that are set, without type, data and time."""
    fields = msgspec.structs.asdict(notice.draft)
    fields |= {"thread": notice.thread_id, "retry": notice.will_retry or None}
    return {k: v for k, v in fields.items() if v is not None and k not in ("type", "data", "at_ms")}


GOLDEN: list[tuple[str, bytes, dict[str, Any]]] = [
    (
        "turn/started",
        b'{"threadId":"T","turn":{"id":"t","items":[],"status":"inProgress","error":null}}',
        {"thread": "T", "turn_id": "t", "status": "inProgress"},
    ),
    (
        "turn/completed",
        b'{"threadId":"T","turn":{"id":"t","items":[],"status":"failed","error":{"message":"x"}}}',
        {"thread": "T", "turn_id": "t", "status": "failed"},
    ),
    (
        "item/started",
        b"{" + IDS + b',"startedAtMs":1,"item":{"type":"agentMessage","id":"i","text":""}}',
        {"thread": "T", "turn_id": "t", "item_id": "i", "item_type": "agentMessage"},
    ),
    (
        "item/completed",
        b"{" + IDS + b',"item":{"type":"commandExecution","id":"i","status":"completed"}}',
        {
            "thread": "T",
            "turn_id": "t",
            "item_id": "i",
            "item_type": "commandExecution",
            "status": "completed",
        },
    ),
    (
        "item/reasoning/summaryPartAdded",
        b"{" + IDS + b',"itemId":"i","summaryIndex":1}',
        {"thread": "T", "turn_id": "t", "item_id": "i"},
    ),
    (
        "error",
        b"{" + IDS + b',"error":{"message":"x"},"willRetry":true}',
        {"thread": "T", "turn_id": "t", "status": "retrying", "retry": True},
    ),
    (
        "error",
        b"{" + IDS + b',"error":{"message":"x"},"willRetry":false}',
        {"thread": "T", "turn_id": "t", "status": "failed"},
    ),
    ("thread/started", b'{"thread":{"id":"T","status":{"type":"idle"}}}', {"thread": "T"}),
    ("thread/status/changed", b'{"threadId":"T","status":{"type":"active"}}', {"thread": "T"}),
    ("thread/name/updated", b'{"threadId":"T","threadName":"x"}', {"thread": "T"}),
    ("turn/diff/updated", b"{" + IDS + b',"diff":""}', {"thread": "T", "turn_id": "t"}),
    ("warning", b'{"threadId":null,"message":"x"}', {}),
    ("account/rateLimits/updated", b'{"rateLimits":{"primary":null}}', {}),
    ("hook/started", b'{"threadId":"T","turnId":null,"run":{}}', {"thread": "T"}),
    ("brand/new", b'{"threadId":"T","item":{"id":"i"},"more":[]}', {"thread": "T", "item_id": "i"}),
]


@pytest.mark.parametrize(("method", "params", "expected"), GOLDEN, ids=[g[0] for g in GOLDEN])
def test_a_notification_is_understood_as_far_as_it_matters(
    method: str, params: bytes, expected: dict[str, Any]
) -> None:
    notice = told(method, params)
    assert summary(notice) == expected
    assert (notice.draft.type, notice.draft.at_ms) == (method, AT)
    assert bytes(notice.draft.data) == params


@pytest.mark.parametrize("method", sorted(TEXT_DELTAS))
def test_a_delta_has_its_text_and_its_ids(method: str) -> None:
    notice = told(method, b"{" + IDS + b',"itemId":"i","delta":"H\\u00e9\\n","summaryIndex":0}')
    assert summary(notice) == {"thread": "T", "turn_id": "t", "item_id": "i", "text": "Hé\n"}


@pytest.mark.parametrize("method", ["item/agentMessage/delta", "item/started", "turn/started"])
@pytest.mark.parametrize(
    "params",
    [
        b"null",
        b"[]",
        b'"x"',
        b"{",
        b"",
        b'{"threadId":1}',
        b'{"turnId":{}}',
        b'{"item":3,"itemId":[]}',
    ],
)
def test_an_odd_shape_passes_through_without_ids(method: str, params: bytes) -> None:
    notice = told(method, params)
    assert summary(notice) == {}
    assert bytes(notice.draft.data) == params


def test_a_status_that_is_an_object_is_not_taken_for_a_word() -> None:
    params = b'{"threadId":"T","item":{"id":"i","type":"x","status":{"type":"odd"}}}'
    assert summary(told("item/started", params)) == {
        "thread": "T",
        "item_id": "i",
        "item_type": "x",
    }


@given(st.text(), st.text(min_size=1))
def test_a_delta_s_text_is_exactly_the_core_s(text: str, item: str) -> None:
    params = raw({"threadId": "T", "turnId": "t", "itemId": item, "delta": text})
    draft = wire.notice("item/plan/delta", params, AT).draft
    assert draft == Draft("item/plan/delta", params, AT, "t", item, text=text)


def test_a_message_is_decoded_by_what_it_has() -> None:
    answer = wire.decode(b'{"id":1,"result":{"a":1},"jsonrpc":"2.0"}')
    assert (answer.id, answer.method, bytes(answer.result)) == (1, None, b'{"a":1}')
    refusal = wire.decode(b'{"id":"x","error":{"code":-1,"message":"m"}}')
    assert refusal.error == wire.RpcError(-1, "m", None)
    ask = wire.decode(b'{"id":0,"method":"m","params":{ }}')
    assert (ask.id, ask.method, bytes(ask.params)) == (0, "m", b"{ }")
