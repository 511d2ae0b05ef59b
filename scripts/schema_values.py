"""What kinds of values a JSON schema allows, told apart as clients tell them apart. Pure.

Owns reading: references, alternatives, and what `allOf` makes of its parts. What of a change
breaks clients: `schema_breaks.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]


class Value(NamedTuple):
    """One kind of value: its schema, and the name of the component that it is."""

    name: str
    schema: Schema


class Document:
    """The schemas of one document. Each is read once, so its kinds are the same objects again."""

    def __init__(self, document: Schema) -> None:
        self._named: dict[str, Schema] = document["components"]["schemas"]
        self._read: dict[int, tuple[Schema, dict[str, Value]]] = {}

    def kinds(self, schema: Schema) -> dict[str, Value]:
        """The kinds of values that a schema allows (types; objects by their tags), each once."""
        if id(schema) not in self._read:
            found: dict[str, Value] = {}
            for value in self._alternatives(schema, ""):
                kind = _kind(value.schema)
                while kind in found:  # several of one kind are compared in their order
                    kind += "'"
                found[kind] = value
            self._read[id(schema)] = schema, found
        return self._read[id(schema)][1]

    def _alternatives(self, schema: Schema, name: str) -> Iterator[Value]:
        if other := name_of(schema):
            yield from self._alternatives(self._named.get(other, {}), other)
        elif several := schema.get("anyOf") or schema.get("oneOf"):
            rest = _without(schema, "anyOf", "oneOf", "discriminator", "description")
            for each in several:
                whole = {"allOf": [rest, each]} if "properties" in rest else each
                yield from self._alternatives(whole, name)
        elif parts := schema.get("allOf"):
            rest = _without(schema, "allOf")
            yield from self._merged([rest, *parts] if "properties" in rest else parts, name)
        elif isinstance(types := schema.get("type"), list):
            yield from (Value(name, {**schema, "type": each}) for each in types)
        else:
            yield Value(name, schema)

    def _merged(self, parts: list[Schema], name: str) -> Iterator[Value]:
        """What fits all parts; the name of a single part is its own."""
        if len(parts) == 1:
            yield from self._alternatives(parts[0], name)
            return
        for each in itertools.product(*(self._alternatives(part, name) for part in parts)):
            yield Value(name, merge([value.schema for value in each]))


def merge(parts: list[Schema]) -> Schema:
    """One schema of several; what a later part says of a field is the exacter."""
    made: Schema = {}
    for part in parts:
        fields = made.get("properties", {}) | part.get("properties", {})
        required = {*made.get("required", ()), *part.get("required", ())}
        made |= part | {"properties": fields, "required": sorted(required)}
    return made


def name_of(schema: Schema) -> str:
    """The component that a schema refers to; empty where it does not."""
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


def _without(schema: Schema, *names: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in names}


def _kind(schema: Schema) -> str:
    fields: Schema = schema.get("properties", {})
    if schema.get("type") != "object":
        return str(schema.get("type", "anything"))
    tags = {name: each["const"] for name, each in fields.items() if "const" in each}
    if not tags and len(fields) == 1 and schema.get("additionalProperties") is False:
        return f"object {next(iter(fields))}"  # the core's other way to tag: by its only field
    return " ".join(["object", *(f"{name}={value}" for name, value in tags.items())])
