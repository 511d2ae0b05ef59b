"""What a value is, in the words of the reference."""

from __future__ import annotations

from typing import Any

import pytest

from codex_http_server.api.reference import type_of

ITEM = {"$ref": "#/components/schemas/Item"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "string or null"),
        ({"type": "string", "maxLength": 200}, "string, at most 200 characters"),
        ({"type": "integer", "minimum": 1, "maximum": 2000}, "integer, at least 1, at most 2000"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"anyOf": [{"type": "string"}, {"type": "string"}]}, "string"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"const": "text"}, "`text`"),
        ({"type": "array", "items": ITEM}, "list of [Item](objects.md#item)"),
        ({"$ref": "#/components/schemas/Codex_Thread"}, "`Codex_Thread`"),
        ({"$ref": "#/components/schemas/Event"}, "[Event](events.md)"),
        ({}, "anything"),
    ],
)  # fmt: skip
def test_a_type_is_said_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_of(schema) == words
