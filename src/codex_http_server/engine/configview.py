"""The configuration as it may be shown: without what is, or may be, a secret. Pure.

What counts is where a value stands (`http_headers`, `env`, a key that names a secret), and what
it looks like. The names of things stay: a reader sees that there is a header, not what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from codex_http_server.logs import REDACTED, names_secret, redact_text

MAPS: Final = frozenset({"env", "headers", "http_headers", "query_params", "set"})
"""Tables whose values are the user's own and often secret, whatever their keys are called."""
KEYS: Final = re.compile(r"(?:.*_)?(?:credentials?|passphrase|(?:access|private|secret)_key)")
USERINFO: Final = re.compile(r"(?<=://)[^/?#@\s]+@")
QUERY: Final = re.compile(r"(?<=[?&])([^=&#\s]+)=[^&#\s]*")
FLAG: Final = re.compile(r"--?([A-Za-z][\w-]*)(=.*)?", re.DOTALL)


def without_secrets(value: Any) -> Any:
    """A JSON value of the configuration, with its secrets replaced."""
    match value:
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return {key: _hidden(each) if _hides(key, each) else without_secrets(each)
                    for key, each in pairs}  # fmt: skip
        case list():
            return list(_arguments(cast("list[Any]", value)))
        case str():
            return _text(value)
        case _:
            return value


def holds_redacted(value: Any) -> bool:
    """Whether a value holds what stands here in the place of a secret."""
    match value:
        case dict():
            return any(map(holds_redacted, cast("dict[str, Any]", value).values()))
        case list():
            return any(map(holds_redacted, cast("list[Any]", value)))
        case _:
            return isinstance(value, str) and REDACTED in value


def _hides(key: str, value: Any) -> bool:
    return _names(key) or (key in MAPS and isinstance(value, dict))


def _names(key: str) -> bool:
    return names_secret(key) or KEYS.fullmatch(key.replace("-", "_").lower()) is not None


def _hidden(value: Any) -> Any:
    """The shape of a value, with nothing in it."""
    match value:
        case dict():
            return {key: _hidden(each) for key, each in cast("dict[str, Any]", value).items()}
        case list():
            return [_hidden(each) for each in cast("list[Any]", value)]
        case None | bool() | "":
            return value
        case _:
            return REDACTED


def _arguments(values: list[Any]) -> Iterator[Any]:
    """A list; if it is a command's arguments, what follows `--token` is one."""
    secret = False
    for value in values:
        flag = FLAG.fullmatch(value) if isinstance(value, str) else None
        if secret and flag is None:
            yield _hidden(value)
        elif flag is not None and flag[2] and _names(flag[1]):
            yield f"{value[: flag.start(2)]}={REDACTED}"
        else:
            yield without_secrets(value)
        secret = flag is not None and flag[2] is None and _names(flag[1])


def _text(value: str) -> str:
    if "://" in value:
        value = QUERY.sub(rf"\1={REDACTED}", USERINFO.sub(f"{REDACTED}@", value))
    return redact_text(value)
