"""A small JSON-Schema check: as much of it as the core's own schemas use."""

from __future__ import annotations

import functools
from typing import Any, Final

from codex_http_server.engine import protocol
from codex_http_server.engine.process import find_core

Schema = dict[str, Any]
TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


@functools.cache
def core_schemas() -> dict[str, Schema]:
    """The schemas that the installed core writes, by file name without `.json`."""
    return protocol.schemas(find_core(None))


def fits(value: Any, schema: Any, root: Schema) -> bool:
    """Whether `value` is what `schema` asks for."""
    if isinstance(schema, bool):
        return schema
    return (
        _fits_reference(value, schema, root)
        and _fits_alternatives(value, schema, root)
        and _fits_type(value, schema)
        and value in schema.get("enum", [value])
        and (not isinstance(value, dict) or _fits_object(value, schema, root))
        and (not isinstance(value, list) or _fits_array(value, schema, root))
    )


def _fits_reference(value: Any, schema: Schema, root: Schema) -> bool:
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return not name or fits(value, root["definitions"][name], root)


def _fits_alternatives(value: Any, schema: Schema, root: Schema) -> bool:
    one = [fits(value, each, root) for each in schema.get("oneOf", [])]
    some = [fits(value, each, root) for each in schema.get("anyOf", [])]
    every = all(fits(value, each, root) for each in schema.get("allOf", []))
    return every and (not one or one.count(True) == 1) and (not some or any(some))


def _fits_type(value: Any, schema: Schema) -> bool:
    names = schema.get("type", list(TYPES))
    names = [names] if isinstance(names, str) else names
    return any(type(value) in TYPES[name] for name in names)


def _fits_object(value: dict[str, Any], schema: Schema, root: Schema) -> bool:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    return set(schema.get("required", [])) <= set(value) and all(
        fits(each, known.get(name, others), root) for name, each in value.items()
    )


def _fits_array(value: list[Any], schema: Schema, root: Schema) -> bool:
    return all(fits(each, schema.get("items", True), root) for each in value)
