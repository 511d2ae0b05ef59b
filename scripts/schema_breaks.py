"""What of a JSON schema breaks clients when it changes. Pure.

Owns the rules for one value, on either side: what a client sends may be widened, what it is
answered may be narrowed. More values of an enum and more kinds of a tagged object pass in answers
too: clients ignore what they do not know (docs/objects.md). The core's own schemas (`Core_…`) are
not looked into: they follow the core's version, not ours. Operations: `breaking.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

Schema = dict[str, Any]
Side = Literal["request", "answer"]

CORE: Final = "Core_"
LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
EXACT: Final = ("pattern", "format", "multipleOf")


class Schemas:
    """Compares the schemas of two documents, each pair once."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[int, int, Side]] = set()

    def breaks(self, old: Schema, new: Schema, side: Side, where: str) -> Iterator[str]:
        """What breaks; `where` names the value, until a component's own name does."""
        name = _name(old)
        if name.startswith(CORE):
            return
        where = f"{name} ({side})" if name else where
        old_kinds, new_kinds = _kinds(old, self._old), _kinds(new, self._new)
        yield from _kinds_lost(old_kinds, new_kinds, side, where)
        for kind, one in old_kinds.items():
            other = _partner(kind, new_kinds)
            if other is not None and (mark := (id(one), id(other), side)) not in self._seen:
                self._seen.add(mark)
                yield from self._plain(one, other, side, where)

    def _plain(self, old: Schema, new: Schema, side: Side, where: str) -> Iterator[str]:
        yield from _values(old, new, side, where)
        if side == "request":
            yield from _bounds(old, new, where)
        yield from self._object(old, new, side, where)
        for key in ("items", "additionalProperties"):
            one, other = old.get(key), new.get(key)
            if isinstance(one, dict) and isinstance(other, dict):
                yield from self.breaks(one, other, side, f"{where}[]")

    def _object(self, old: Schema, new: Schema, side: Side, where: str) -> Iterator[str]:
        had, has = old.get("properties", {}), new.get("properties", {})
        yield from (f"{where}: `{name}` is gone" for name in had if name not in has)
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        if side == "request":
            yield from (f"{where}: `{name}` is now required" for name in sorted(needs - needed))
        else:
            left = sorted((needed - needs) & has.keys())
            yield from (f"{where}: `{name}` may now be left out" for name in left)
        if side == "request" and _open(old) and not _open(new):
            yield f"{where}: takes no other fields any more"
        for name in had:
            if name in has:
                yield from self.breaks(had[name], has[name], side, f"{where}.{name}")


def _open(schema: Schema) -> bool:
    return schema.get("additionalProperties", True) is not False


def _name(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rsplit("/", 1)[-1]


# --- kinds of values --------------------------------------------------------------------------


def _kinds(schema: Schema, document: Schema) -> dict[str, Schema]:
    """The kinds of values that a schema allows (types; objects by their tags), each once."""
    found: dict[str, Schema] = {}
    for each in _alternatives(schema, document):
        kind = _kind(each)
        while kind in found:  # several of one kind are compared in their order
            kind += "'"
        found[kind] = each
    return found


def _alternatives(schema: Schema, document: Schema) -> Iterator[Schema]:
    if name := _name(schema):
        yield from _alternatives(document["components"]["schemas"].get(name, {}), document)
    elif several := schema.get("anyOf") or schema.get("oneOf"):
        for each in several:
            yield from _alternatives(each, document)
    elif len(whole := schema.get("allOf", ())) == 1:
        yield from _alternatives(whole[0], document)
    elif isinstance(types := schema.get("type"), list):
        yield from ({**schema, "type": each} for each in types)
    else:
        yield schema


def _kind(schema: Schema) -> str:
    if schema.get("type") != "object":
        return str(schema.get("type", "anything"))
    tags = {k: v["const"] for k, v in schema.get("properties", {}).items() if "const" in v}
    return " ".join(["object", *(f"{name}={value}" for name, value in tags.items())])


def _partner(kind: str, kinds: dict[str, Schema]) -> Schema | None:
    """What of the other document is of this kind; integers are numbers."""
    return kinds.get(kind) or kinds.get({"integer": "number", "number": "integer"}.get(kind, ""))


def _kinds_lost(
    old: dict[str, Schema], new: dict[str, Schema], side: Side, where: str
) -> Iterator[str]:
    tagged = any(" " in kind for kind in old)
    if side == "request":
        wide = new.keys() | ({"integer"} if "number" in new else set())
        gone = [] if "anything" in new else [kind for kind in old if kind not in wide]
        yield from (f"{where}: does not take {kind} any more" for kind in gone)
        return
    yield from (f"{where}: {kind} is gone" for kind in old if " " in kind and kind not in new)
    known = old.keys() | ({"integer"} if "number" in old else set())
    if "anything" not in known:
        more = [k for k in new if k not in known and not (tagged and " " in k)]
        yield from (f"{where}: may now be {kind}" for kind in more)


# --- values -----------------------------------------------------------------------------------


def _allowed(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _values(old: Schema, new: Schema, side: Side, where: str) -> Iterator[str]:
    had, has = _allowed(old), _allowed(new)
    if had is not None and has is not None:
        yield from (f"{where}: the value `{each}` is gone" for each in had if each not in has)
    elif has is not None and side == "request":
        yield f"{where}: takes only {has} now"
    if side == "request" and "default" in old and old["default"] != new.get("default"):
        yield f"{where}: the default was {old['default']!r}, is {new.get('default')!r}"


def _bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for keys, tighter in ((LEAST, float.__gt__), (MOST, float.__lt__)):
        for key in keys:
            had, has = old.get(key), new.get(key)
            if has is not None and (had is None or tighter(float(has), float(had))):
                yield f"{where}: {key} is now {has:g}, was {'none' if had is None else had}"
    for key in EXACT:
        if new.get(key) not in (None, old.get(key)):
            yield f"{where}: {key} is now {new[key]}"
