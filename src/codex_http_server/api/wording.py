"""What is wrong with a request, in words: pydantic's findings as a caller reads them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

Found = dict[str, Any]

_WHOLE: Final = {
    "extra_forbidden": "is not a field here",
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_SHOULD: Final = re.compile(r"^(input|string|list|dictionary|value|data) should ", re.IGNORECASE)


def fields(errors: Sequence[Found]) -> list[dict[str, str]]:
    """Each field that is wrong, and why."""
    return [{"field": _field(each["loc"]), "message": _message(each)} for each in errors]


def sentence(found: Iterable[dict[str, str]]) -> str:
    """The same as one sentence."""
    return "; ".join(f"{each['field']}: {each['message']}" for each in found) + "."


def meant(errors: Sequence[Found], body: Any) -> str | None:
    """What a field was meant to be that is not one of the body's, if one is like it. `body`: the
    type of the body."""
    known = [name for each in (body, *get_args(body)) for name in getattr(each, "model_fields", ())]
    given = [each["loc"][1] for each in errors if _unknown(each)]
    near = [difflib.get_close_matches(str(name), known, 1) for name in given]
    names = [
        f"{name} for {each}" for each, found in zip(given, near, strict=True) for name in found
    ]
    return f"Did you mean {', '.join(names)}?" if names else None


def not_json(errors: Sequence[Found], text: Any) -> str:
    """Where a body stops being JSON."""
    (found,) = [each for each in errors if each["type"] == "json_invalid"][:1]
    reason = str(found.get("ctx", {}).get("error", "")).lower()
    at = found["loc"][-1]
    if not isinstance(text, str) or not isinstance(at, int):
        return "The body is not JSON."
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return f"The body is not JSON: line {line}, column {column}: {reason or 'unexpected'}."


def _unknown(found: Found) -> bool:
    return found["type"] == "extra_forbidden" and len(found["loc"]) == 2


def _field(loc: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])


def _message(found: Found) -> str:
    if found["type"] in _WHOLE:
        return _WHOLE[found["type"]]
    text = str(found["msg"]).removeprefix("Value error, ")
    text = _SHOULD.sub("must ", text[:1].lower() + text[1:])
    return text.replace("greater than or equal to", "at least").replace(
        "less than or equal to", "at most"
    )
