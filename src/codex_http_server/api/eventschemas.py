"""Every type of event in the OpenAPI document, with what it carries. Pure.

`Event` is a `KnownEvent`, told apart by `type`, or, from a newer core or server, an `EventOther`.
Each known one is the envelope and its own `data`: the core's schema (`engine/payloads.json`) or
ours (`schemas/ownevents.py`). Owns which fields of the envelope each type is sure to have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from codex_http_server import events
from codex_http_server.api.schemas.core import MARK
from codex_http_server.api.schemas.events import Event
from codex_http_server.api.schemas.ownevents import DATA
from codex_http_server.engine import payloads
from codex_http_server.engine.payloads import PREFIX, REF, Payloads

Schema = dict[str, Any]

TEMPLATE: Final = REF + "{model}"
ENVELOPE, KNOWN, OTHER = "EventEnvelope", "KnownEvent", "EventOther"
ANY_REQUEST: Final = PREFIX + "Request"
TEXT: Final = {"type": "string"}

UNLOGGED: Final = frozenset({events.FEED_RESET, events.MESSAGE_REMOVED, events.HEARTBEAT})
SOMETIMES_LOGGED: Final = frozenset({events.CORE_STATE, events.AUTH_REQUIRED})
LOGGED: Final = ("position", "turn_id", "item_id")

OF_TURN: Final = frozenset({events.TURN_STARTED, events.TURN_COMPLETED})
ENDS: Final = frozenset({events.ITEM_COMPLETED, events.ITEM_DISCARDED})
STATUS: Final[dict[str, tuple[str, ...]]] = {
    events.TURN_STARTED: ("inProgress",),
    events.TURN_COMPLETED: ("completed", "interrupted", "failed"),
    events.ITEM_DISCARDED: ("discarded",),
    events.ERROR: ("retrying", "failed"),
    events.APPROVAL_REQUESTED: ("pending",),
    events.APPROVAL_RESOLVED: ("resolved",),
    events.CONVERSATION_DELETED: ("deleted",),
}


def add(document: Schema) -> None:
    """Put the events, and the core's own schemas, in the place of what the routes say of them."""
    core = payloads.recorded()
    schemas: dict[str, Schema] = document["components"]["schemas"]
    envelope = _without_defaults(schemas.pop(Event.__name__))
    del envelope["additionalProperties"]  # open all the same; types would take any field for known
    schemas[ENVELOPE] = envelope
    schemas.update(_own_data())
    schemas.update(_events(core))
    schemas.update(core["schemas"])
    schemas[ANY_REQUEST] = _requests(core)
    document["components"]["schemas"] = {name: _linked(schemas[name]) for name in sorted(schemas)}
    document["x-codex-version"] = core["version"]


def name_of(kind: str) -> str:
    """What the schema of a type of event is called: `turn/started` → `EventTurnStarted`."""
    words = kind.replace("/", " ").split()
    return "Event" + "".join(word[0].upper() + word[1:] for word in words)


def _events(core: Payloads) -> dict[str, Schema]:
    data = {kind: core["notifications"][kind] for kind in core["notifications"]}
    data |= {kind: {"$ref": REF + model.__name__} for kind, model in DATA.items()}
    known = {kind: name_of(kind) for kind in sorted(data)}
    return {
        "Event": {
            "description": "What happened. Take one whose `type` you do not know as well, and pass"
            " over it: a newer core, or server, tells of more.",
            "anyOf": [{"$ref": REF + KNOWN}, {"$ref": REF + OTHER}],
        },
        KNOWN: {
            "description": f"An event that this server, or Codex {core['version']}, is known to"
            " send; `type` says which.",
            "oneOf": [{"$ref": REF + name} for name in known.values()],
            "discriminator": {
                "propertyName": "type",
                "mapping": {kind: REF + name for kind, name in known.items()},
            },
        },
        OTHER: _other(known),
        **{name: _event(kind, data[kind]) for kind, name in known.items()},
    }


def _event(kind: str, data: Schema) -> Schema:
    properties: Schema = {"type": {**TEXT, "const": kind}, "data": data}
    properties |= dict.fromkeys(_sure_text(kind), TEXT)
    if kind in STATUS:
        properties["status"] = {**TEXT, "enum": list(STATUS[kind])}
    required = {*properties, *_sure(kind)}
    says = {"description": events.OURS[kind]} if kind in events.OURS else {}
    own = {"type": "object", "properties": properties, "required": sorted(required)}
    return says | {"allOf": [{"$ref": REF + ENVELOPE}, own]}


def _sure(kind: str) -> Iterable[str]:
    """Fields that an event of this type always has, beside those of all events."""
    return () if kind in UNLOGGED | SOMETIMES_LOGGED else LOGGED


def _sure_text(kind: str) -> Iterable[str]:
    """Fields that an event of this type has as words, never null."""
    if kind in events.DELTA_OF:
        return ("turn_id", "item_id", "text")
    if kind == events.ITEM_STARTED:  # not every type of item has a status
        return ("turn_id", "item_id", "item_type")
    if kind in ENDS:
        return ("turn_id", "item_id", "item_type", "status")
    return ("turn_id",) if kind in OF_TURN else ()


def _other(known: Iterable[str]) -> Schema:
    """A type that is not known here: nothing is said of what it carries."""
    unknown = {**TEXT, "not": {"enum": list(known)}}
    return {
        "description": "An event of a type that this version does not know.",
        "allOf": [
            {"$ref": REF + ENVELOPE},
            {"type": "object", "properties": {"type": unknown}, "required": ["type"]},
        ],
    }


def _requests(core: Payloads) -> Schema:
    """What the core asks; the legacy and the unknown are objects as well."""
    known = [core["requests"][method] for method in sorted(core["requests"])]
    return {
        "description": "What the core asks; `method` says which of these it is.",
        "anyOf": [*known, {"type": "object", "additionalProperties": True}],
    }


# --- schemas of models ------------------------------------------------------------------------


def _own_data() -> dict[str, Schema]:
    models: list[tuple[type[BaseModel], Any]] = [(each, "serialization") for each in DATA.values()]
    found = models_json_schema(models, ref_template=TEMPLATE)[1]["$defs"]
    return {name: _without_defaults(schema) for name, schema in found.items()}


def _without_defaults(schema: Schema) -> Schema:
    """A default of null says that a field may be left out, which `required` says already."""
    fields = {
        name: {k: v for k, v in each.items() if (k, v) != ("default", None)}
        for name, each in schema.get("properties", {}).items()
    }
    return schema | ({"properties": fields} if fields else {})


def _linked(node: Any) -> Any:
    """The same with the marks of the core's objects put right."""
    if isinstance(node, list):
        return [_linked(each) for each in cast(list[Any], node)]
    if not isinstance(node, dict):
        return node
    fields = cast(Schema, node)
    if MARK in fields:
        return {"$ref": REF + PREFIX + fields[MARK]}
    return {key: _linked(value) for key, value in fields.items()}
