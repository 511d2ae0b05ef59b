"""The core's own schemas, as they are taken over for the document."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest

from codex_http_server.engine import payloads
from codex_http_server.engine.questions import KINDS
from tests.support.schema import core_schemas

Schema = dict[str, Any]


def written(leaf: Schema) -> dict[str, Schema]:
    """What a core would write that has one notification and one request."""
    definitions = {"A": {"type": "object", "properties": {"x": leaf}}, "Unused": {"type": "string"}}
    union = {
        "oneOf": [
            {"properties": {"method": {"enum": [name]}, "params": {"$ref": "#/definitions/A"}}}
            for name in ("one", "two")
        ],
        "definitions": definitions,
    }
    return {"ServerNotification": union, "ServerRequest": union}


def taken(leaf: Schema) -> Schema:
    """What becomes of the schema of a field."""
    return payloads.record("1", written(leaf), ["one"])["schemas"]["Codex_A"]["properties"]["x"]


def test_the_recorded_schemas_are_those_of_the_installed_core() -> None:
    core = version("openai-codex-cli-bin")
    assert payloads.record(core, core_schemas(), KINDS) == payloads.recorded()


def test_each_notification_and_each_question_refers_to_a_schema_and_no_other_is_kept() -> None:
    found = payloads.recorded()
    assert len(found["notifications"]) == len(core_schemas()["ServerNotification"]["oneOf"])
    assert found["requests"].keys() == KINDS.keys()
    text = json.dumps(found)
    named = {part.split('"', 1)[0] for part in text.split('"' + payloads.REF)[1:]}
    assert named == found["schemas"].keys()


def test_only_what_is_referred_to_and_asked_is_kept() -> None:
    found = payloads.record("1", written({}), ["two"])
    assert list(found["notifications"]) == ["one", "two"]
    assert list(found["requests"]) == ["two"]
    assert list(found["schemas"]) == ["Codex_A"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"$ref": "#/definitions/A"}, {"$ref": "#/components/schemas/Codex_A"}),
        ({"type": "string", "enum": ["x"], "title": "T"}, {"type": "string", "const": "x"}),
        ({"type": "string", "enum": ["x", "y"]}, {"type": "string", "enum": ["x", "y"]}),
        ({"type": "integer", "format": "int64", "minimum": 0.0}, {"type": "integer", "minimum": 0}),
        ({"type": ["string", "null"], "default": None}, {"type": ["string", "null"]}),
        ({"type": "boolean", "default": False}, {"type": "boolean", "default": False}),
        (True, {}),
        (False, {"not": {}}),
        ({"type": "array", "items": True}, {"type": "array", "items": {}}),
        ({"type": "object", "additionalProperties": False},) * 2,
        ({"type": "object", "additionalProperties": {"type": "integer", "format": "uint8"}},
         {"type": "object", "additionalProperties": {"type": "integer"}}),
        ({"anyOf": [{"type": "string", "format": "x"}]}, {"anyOf": [{"type": "string"}]}),
    ],
)  # fmt: skip
def test_draft_07_becomes_2020_12(old: Any, new: Schema) -> None:
    assert taken(old) == new


@pytest.mark.parametrize("leaf", [{"items": [{"type": "string"}]}, {"if": {"type": "string"}}])
def test_what_the_core_has_not_used_so_far_is_not_passed_over(leaf: Schema) -> None:
    with pytest.raises(ValueError, match="the core has begun to use"):
        taken(leaf)


def test_two_schemas_of_one_name_are_not_mixed_up() -> None:
    files = written({})
    files["ServerRequest"] = written({"type": "string"})["ServerRequest"]
    with pytest.raises(ValueError, match="two schemas that are called A"):
        payloads.record("1", files, [])


# --- unions ------------------------------------------------------------------------------------


def variant(title: str, **fields: Schema) -> Schema:
    return {"type": "object", "title": title, "properties": fields}


def word(name: str) -> Schema:
    return {"type": "string", "enum": [name]}


def recorded_of(union: Schema) -> dict[str, Schema]:
    """What becomes of a union that has a name of its own."""
    files = written({"$ref": "#/definitions/U"})
    files["ServerNotification"]["definitions"]["U"] = union
    return payloads.record("1", files, [])["schemas"]


def test_variants_get_the_names_that_the_core_gives_them_and_are_told_apart() -> None:
    found = recorded_of({"oneOf": [variant("A1", type=word("a")), variant("B1", type=word("b"))]})
    one, two = (payloads.REF + name for name in ("Codex_A1", "Codex_B1"))
    assert found["Codex_U"] == {
        "oneOf": [{"$ref": one}, {"$ref": two}],
        "discriminator": {"propertyName": "type", "mapping": {"a": one, "b": two}},
    }
    assert found["Codex_A1"] == {
        "type": "object",
        "properties": {"type": {"type": "string", "const": "a"}},
    }


@pytest.mark.parametrize(
    "variants",
    [
        [variant("A1", type=word("a")), variant("B1", type=word("a"))],
        [variant("A1", type=word("a")), variant("B1", kind=word("b"))],
        [variant("A1", type={"type": "string"}), variant("B1", type=word("b"))],
        [variant("A1"), {"type": "string"}],
    ],
)
def test_variants_that_no_field_tells_apart_have_no_discriminator(variants: list[Schema]) -> None:
    found = recorded_of({"anyOf": variants})
    assert "discriminator" not in found["Codex_U"]
    assert "$ref" in found["Codex_U"]["anyOf"][0]


def test_words_in_several_variants_are_one_list_of_words() -> None:
    several = {"type": "string", "enum": ["b", "c"]}
    found = recorded_of({"oneOf": [word("a") | {"description": "A."}, several]})
    assert found["Codex_U"] == {"type": "string", "enum": ["a", "b", "c"]}


def test_a_variant_with_a_name_that_is_taken_is_not_mixed_up() -> None:
    with pytest.raises(ValueError, match="two schemas that are called A"):
        recorded_of({"oneOf": [variant("A", type=word("a"))]})
