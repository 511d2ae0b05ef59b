"""Names what openapi.json breaks for the clients of the last accepted contract.

`python -m scripts.breaking` compares openapi.json with docs/openapi/last.json and exits 1 where
something is gone, narrower or differently guarded; additions pass. `--accept` makes openapi.json
the contract that is compared with: at a release, and with a break that is meant (CONTRIBUTING.md).
Why not a tool: docs/decisions/0010-the-contract.md. Values and their schemas: `schema_breaks.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from scripts.schema_breaks import Schemas, Side

Node = dict[str, Any]

ROOT: Final = Path(__file__).resolve().parent.parent
NOW: Final = ROOT / "openapi.json"
LAST: Final = ROOT / "docs/openapi/last.json"
PROBLEM: Final = "application/problem+json"


def breaks(old: Node, new: Node) -> list[str]:
    """Everything that breaks a client of `old`, each once; empty where there is nothing."""
    codes = [*_codes(old, new)]
    found = [*codes, *_event_types(old, new), *_operations(old, new)]
    # A code that is gone altogether is not named for each operation again.
    return list(dict.fromkeys(x for x in found if x.rpartition(": ")[2] not in codes or x in codes))


def _codes(old: Node, new: Node) -> Iterator[str]:
    has = new["x-error-codes"]
    for code, status in old["x-error-codes"].items():
        if code not in has:
            yield f"error code {code} is gone"
        elif has[code] != status:
            yield f"error code {code}: its status was {status}, is {has[code]}"


def _event_types(old: Node, new: Node) -> Iterator[str]:
    has = new["x-event-types"]
    yield from (f"event type {name} is gone" for name in old["x-event-types"] if name not in has)


def _operations(old: Node, new: Node) -> Iterator[str]:
    schemas = Schemas(old, new)
    for path, operations in old["paths"].items():
        for method, one in operations.items():
            where = f"{method.upper()} {path}"
            other = new["paths"].get(path, {}).get(method)
            if other is None:
                yield f"{where} is gone"
                continue
            yield from _operation(one, other, where)
            yield from _parameters(_taken(one, old), _taken(other, new), schemas, where)
            yield from _body(one, other, schemas, where)
            yield from _answers(_answered(one, old), _answered(other, new), schemas, where)


def _operation(old: Node, new: Node, where: str) -> Iterator[str]:
    if old["x-scope"] != new["x-scope"]:
        yield f"{where}: its scope was {old['x-scope']}, is {new['x-scope']}"
    if old["operationId"] != new["operationId"]:
        yield f"{where}: its operationId was {old['operationId']}, is {new['operationId']}"


def _reference(node: Node, document: Node, kind: str) -> Node:
    name = node.get("$ref", "").rsplit("/", 1)[-1]
    return document["components"][kind][name] if name else node


# --- what it takes ----------------------------------------------------------------------------


def _taken(operation: Node, document: Node) -> dict[str, Node]:
    """The parameters of an operation, by place and name."""
    every = (_reference(p, document, "parameters") for p in operation.get("parameters", ()))
    return {f"{each['in']} parameter {each['name']}": each for each in every}


def _parameters(
    old: dict[str, Node], new: dict[str, Node], schemas: Schemas, where: str
) -> Iterator[str]:
    for name, one in old.items():
        if name not in new:
            yield f"{where}: {name} is gone"
        else:
            at = f"{where}: {name}"
            yield from schemas.breaks(one["schema"], new[name]["schema"], "request", at)
    for name, other in new.items():
        if other.get("required") and not old.get(name, {}).get("required"):
            yield f"{where}: {name} is now required"


def _body(old: Node, new: Node, schemas: Schemas, where: str) -> Iterator[str]:
    had, has = old.get("requestBody"), new.get("requestBody")
    if has and has.get("required") and not (had and had.get("required")):
        yield f"{where}: a body is now required"
    if had:
        kinds, others = had["content"], has["content"] if has else {}
        yield from _contents(kinds, others, schemas, "request", f"{where} body")


# --- what it answers --------------------------------------------------------------------------


def _answered(operation: Node, document: Node) -> dict[str, Node]:
    every = operation["responses"].items()
    return {status: _reference(each, document, "responses") for status, each in every}


def _answers(
    old: dict[str, Node], new: dict[str, Node], schemas: Schemas, where: str
) -> Iterator[str]:
    for status, one in old.items():
        if status not in new:
            yield f"{where}: the answer {status} is gone"
            continue
        had, has = one.get("content", {}), new[status].get("content", {})
        yield from _contents(had, has, schemas, "answer", f"{where} {status}")


def _contents(old: Node, new: Node, schemas: Schemas, side: Side, where: str) -> Iterator[str]:
    for kind, one in old.items():
        if kind not in new:
            yield f"{where}: {kind} is gone"
            continue
        had, has = one.get("schema", {}), new[kind].get("schema", {})
        if kind == PROBLEM:
            yield from _problem(had, has, schemas, where)
        else:
            yield from schemas.breaks(had, has, side, where)


def _problem(old: Node, new: Node, schemas: Schemas, where: str) -> Iterator[str]:
    """What all problems are, and the codes of this one (`api/refusals.py`)."""
    yield from _but_codes(schemas.breaks(old["allOf"][0], new["allOf"][0], "answer", where))
    had, has = (each["allOf"][1]["properties"]["code"]["enum"] for each in (old, new))
    yield from (f"{where}: error code {each} is gone" for each in had if each not in has)


def _but_codes(found: Iterator[str]) -> Iterator[str]:
    """Without the list of all codes: what is gone from it is named as such."""
    return (each for each in found if ".code: the value " not in each)


# --- the command ------------------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """Compare, or accept; 1 where something breaks, 2 for a wrong call."""
    if arguments == ["--accept"]:
        LAST.parent.mkdir(parents=True, exist_ok=True)
        LAST.write_bytes(NOW.read_bytes())
        print(f"{LAST.relative_to(ROOT)}: is openapi.json now")
        return 0
    if arguments:
        print("usage: python -m scripts.breaking [--accept]", file=sys.stderr)
        return 2
    found = breaks(*(json.loads(path.read_text(encoding="utf-8")) for path in (LAST, NOW)))
    for each in found:
        print(f"breaks clients: {each}")
    if found:
        print(f"{len(found)} breaking changes; where they are meant, see CONTRIBUTING.md")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
