"""The reference of events, written from the OpenAPI document: docs/events.md. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from codex_http_server.api.app import document
from codex_http_server.api.eventschemas import KNOWN
from codex_http_server.api.reference import REF, table, type_of
from codex_http_server.events import ENVELOPE, OURS

Node = Mapping[str, Any]

HEAD: Final = """\
# Events

Every event is one JSON object, the same in the log, on a stream and on a page. `type` says what
is in `data`; [openapi.json](../openapi.json) has the exact schema of each (`Event`). A type or a
field that you do not know is from a newer server or core: pass over it. An event that an earlier
version wrote into the log is as that version made it.
"""
OWN: Final = "## Events of this server\n"
CORE: Final = """\
## Events of the core

They have the names that Codex {version} gives its notifications, and its own object as `data`; a
question mark is after what may be missing. Every delta also has its `text` in the envelope. Where
this server tells one in the core's stead (`synthetic`), the object is made from what the core
keeps: of a command that was first heard of by its output nothing else is known, `command` and
`cwd` are empty. `turn/diff/updated` comes without its repetitions, `account/rateLimits/updated`
with all that is known (`synthetic` is `merged`).
"""
ITEMS: Final = """\
## Items

`data.item` of `item/started`, `item/completed` and `item/discarded`, by its `type`, which is the
event's `item_type`; each also has an `id`. The words in `Codex_…` are schemas of openapi.json.
"""


def markdown() -> str:
    """docs/events.md: the envelope, every type of event with what it carries, and items."""
    described = document()
    schemas: Node = described["components"]["schemas"]
    told: dict[str, str] = schemas[KNOWN]["discriminator"]["mapping"]
    core = {kind: ref for kind, ref in told.items() if kind not in OURS}
    lines = [
        HEAD,
        *table(("field", "meaning"), [(f"`{name}`", said) for name, said in ENVELOPE.items()]),
        OWN,
        *table(("type", "meaning", "`data`"), (_own(kind, schemas) for kind in OURS)),
        CORE.format(version=described["x-codex-version"]),
        *table(("type", "`data`"), (_core(kind, schemas) for kind in core)),
        ITEMS,
        *table(("type", "fields"), _items(schemas)),
    ]
    return "\n".join(lines)


def _data(kind: str, schemas: Node) -> Node:
    event: Node = schemas[_named(schemas[KNOWN]["discriminator"]["mapping"][kind])]
    return event["allOf"][1]["properties"]["data"]


def _own(kind: str, schemas: Node) -> tuple[str, ...]:
    data = _data(kind, schemas)
    some = schemas[_named(data["$ref"])].get("properties")
    return f"`{kind}`", OURS[kind], type_of(data) if some else "no fields"


def _core(kind: str, schemas: Node) -> tuple[str, ...]:
    return f"`{kind}`", _fields(schemas[_named(_data(kind, schemas)["$ref"])])


def _items(schemas: Node) -> Iterator[tuple[str, ...]]:
    mapping: dict[str, str] = schemas["Codex_ThreadItem"]["discriminator"]["mapping"]
    for kind, reference in mapping.items():
        yield f"`{kind}`", _fields(schemas[_named(reference)], "type", "id")


def _fields(schema: Node, *but: str) -> str:
    """The fields of an object, each with its type; first those that it always has."""
    needed = schema.get("required", ())
    found: Node = schema.get("properties", {})
    names = sorted(found.keys() - set(but), key=lambda name: (name not in needed, name))
    words = (f"`{name}{'' if name in needed else '?'}` {type_of(found[name])}" for name in names)
    return ", ".join(words) or "no fields"


def _named(reference: str) -> str:
    return reference.removeprefix(REF)
