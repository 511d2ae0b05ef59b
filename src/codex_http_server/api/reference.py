"""The reference of routes and objects, written from the OpenAPI document. Pure.

`make gen` writes docs/routes.md and docs/objects.md with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from codex_http_server.api.app import document
from codex_http_server.api.causes import ROWS
from codex_http_server.api.eventschemas import ENVELOPE, KNOWN, OTHER
from codex_http_server.engine.payloads import PREFIX

Node = Mapping[str, Any]

REF: Final = "#/components/schemas/"
ROUTES_HEAD: Final = """\
# Routes

Every route with what it takes and answers, written from [openapi.json](../openapi.json). Any of
them can answer with a [problem](errors.md) (`application/problem+json`); what only some answer
stands with them. Each POST also takes an `Idempotency-Key`, each event stream a `Last-Event-ID`.
The fields of the [objects](objects.md) have a page of their own.
"""
EVENTS: Final = frozenset({"Event", KNOWN, OTHER, ENVELOPE})  # in docs/events.md
OBJECTS_HEAD: Final = """\
# Objects

What [routes](routes.md) take and answer, written from [openapi.json](../openapi.json). Clients
ignore fields that they do not know. The Codex core's own objects (`Codex_…`) stand there only,
and [events](events.md) have a page of their own.
"""


def routes_markdown() -> str:
    """docs/routes.md: a section for each group of routes."""
    return "\n".join([ROUTES_HEAD, *_groups(document())])


def objects_markdown() -> str:
    """docs/objects.md: the fields of each object."""
    schemas: Node = document()["components"]["schemas"]
    told = {each["$ref"].removeprefix(REF) for each in schemas[KNOWN]["oneOf"]}
    names = schemas.keys() - told - EVENTS
    ours = sorted(name for name in names if not name.startswith(PREFIX))
    return "\n".join([OBJECTS_HEAD, *(_object(name, schemas[name]) for name in ours)])


def _groups(described: Node) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            section = _operation(method.upper(), path, operation)
            groups.setdefault(operation["tags"][0], []).append(section)
    for tag, sections in groups.items():
        yield f"## {tag.capitalize()}\n"
        yield from sections


def _operation(method: str, path: str, operation: Node) -> str:
    lines = [f"### {method} {path}", "", operation["description"], ""]
    lines += table(("parameter", "in", "type", "meaning"), map(_parameter, _parameters(operation)))
    body = operation.get("requestBody", {}).get("content", {})
    lines += [f"Takes {_contents(body)}.", ""] if body else []
    lines += table(("answer", "what", "with"), map(_answer, _answers(operation)))
    codes = ", ".join(f"`{code}`" for code in sorted(ROWS.get((method, path), ())))
    return "\n".join([*lines, f"Its own [errors](errors.md): {codes}.", ""] if codes else lines)


def _parameters(operation: Node) -> list[Node]:
    """Its own; what many take (a key, a place in a stream) stands in the head of the page."""
    return [each for each in operation.get("parameters", ()) if "$ref" not in each]


def _parameter(given: Node) -> tuple[str, ...]:
    name = f"`{given['name']}`" + (" (required)" if given.get("required") else "")
    return name, given["in"], type_of(given["schema"]), given.get("description", "")


def _answers(operation: Node) -> Iterator[tuple[str, Node]]:
    return ((code, it) for code, it in sorted(operation["responses"].items()) if code < "4")


def _answer(given: tuple[str, Node]) -> tuple[str, ...]:
    status, answer = given
    said = answer["description"]
    return (
        status,
        "" if said == "Successful Response" else said,
        _contents(answer.get("content", {})),
    )


def _contents(content: Node) -> str:
    return " or ".join(_content(kind, it.get("schema", {})) for kind, it in content.items())


def _content(kind: str, schema: Node) -> str:
    return type_of(schema) if kind == "application/json" else f"`{kind}`"


def _object(name: str, schema: Node) -> str:
    lines = [f"## {name}", "", schema.get("description", "").strip(), ""]
    if "properties" not in schema:
        return "\n".join([*lines, f"{_capital(type_of(schema))}.", ""])
    required = schema.get("required", ())
    fields = ((key, it, key in required) for key, it in schema["properties"].items())
    return "\n".join([*lines, *table(("field", "type", "meaning"), map(_field, fields))])


def _field(given: tuple[str, Node, bool]) -> tuple[str, ...]:
    name, schema, required = given
    said = [schema.get("description", "")]
    if schema.get("default") is not None:
        said.append(f"Default `{schema['default']}`.")
    return (
        f"`{name}`" + ("" if required else " (optional)"),
        type_of(schema),
        " ".join(said).strip(),
    )


def type_of(schema: Node) -> str:
    """What a value of this schema is, in a few words, objects as links."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return _link(name)
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(type_of(each) for each in schema[key]))
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    return _plain(schema)


def _link(name: str) -> str:
    if name in EVENTS:
        return f"[{name}](events.md)"
    return f"`{name}`" if name.startswith(PREFIX) else f"[{name}](objects.md#{name.lower()})"


def _plain(schema: Node) -> str:
    kind: str | list[str] = schema.get("type", "anything")
    kinds = [kind] if isinstance(kind, str) else kind
    bounds = {"minimum": "at least", "maximum": "at most", "maxLength": "at most"}
    limits = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    unit = " characters" if "maxLength" in schema else ""
    return " or ".join(kinds) + (f", {', '.join(limits)}{unit}" if limits else "")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table, or nothing where there are no rows."""
    cells = [[_cell(each) for each in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in ([*head], ["---"] * len(head), *cells)]
    return [*lines, ""] if cells else []


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")
