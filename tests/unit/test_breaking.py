"""Every breaking change of the contract is named, and additions pass."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts.breaking import LAST, breaks

Node = dict[str, Any]
Change = Callable[[Node], object]

ROOT = Path(__file__).parents[2]
REAL: Node = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))


def small(schema: Node, *, answered: bool) -> Node:
    """A document with one operation that takes or answers a value of this schema."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/It"}}}
    took = {} if answered else {"requestBody": {"content": content}}
    answers = {"200": {"content": content if answered else {}}}
    operation = {"operationId": "it", "x-scope": "read", "responses": answers, **took}
    return {
        "x-error-codes": {},
        "x-event-types": {},
        "paths": {"/it": {"post": operation}},
        "components": {"schemas": {"It": {"type": "object", "properties": {"a": schema}}}},
    }


def found(old: Node, new: Node, *, answered: bool) -> list[str]:
    """What breaks where the schema of the field `a` changes, without the place."""
    where = "It (answer)" if answered else "It (request)"
    lines = breaks(small(old, answered=answered), small(new, answered=answered))
    assert all(line.startswith(where) for line in lines)
    return [line.removeprefix(where) for line in lines]


TEXT, NUMBER, NULL = {"type": "string"}, {"type": "number"}, {"type": "null"}
WHOLE = {"type": "integer"}
A, B = ({"type": "object", "properties": {"type": {"const": each}}} for each in "ab")


Breaks = str | tuple[str, ...] | None


def listed(named: Breaks) -> list[str]:
    return [named] if isinstance(named, str) else list(named or ())


def only(field: str) -> Node:
    return {"type": "object", "properties": {field: TEXT}, "additionalProperties": False}


FEW, MANY = {"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a", "b"]}


