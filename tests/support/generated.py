"""Requests that schemathesis made up: what they name is put in, and what they do is bounded.

Knows the forms of schemathesis; what may be put in is of `things.py`.
"""

from __future__ import annotations

import copy
import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from schemathesis import APIOperation, BaseSchema, Case, Response
from schemathesis.core.result import Ok

from codex_http_server.api.problems import MEDIA_TYPE
from tests.support.driven import DRIVEN
from tests.support.promises import PROMISES
from tests.support.things import Make, Things

KEY: Final = "Idempotency-Key"
KEY_MAX: Final = 255  # characters; api/idempotency.py
NUMBERS: Final = itertools.count(1)
WAIT: Final = 0.05  # seconds, in place of longer ones that are allowed
LONG: Final = 10_000  # characters
COMMAND_MAX: Final = 100_000  # characters; api/routes/ownturns.py


def quick(document: dict[str, Any]) -> dict[str, Any]:
    """The document without the patterns of long texts: seconds go by until one is made up."""
    found = copy.deepcopy(document)
    schemas = found["components"]["schemas"].values()
    for field in (it for each in schemas for it in each.get("properties", {}).values()):
        if field.get("maxLength", 0) > LONG:
            field.pop("pattern", None)
    return found


def operations(schema: BaseSchema) -> Iterator[APIOperation]:
    """All of a document."""
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        yield found.ok()


def can_be_wrong(operation: APIOperation) -> bool:
    """Whether a request can differ from what the document says: any text is an id."""
    return bool(operation.query or operation.headers or operation.body)


def code_of(answer: Response) -> str | None:
    """The code of a problem."""
    is_problem = MEDIA_TYPE in answer.headers.get("content-type", [""])[0]
    return answer.json()["code"] if is_problem else None


def note(case: Case, answer: Response) -> None:
    """Have the code of a problem held against the document. The method is the one that was sent."""
    code = code_of(answer)
    found = DRIVEN.operation(case.method.upper(), case.operation.path)
    if found and code:
        PROMISES.refused(found, code)


@contextmanager
def things_for(operation: APIOperation, things: Things) -> Iterator[dict[str, Make]]:
    """What the parameters and fields of an operation may name, while the block runs."""
    method = operation.method.upper()
    try:
        yield things.named(names(operation), reads=method == "GET", ends=method == "DELETE")
    finally:
        things.done()


def there(operation: APIOperation, things: Mapping[str, Make]) -> dict[str, Any]:
    """What stands in the path."""
    parts = {each.name for each in operation.path_parameters}
    return {key: things[key]() for key in parts & things.keys()}


def names(operation: APIOperation) -> set[str]:
    """Of its parameters, and of the fields of its body."""
    found = {each.name for each in (*operation.path_parameters, *operation.query)}
    return found.union(*(_fields(body.definition["schema"]) for body in operation.body))


def _fields(schema: Mapping[str, Any]) -> set[str]:
    bundled = schema.get("x-bundled", {}).values()
    return {name for each in (schema, *bundled) for name in each.get("properties", ())}


def name(case: Case, things: Mapping[str, Make]) -> None:
    """Put what there is in the place of what was made up, wherever it stands under its name."""
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            place.update({key: things[key]() for key in place.keys() & things.keys()})


def bound(case: Case) -> None:
    """A wait that is allowed is short; a command does nothing, whatever its words; a key is of this
    request alone, for one that came before is answered with what was answered then."""
    key = case.headers.get(KEY) if case.headers else None
    if isinstance(key, str) and 0 < len(key) <= KEY_MAX - 10:
        case.headers[KEY] = f"{key}-{next(NUMBERS)}"
    waits = case.query.get("wait") if case.query else None
    if isinstance(waits, int | float) and WAIT < waits <= _most(case.operation.query, "wait"):
        case.query["wait"] = WAIT
    if isinstance(case.body, dict) and case.operation.path.endswith("/shell"):
        said = case.body.get("command")
        if isinstance(said, str) and said.strip() and len(said) <= COMMAND_MAX:
            case.body["command"] = _harmless(said)


def _most(parameters: Iterable[Any], name: str) -> float:
    schema = next(each.definition["schema"] for each in parameters if each.name == name)
    return schema["maximum"]


def _harmless(said: str) -> str:
    """The same words to a command that does nothing with them."""
    quoted = f": {shlex.quote(said)}"
    return quoted if len(quoted) <= COMMAND_MAX else ":"
