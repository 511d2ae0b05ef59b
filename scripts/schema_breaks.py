"""What of a JSON schema breaks clients when it changes. Pure.

Owns the rules for one value, on either side: what a client sends may be widened, what it is
answered may be narrowed. More values of an enum and more kinds of a tagged object pass in answers
too: clients ignore what they do not know (docs/objects.md). So does an object of which more is
said than before. How a schema is read: `schema_values.py`. Operations: `breaking.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

from scripts.schema_values import Document, Schema, Value, name_of

Side = Literal["request", "answer"]

PLAIN: Final = "object"
LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
EXACT: Final = ("pattern", "format", "multipleOf")


class Schemas:
    """Compares the schemas of two documents, each pair once."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = Document(old), Document(new)
        self._seen: set[tuple[int, int, Side]] = set()

    def breaks(self, old: Schema, new: Schema, side: Side, where: str) -> Iterator[str]:
        """What breaks; `where` names the value, until a component's own name does."""
        old_kinds, new_kinds = self._old.kinds(old), self._new.kinds(new)
        yield from _kinds_lost(old_kinds, new_kinds, side, _at(name_of(old), side, where))
        for kind, one in old_kinds.items():
            for other in _partners(kind, old_kinds, new_kinds, side):
                if (mark := (id(one.schema), id(other.schema), side)) not in self._seen:
                    self._seen.add(mark)
                    at = _at(one.name, side, where)
                    yield from self._plain(one.schema, other.schema, side, at)

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


def _at(name: str, side: Side, where: str) -> str:
    return f"{name} ({side})" if name else where


# --- kinds of values --------------------------------------------------------------------------


def _partners(kind: str, old: dict[str, Value], new: dict[str, Value], side: Side) -> list[Value]:
    """What of the other document is of this kind; integers are numbers. An object of which nothing
    was said that told it apart may have become several that are."""
    other = {"integer": "number", "number": "integer"}.get(kind, "")
    found = [new[each] for each in (kind, other) if each in new]
    if side == "answer" and kind == PLAIN:
        found += [value for each, value in new.items() if _tagged(each) and each not in old]
    return found


def _tagged(kind: str) -> bool:
    return " " in kind


def _kinds_lost(
    old: dict[str, Value], new: dict[str, Value], side: Side, where: str
) -> Iterator[str]:
    if side == "request":
        wide = new.keys() | ({"integer"} if "number" in new else set())
        gone = [] if "anything" in new else [kind for kind in old if kind not in wide]
        yield from (f"{where}: does not take {kind} any more" for kind in gone)
        return
    yield from (f"{where}: {kind} is gone" for kind in old if _tagged(kind) and kind not in new)
    known = old.keys() | ({"integer"} if "number" in old else set())
    if "anything" not in known:
        tells = PLAIN in known or any(map(_tagged, old))
        more = [kind for kind in new if kind not in known and not (tells and _tagged(kind))]
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
