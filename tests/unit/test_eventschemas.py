"""Every type of event is described, once, and told apart by its type."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server import events
from codex_http_server.api.app import document
from codex_http_server.api.eventschemas import name_of
from codex_http_server.api.schemas.ownevents import DATA
from codex_http_server.engine import payloads, protocol

SCHEMAS: dict[str, Any] = document()["components"]["schemas"]
MAPPING: dict[str, str] = SCHEMAS["KnownEvent"]["discriminator"]["mapping"]
TOLD = sorted(protocol.recorded()["methods"]["ServerNotification"])


def own(kind: str) -> dict[str, Any]:
    """What is said of a type beside the envelope."""
    envelope, rest = SCHEMAS[MAPPING[kind].removeprefix(payloads.REF)]["allOf"]
    assert envelope == {"$ref": payloads.REF + "EventEnvelope"}
    return rest


def test_every_notification_and_every_event_of_ours_is_a_known_event() -> None:
    assert DATA.keys() == events.OURS.keys()
    assert list(MAPPING) == sorted([*TOLD, *events.OURS])
    assert len(set(MAPPING.values())) == len(MAPPING)
    assert SCHEMAS["KnownEvent"]["oneOf"] == [{"$ref": each} for each in MAPPING.values()]


@pytest.mark.parametrize("kind", MAPPING)
def test_a_known_event_has_its_type_and_its_data(kind: str) -> None:
    found = own(kind)
    assert found["properties"]["type"] == {"type": "string", "const": kind}
    assert {"type", "data"} <= set(found["required"])
    name = found["properties"]["data"]["$ref"].removeprefix(payloads.REF)
    assert name in SCHEMAS
    assert name.startswith(payloads.PREFIX) == (kind in TOLD)


def test_another_type_is_an_event_as_well() -> None:
    known, other = SCHEMAS["Event"]["anyOf"]
    assert known == {"$ref": payloads.REF + "KnownEvent"}
    assert other == {"$ref": payloads.REF + "EventOther"}
    kinds = SCHEMAS["EventOther"]["allOf"][1]["properties"]["type"]["not"]["enum"]
    assert kinds == list(MAPPING)


def test_a_delta_has_its_text_and_a_frame_may_have_no_place() -> None:
    assert {"text", "turn_id", "item_id"} <= set(own("item/agentMessage/delta")["required"])
    assert "position" in own("turn/started")["required"]
    for kind in (events.FEED_RESET, events.MESSAGE_REMOVED, events.HEARTBEAT, events.CORE_STATE):
        assert own(kind)["required"] == ["data", "type"]


def test_a_name_is_made_of_the_words_of_a_type() -> None:
    assert name_of("item/agentMessage/delta") == "EventItemAgentMessageDelta"
    assert name_of("error") == "EventError"


def test_the_document_says_whose_schemas_it_has_and_no_mark_is_left() -> None:
    assert document()["x-codex-version"] == payloads.recorded()["version"]
    assert "x-codex" not in {key for each in SCHEMAS.values() for key in keys(each)}


def keys(node: Any) -> set[str]:
    """Every key in it."""
    if isinstance(node, list):
        return {key for each in node for key in keys(each)}
    if not isinstance(node, dict):
        return set()
    return {*node, *(key for each in node.values() for key in keys(each))}
