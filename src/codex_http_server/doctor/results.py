"""What a check found, as a value. Pure.

Owns the words of a status, the shape of `--json` and the last look for secrets: whatever a check
found passes `clean` before anyone sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from codex_http_server.logs import REDACTED, redact_text

Status = Literal["ok", "warn", "fail", "skip"]
STATUSES: Final[tuple[Status, ...]] = ("ok", "warn", "fail", "skip")
_USERINFO: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")


@dataclass(frozen=True)
class Result:
    """What one check found; `advice` is what to do about it."""

    id: str
    status: Status
    found: str
    advice: str | None = None


def ok(id: str, found: str) -> Result:  # noqa: A002 # as the field is called
    """Nothing to do."""
    return Result(id, "ok", found)


def warn(id: str, found: str, advice: str) -> Result:  # noqa: A002
    """The server works, but look at it."""
    return Result(id, "warn", found, advice)


def fail(id: str, found: str, advice: str) -> Result:  # noqa: A002
    """The server can't start, or its turns will fail."""
    return Result(id, "fail", found, advice)


def skip(id: str, found: str) -> Result:  # noqa: A002
    """Not looked at, and why."""
    return Result(id, "skip", found)


def worst(results: Sequence[Result]) -> Result:
    """Several findings of one check as one: the worst status, all that was found."""
    order: tuple[Status, ...] = ("skip", "ok", "warn", "fail")
    status = order[max(order.index(each.status) for each in results)]
    found = "; ".join(each.found.rstrip(".") for each in results)
    advice = " ".join(each.advice for each in results if each.advice)
    return Result(results[0].id, status, found, advice or None)


def clean(result: Result) -> Result:
    """The same without anything that looks like a secret."""
    advice = result.advice and _clean(result.advice)
    return replace(result, found=_clean(result.found), advice=advice)


def _clean(text: str) -> str:
    return redact_text(_USERINFO.sub(REDACTED, text))


def bare(url: str) -> str:
    """A URL to show: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "a URL that can't be read"
    return f"{parts.scheme}://{host}{port}{parts.path}"


def report(version: str, home: str, results: Iterable[Result]) -> dict[str, Any]:
    """The object that `--json` prints. Fields are only ever added to it."""
    checks = [asdict(each) for each in results]
    counts = {status: sum(each["status"] == status for each in checks) for status in STATUSES}
    return {
        "version": version,
        "codex_home": home,
        "ok": not counts["fail"],
        "counts": counts,
        "checks": checks,
    }
