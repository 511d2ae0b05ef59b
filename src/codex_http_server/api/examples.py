"""Examples in the OpenAPI document: of every body, every answer of ours, and of events.

Owns that they stand at their schemas. The values are in examples.json, by the name of the schema:
what a server answered, made short. A test holds each of them against its schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("examples.json")


def add(document: dict[str, Any]) -> None:
    """Put the examples to their schemas. Raises KeyError for one of a schema that is not there."""
    examples: dict[str, list[Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    for name, given in examples.items():
        document["components"]["schemas"][name]["examples"] = given