@pytest.mark.parametrize(
    ("old", "new", "taken", "answered"),
    [
        (TEXT, WHOLE, ".a: does not take string any more", ".a: may now be integer"),
        (TEXT, {"anyOf": [TEXT, NULL]}, None, ".a: may now be null"),
        ({"anyOf": [TEXT, NULL]}, TEXT, ".a: does not take null any more", None),
        ({"type": ["string", "null"]}, {"anyOf": [TEXT, NULL]}, None, None),
        (WHOLE, NUMBER, None, ".a: may now be number"),
        (NUMBER, WHOLE, ".a: does not take number any more", None),
        ({}, TEXT, ".a: does not take anything any more", None),
        (TEXT, {}, None, ".a: may now be anything"),
        (MANY, FEW, ".a: the value `b` is gone", ".a: the value `b` is gone"),
        (FEW, MANY, None, None),
        (TEXT, FEW, ".a: takes only ['a'] now", None),
        ({"oneOf": [A, B]}, A, ".a: does not take object type=b any more",
         ".a: object type=b is gone"),
        ({"oneOf": [A]}, {"oneOf": [A, B]}, None, None),
        ({"type": "array", "items": MANY}, {"type": "array", "items": FEW},
         ".a[]: the value `b` is gone", ".a[]: the value `b` is gone"),
        ({"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8},
         ".a: maxLength is now 8, was 9", None),
        ({"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 10}, None, None),
        (NUMBER, {"type": "number", "minimum": 1}, ".a: minimum is now 1, was none", None),
        (TEXT, {"type": "string", "pattern": "x"}, ".a: pattern is now x", None),
        ({"type": "string", "default": "a"}, {"type": "string", "default": "b"},
         ".a: the default was 'a', is 'b'", None),
        ({"allOf": [FEW]}, FEW, None, None),
        ({"type": "object"}, {"type": "object", "additionalProperties": False},
         ".a: takes no other fields any more", None),
        ({"type": "object", "properties": {"b": TEXT}}, {"type": "object"},
         ".a: `b` is gone", ".a: `b` is gone"),
        ({"type": "object", "properties": {"b": TEXT}},
         {"type": "object", "properties": {"b": TEXT}, "required": ["b"]},
         ".a: `b` is now required", None),
        ({"type": "object", "properties": {"b": TEXT}, "required": ["b"]},
         {"type": "object", "properties": {"b": TEXT}}, None, ".a: `b` may now be left out"),
        # An object of which nothing was said may be told apart; what it had, each still has.
        ({"type": "object"}, {"oneOf": [A, B]}, ".a: does not take object any more", None),
        ({"type": "object", "properties": {"x": TEXT}}, {"oneOf": [A, {**B, "properties": {
            **B["properties"], "x": TEXT}}]}, ".a: does not take object any more",
         ".a: `x` is gone"),
        # Fields of an object that `allOf` puts together; the later part is the exacter.
        ({"allOf": [{"type": "object", "properties": {"b": {}}, "required": ["b"]},
                    {"type": "object", "properties": {"b": TEXT, "c": TEXT}}]},
         {"type": "object", "properties": {"b": WHOLE}, "required": ["b"]},
         (".a: `c` is gone", ".a.b: does not take string any more"),
         (".a: `c` is gone", ".a.b: may now be integer")),
        ({"allOf": [{"type": "object", "properties": {"b": TEXT}}, {"oneOf": [A, B]}]},
         {"allOf": [{"type": "object", "properties": {"b": TEXT}}, A]},
         ".a: does not take object type=b any more", ".a: object type=b is gone"),
        # Objects with one field only are told apart by it.
        ({"anyOf": [only("x"), only("y")]}, {"anyOf": [only("w"), only("y")]},
         ".a: does not take object x any more", ".a: object x is gone"),
    ],
)  # fmt: skip
def test_a_changed_value_breaks_who_sends_it_or_who_reads_it(
    old: Node, new: Node, taken: Breaks, answered: Breaks
) -> None:
    assert found(old, new, answered=False) == listed(taken)
    assert found(old, new, answered=True) == listed(answered)


def test_schemas_that_refer_to_themselves_are_compared() -> None:
    tree = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/It"}}}
    assert (
        found({"type": "array", "items": tree}, {"type": "array", "items": tree}, answered=True)
        == []
    )


# --- the whole contract ------------------------------------------------------------------------

MESSAGES = "/conversations/{conversation_id}/messages"
SCHEMAS = "components", "schemas"


def at(node: Any, *path: str | int) -> Any:
    """A part of a document."""
    for step in path:
        node = node[step]
    return node


LOGGED = ["item_id", "position", "turn_id", "type"]


def reference(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}


def required(name: str) -> Node:
    return {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}


BREAKS: dict[str, Change] = {
    "GET /models is gone": lambda d: d["paths"].pop("/models"),
    "DELETE /uploads/{upload_id} is gone": lambda d: d["paths"]["/uploads/{upload_id}"].pop(
        "delete"
    ),
    "GET /models: its scope was read, is admin": lambda d: at(d, "paths", "/models", "get").update(
        {"x-scope": "admin"}
    ),
    f"POST {MESSAGES}: the answer 202 is gone": lambda d: at(
        d, "paths", MESSAGES, "post", "responses"
    ).pop("202"),
    "GET /events 200: text/event-stream is gone": lambda d: at(
        d, "paths", "/events", "get", "responses", "200", "content"
    ).pop("text/event-stream"),
    "GET /models: query parameter x is now required": lambda d: at(
        d, "paths", "/models", "get", "parameters"
    ).append(required("x")),
    "GET /events: query parameter after is gone": lambda d: at(
        d, "paths", "/events", "get", "parameters"
    ).pop(0),
    "SendMessage (request): `message` is now required": lambda d: at(
        d, *SCHEMAS, "SendMessage"
    ).update(required=["message"]),
    "SendMessage (request): `while_busy` is gone": lambda d: at(
        d, *SCHEMAS, "SendMessage", "properties"
    ).pop("while_busy"),
    "SendMessage (request).while_busy: the value `queue` is gone": lambda d: at(
        d, *SCHEMAS, "SendMessage", "properties", "while_busy", "enum"
    ).remove("queue"),
    "ConversationView (answer): `title` is gone": lambda d: at(
        d, *SCHEMAS, "ConversationView", "properties"
    ).pop("title"),
    "error code conversation_busy is gone": lambda d: d["x-error-codes"].pop("conversation_busy"),
    "error code conversation_busy: its status was 409, is 423": lambda d: d[
        "x-error-codes"
    ].update(conversation_busy=423),
    "Event (answer): object type=turn/completed is gone": lambda d: at(
        d, *SCHEMAS, "KnownEvent", "oneOf"
    ).remove({"$ref": "#/components/schemas/EventTurnCompleted"}),
    "EventTurnCompleted (answer): `turn_id` may now be left out": lambda d: at(
        d, *SCHEMAS, "EventTurnCompleted", "allOf", 1, "required"
    ).remove("turn_id"),
    "EventItemGap (answer): `position` may now be left out": lambda d: at(
        d, *SCHEMAS, "EventItemGap", "allOf", 1, "required"
    ).remove("position"),
    "ItemGap (answer): `reason` may now be left out": lambda d: at(
        d, *SCHEMAS, "ItemGap", "required"
    ).remove("reason"),
    "Codex_Turn (answer): `status` may now be left out": lambda d: at(
        d, *SCHEMAS, "Codex_Turn", "required"
    ).remove("status"),
    "event type item/gap is gone": lambda d: d["x-event-types"].pop("item/gap"),
}  # fmt: skip


@pytest.mark.parametrize("named", BREAKS)
def test_a_break_of_the_contract_is_named_once(named: str) -> None:
    changed = copy.deepcopy(REAL)
    BREAKS[named](changed)
    assert breaks(REAL, changed) == [named]


def test_an_error_code_that_one_operation_does_not_answer_any_more_is_named() -> None:
    changed = copy.deepcopy(REAL)
    answers = at(changed, "paths", MESSAGES, "post", "responses")
    content = next(c for c in answers.values() if "queue_full" in json.dumps(c))["content"]
    schema = content["application/problem+json"]["schema"]
    schema["allOf"][1]["properties"]["code"]["enum"].remove("queue_full")
    (line,) = breaks(REAL, changed)
    assert line.startswith(f"POST {MESSAGES} 4")
    assert line.endswith("error code queue_full is gone")


def test_an_error_code_that_is_gone_is_named_once_and_not_for_each_operation() -> None:
    changed = json.loads(json.dumps(REAL).replace('"queue_full", ', ""))
    del changed["x-error-codes"]["queue_full"]
    assert breaks(REAL, changed) == ["error code queue_full is gone"]


def test_additions_pass() -> None:
    changed = copy.deepcopy(REAL)
    changed["paths"]["/new"] = changed["paths"]["/models"]
    changed["x-error-codes"]["new"] = 400
    changed["x-event-types"]["new"] = "New."
    at(changed, *SCHEMAS, "Problem", "properties", "code", "enum").append("new")
    at(changed, *SCHEMAS, "KnownEvent", "oneOf").append(reference("EventNew"))
    changed["components"]["schemas"]["EventNew"] = {
        "allOf": [
            reference("EventEnvelope"),
            {
                "type": "object",
                "properties": {"type": {"type": "string", "const": "new"}},
                "required": LOGGED,
            },
        ]
    }
    schema = at(changed, *SCHEMAS, "SendMessage")
    schema["properties"]["new"] = {"type": "string"}
    schema["properties"]["while_busy"]["enum"].append("new")
    at(changed, *SCHEMAS, "ConversationView", "properties")["new"] = {"type": "string"}
    at(changed, *SCHEMAS, "ConversationView", "required").append("new")
    at(changed, "paths", "/models", "get", "parameters").append(required("x") | {"required": False})
    at(changed, "paths", "/models", "get", "responses")["418"] = {"description": "New."}
    assert breaks(REAL, changed) == []
    assert breaks(changed, REAL), "the other way round they are gone"


# --- the command -------------------------------------------------------------------------------


def test_the_contract_breaks_nothing_that_was_accepted() -> None:
    assert breaks(json.loads(LAST.read_text(encoding="utf-8")), REAL) == [], "see CONTRIBUTING.md"


def test_the_command_names_breaks_and_accepts_them(tmp_path: Path) -> None:
    last = tmp_path / "docs" / "openapi" / "last.json"
    last.parent.mkdir(parents=True)
    (tmp_path / "scripts").mkdir()
    for name in ("breaking.py", "schema_breaks.py", "schema_values.py"):
        (tmp_path / "scripts" / name).write_bytes((ROOT / "scripts" / name).read_bytes())
    changed = copy.deepcopy(REAL)
    changed["paths"].pop("/models")
    last.write_text(json.dumps(REAL))
    (tmp_path / "openapi.json").write_text(json.dumps(changed))
    assert run(tmp_path) == (1, "breaks clients: GET /models is gone")
    assert run(tmp_path, "--accept") == (0, "docs/openapi/last.json: is openapi.json now")
    assert run(tmp_path) == (0, "")
    assert run(tmp_path, "--what")[0] == 2


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit status and the first line of the command in a folder."""
    command = [sys.executable, "-m", "scripts.breaking", *arguments]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout.partition("\n")[0]
