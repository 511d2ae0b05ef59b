"""The core's own schemas of what its notifications and requests carry (`payloads.json`).

Owns how they are taken over from `codex app-server generate-json-schema`: JSON Schema draft-07 →
2020-12 as components of an OpenAPI document. `scripts/record-protocol` writes the file. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from importlib import resources
from typing import Any, Final, TypedDict

Schema = dict[str, Any]
PREFIX: Final = "Codex_"  # begins the names of the core's own schemas, and of no other
REF: Final = "#/components/schemas/"
OLD_REF: Final = "#/definitions/"
SAME: Final = frozenset(
    {
        "title", "description", "type", "enum", "const", "required", "default", "minLength",
        "maxLength", "minItems", "maxItems", "uniqueItems", "maximum", "pattern",
    }
)  # fmt: skip
"""Keywords that mean the same in both drafts."""
GONE: Final = frozenset({"format", "$schema", "definitions"})
UNIONS: Final = {"notifications": "ServerNotification", "requests": "ServerRequest"}


class Payloads(TypedDict):
    """What the core of a `version` sends: method → reference to its payload's schema."""

    version: str
    notifications: dict[str, Schema]
    requests: dict[str, Schema]
    schemas: dict[str, Schema]


def recorded() -> Payloads:
    """Those of the core that this server was tested with."""
    text = (resources.files("codex_http_server.engine") / "payloads.json").read_text()
    return json.loads(text)


def record(version: str, written: dict[str, Schema], asked: Collection[str]) -> Payloads:
    """From the files that the core has written, by name without `.json`. Of its requests only those
    that are `asked`: the others become no approval."""
    definitions: dict[str, Schema] = {}
    found = {kind: _methods(written[union], definitions) for kind, union in UNIONS.items()}
    found["requests"] = {name: found["requests"][name] for name in sorted(asked)}
    schemas = {PREFIX + name: _convert(each) for name, each in sorted(definitions.items())}
    for name in list(schemas):
        schemas[name] = _named(schemas[name], schemas)
    return Payloads(
        version=version,
        notifications=found["notifications"],
        requests=found["requests"],
        schemas=_used(schemas, [*found["notifications"].values(), *found["requests"].values()]),
    )


def _methods(union: Schema, definitions: dict[str, Schema]) -> dict[str, Schema]:
    for name, schema in union["definitions"].items():
        if definitions.setdefault(name, schema) != schema:
            raise ValueError(f"the core has two schemas that are called {name}")
    variants = (each["properties"] for each in union["oneOf"])
    found = {each["method"]["enum"][0]: _convert(each.get("params", True)) for each in variants}
    return dict(sorted(found.items()))


def _used(schemas: dict[str, Schema], roots: list[Schema]) -> dict[str, Schema]:
    """The schemas that these refer to, and those that they refer to, by name."""
    used: dict[str, Schema] = {}
    left: list[Any] = list(roots)
    while left:
        node = left.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix(REF)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            if name and name not in used:
                used[name] = schemas[name]
                left.append(schemas[name])
            left.extend(node.values())  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(node, list):
            left.extend(node)  # pyright: ignore[reportUnknownArgumentType]
    return dict(sorted(used.items()))


# --- unions as client generators like them ----------------------------------------------------


def _named(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    """A union whose variants have names of their own (the core calls them by a title) and, where
    they share one, the field that tells them apart; one of words only as one list of words."""
    union = next((key for key in ("oneOf", "anyOf") if key in schema), None)
    if union is None:
        return schema
    variants: list[Schema] = schema[union]
    if all(each.get("type") == "string" and "title" not in each for each in variants):
        words = [word for each in variants for word in each.get("enum", [each.get("const")])]
        return _but(schema, union) | {"type": "string", "enum": words}
    tag = _tag(variants)
    named = [_moved(each, schemas) for each in variants]
    made = schema | {union: named}
    if tag is None or not all("$ref" in each for each in named):
        return made
    values = [each["properties"][tag]["const"] for each in variants]
    mapping = {value: each["$ref"] for value, each in zip(values, named, strict=True)}
    return made | {"discriminator": {"propertyName": tag, "mapping": mapping}}


def _moved(variant: Schema, schemas: dict[str, Schema]) -> Schema:
    title = variant.get("title")
    if title is None or variant.get("type") != "object":
        return variant
    if schemas.setdefault(PREFIX + title, _but(variant, "title")) != _but(variant, "title"):
        raise ValueError(f"the core has two schemas that are called {title}")
    return {"$ref": REF + PREFIX + title}


def _tag(variants: list[Schema]) -> str | None:
    """The field in which each variant has a word of its own."""
    for name in variants[0].get("properties", {}):
        words = [each.get("properties", {}).get(name, {}).get("const") for each in variants]
        if None not in words and len(set(words)) == len(words):
            return name
    return None


def _but(schema: Schema, name: str) -> Schema:
    return {key: value for key, value in schema.items() if key != name}


# --- draft-07 → 2020-12 -----------------------------------------------------------------------


def _convert(schema: Any) -> Schema:
    """One schema. Bounds of machine integers go: JSON has numbers, and generators make of an
    `int64` what JSON.parse does not give. A `default` of null says what `required` says."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    made: Schema = {}
    for key, value in schema.items():
        made |= _keyword(key, value)
    if "type" in schema and len(made.get("enum", ())) == 1:
        made["const"] = made.pop("enum")[0]
        made.pop("title", None)  # repeats the name of its object
    return made


def _keyword(key: str, value: Any) -> Schema:
    if key in GONE or (key, value) == ("default", None):
        return {}
    if key in SAME:
        return {key: value}
    convert = WAYS.get(key)
    if convert is None or (key == "items" and isinstance(value, list)):
        raise ValueError(f"the core has begun to use {key}: {value}")
    return {key: convert(value)}


def _each(schemas: dict[str, Any]) -> Schema:
    return {name: _convert(each) for name, each in schemas.items()}


def _all(schemas: list[Any]) -> list[Schema]:
    return [_convert(each) for each in schemas]


WAYS: Final[dict[str, Callable[[Any], Any]]] = {
    "$ref": lambda name: REF + PREFIX + name.removeprefix(OLD_REF),
    "properties": _each,
    "anyOf": _all,
    "oneOf": _all,
    "allOf": _all,
    "items": _convert,
    "not": _convert,
    "additionalProperties": lambda it: it if isinstance(it, bool) else _convert(it),
    "minimum": int,
}
