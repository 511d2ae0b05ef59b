"""Every body, and every answer of ours, has an example in the document that fits its schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from codex_http_server.api.app import document
from codex_http_server.api.eventschemas import name_of
from codex_http_server.events import OURS

DOCUMENT: dict[str, Any] = document()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
JSON = "application/json"
GIVEN = [
    pytest.param(name, example, id=f"{name}-{number}")
    for name, schema in SCHEMAS.items()
    for number, example in enumerate(schema.get("examples", ()))
]


def named(schema: Any) -> Iterator[str]:
    """The schemas that one refers to at once."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    for key in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(key, ()):
            yield from named(each)


def contents(operation: Any) -> Iterator[Any]:
    """The JSON that an operation takes, and that it answers with where it succeeds."""
    yield operation.get("requestBody", {}).get("content", {}).get(JSON)
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            yield answer.get("content", {}).get(JSON)


def test_every_body_and_every_answer_has_an_example() -> None:
    missing = {
        name
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
        for content in contents(operation)
        if content is not None
        for name in named(content["schema"])
        if not SCHEMAS[name].get("examples")
    }
    assert not missing, f"add examples to api/examples.json: {sorted(missing)}"


@pytest.mark.parametrize(("name", "example"), GIVEN)
def test_an_example_fits_its_schema(name: str, example: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
    wrong = [
        f"{list(each.instance_path)}: {each.message}" for each in validator.iter_errors(example)
    ]
    assert not wrong


def test_every_event_of_ours_has_an_example() -> None:
    missing = {kind for kind in OURS if not SCHEMAS[name_of(kind)].get("examples")}
    assert not missing, f"add examples to api/examples.json: {sorted(missing)}"
