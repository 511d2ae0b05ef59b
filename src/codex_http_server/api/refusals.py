"""The refusals of each operation in the OpenAPI document: statuses, and which codes they carry.

Owns their form. Which codes an operation may answer: `causes.py`; their statuses: `problems.py`.
"""

from __future__ import annotations

from typing import Any, Final

from codex_http_server.api import causes
from codex_http_server.api.problems import MEDIA_TYPE, STATUS, tree
from codex_http_server.api.schemas import Problem

Json = dict[str, Any]

PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
NAMED: Final = 3  # codes of its own in the name of a shared answer; with more it stands inline


def add(document: Json) -> None:
    """Give each operation its refusals; the framework's own error shape goes."""
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _problem(schemas)
    shared: Json = document["components"].setdefault("responses", {})
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            for status, codes in _by_status(method.upper(), path, operation).items():
                _put(operation["responses"], str(status), codes, shared)
    document["components"]["responses"] = dict(sorted(shared.items()))


def _problem(schemas: Json) -> Json:
    """The shape of a problem, with all codes; what it refers to goes to the other schemas."""
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    code = {"type": "string", "enum": sorted(STATUS)}
    return problem | {"properties": problem["properties"] | {"code": code}}


def _by_status(method: str, path: str, operation: Json) -> dict[int, list[str]]:
    queried = any(each["in"] != "path" for each in operation.get("parameters", ()))
    takes_input = queried or "requestBody" in operation
    found: dict[int, list[str]] = {}
    for code in sorted(causes.codes(method, path, takes_input=takes_input)):
        found.setdefault(STATUS[code], []).append(code)
    return dict(sorted(found.items()))


def _put(responses: Json, status: str, codes: list[str], shared: Json) -> None:
    """Add a refusal to what an operation answers, by reference where others answer the same."""
    if status in responses:  # a success or a body of our own has this status, too
        responses[status]["content"] |= _answer(codes)["content"]
        return
    own = [code for code in codes if code not in causes.EVERYWHERE]
    if len(own) > NAMED:
        responses[status] = _answer(codes)
        return
    name = f"Problem{status}" + "".join(part.title().replace("_", "") for part in own)
    shared[name] = _answer(codes)
    responses[status] = {"$ref": f"#/components/responses/{name}"}


def _answer(codes: list[str]) -> Json:
    said = "; ".join(f"{TITLES[code]} (`{code}`)" for code in codes)
    schema = {"allOf": [PROBLEM, {"properties": {"code": {"enum": codes}}}]}
    return {"description": f"{said}.", "content": {MEDIA_TYPE: {"schema": schema}}}


TITLES: Final = {each.code: each.title for each in reversed(list(tree()))}
