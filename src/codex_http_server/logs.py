"""Logging: structlog and the standard library's loggers, one form, on stderr, without secrets.

Owns the form, the level and the redaction. Knows no event of the product. By convention the
texts of messages are not logged at all; redaction is the net below that. `bind` ties request,
conversation and turn ids to what the present task logs.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
MAX_DEPTH = 8  # deeper than anything we log; a structure that goes on is cut, not trusted
SECRET_KEY = re.compile(
    # whole or last words: `token` and `refresh_token`, but not `output_tokens` or `token_id`
    r"(?:.*_)?(?:authorization|token|ticket|api_?key|cookies?|password|secret)"
)
SECRET_TEXT = re.compile(
    r"(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]+"  # RFC 6750 credentials
    r"|\bsk-[A-Za-z0-9_-]{8,}"  # API keys of model providers
    r"|\bch[tscp]_[A-Za-z0-9_-]{16,}"  # our own: tokens, tickets, codes, page sessions
    r"|\bwhsec_[A-Za-z0-9+/=]{16,}"  # what webhooks are signed with
    r"|(?i:\b(?:ticket|token|access_token)=|[#?&]code=)[^\s&;,'\"]{8,}"  # in addresses and cookies
    r"|(?i:\bcookie:\s*)[^\r\n'\"]+"
    r"|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"  # a JSON Web Token
)


def configure(*, level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (stderr), from `level` up; a later call replaces an earlier.

    `form` is `json`, `console`, or `auto`: console where the stream is a terminal.
    """
    out = sys.stderr if stream is None else stream
    console = out.isatty() if form == "auto" else form == "console"
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(console=console, colors=out.isatty()),
            ],
        )
    )
    _take_over(handler, level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Loggers are made at import; a cached one would miss a later `configure`.
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of ours; `name` is the module's."""
    return structlog.stdlib.get_logger(name)


def bind(
    *,
    request_id: str | None = None,
    conversation_id: str | None = None,
    turn_id: str | None = None,
) -> AbstractContextManager[None]:
    """Put the given ids on every line logged in this block, tasks started in it included."""
    given = {"request_id": request_id, "conversation_id": conversation_id, "turn_id": turn_id}
    known = {name: value for name, value in given.items() if value is not None}
    return structlog.contextvars.bound_contextvars(**known)


def redact(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """A structlog processor: secret keys and texts that look like secrets are taken out."""
    return {key: _clean(value, 0, key) for key, value in line.items()}


def redact_text(text: str) -> str:
    """`text` with everything that looks like a credential replaced."""
    return SECRET_TEXT.sub(REDACTED, text)


def redact_value(value: Any) -> Any:
    """A JSON value whose texts are redacted; names are left as they are."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {k: redact_value(v) for k, v in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [redact_value(each) for each in cast("list[Any]", value)]
    return value


def _clean(value: object, depth: int, key: object = "") -> Any:
    if _is_secret(key) and value not in (None, ""):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= MAX_DEPTH:
        return REDACTED
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return {_clean(name, depth + 1): _clean(each, depth + 1, name) for name, each in pairs}
    if isinstance(value, Sequence | Set) and not isinstance(value, str | bytes | bytearray):
        return [_clean(each, depth + 1) for each in cast("Sequence[object]", value)]
    # Anything else would be rendered by its repr, so that is what is searched.
    return redact_text(_text(value))


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else repr(value)


def _is_secret(key: object) -> bool:
    return isinstance(key, str) and names_secret(key)


@lru_cache(maxsize=256)
def names_secret(key: str) -> bool:
    """Whether a key names a secret, however it is spelled: `api-key`, `apiKey`, `API_KEY`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").lower()
    return SECRET_KEY.fullmatch(snake) is not None


def _shared() -> list[Processor]:
    """What is done to every line, ours and the libraries'. Redaction comes with rendering."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _rendering(*, console: bool, colors: bool) -> list[Processor]:
    """From a line to text. A trace is made text first, so that redaction sees it too."""
    trace: list[Processor] = [structlog.processors.format_exc_info, redact]
    if console:
        plain = structlog.dev.plain_traceback
        return [*trace, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [*trace, structlog.processors.JSONRenderer()]


def _take_over(handler: logging.Handler, level: str) -> None:
    """Make `handler` the only one, for every logger of the process."""
    # No line of ours says where in the code it came from: looking for that is half its cost.
    logging._srcfile = None  # pyright: ignore[reportPrivateUsage]
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # uvicorn brings handlers of its own, and its access log repeats our request lines.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"
    # It names the whole address of each request, and some webhooks have their secret in it.
    logging.getLogger("httpx").setLevel(logging.WARNING)
