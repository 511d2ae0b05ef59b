"""What a server said, read from bytes. Pure; bounded by whoever collects the bytes.

Takes what a strict client would not (a body without a length, no HTTP at all), because a server
under attack may say anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, cast

HEAD_MOST: Final = 64 * 1024  # bytes of a head; what is longer is no answer
BODY_MOST: Final = 1024 * 1024  # bytes of a body that are kept
CLOSED, NOT_HTTP = 0, -1  # in place of a status
BODILESS: Final = (204, 304)


@dataclass(frozen=True)
class Answer:
    """One answer. `status` is `CLOSED` where none came; `silent` if the line was open then."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()  # names in lower case
    body: bytes = b""
    interim: tuple[int, ...] = ()  # 1xx that came before
    silent: bool = False

    def all(self, name: str) -> list[str]:
        """The values of a header, given in lower case."""
        return [value for each, value in self.headers if each == name]

    def get(self, name: str) -> str:
        """The first value of a header; empty if there is none."""
        return next(iter(self.all(name)), "")

    @property
    def good(self) -> bool:
        """Whether the server did what was asked."""
        return 200 <= self.status < 300

    @property
    def json(self) -> dict[str, Any]:
        """The body, if it is a JSON object; else an empty one."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def __str__(self) -> str:
        if self.status == CLOSED:
            return "nothing, line open" if self.silent else "nothing, line cut"
        if self.status == NOT_HTTP:
            return "not HTTP"
        code = self.json.get("code")
        return f"{self.status} {code}" if isinstance(code, str) else str(self.status)


def take(buffer: bytearray, *, closed: bool, bodiless: bool, head_only: bool) -> Answer | None:
    """The first answer in `buffer`, which loses it; None while it is not whole.

    `closed`: nothing more comes. `bodiless`: the answer to HEAD. `head_only`: leave the body.
    """
    interim: list[int] = []
    rest = bytes(buffer)
    while True:
        if rest and not b"HTTP/".startswith(rest[:5]):
            return Answer(NOT_HTTP, body=rest[:BODY_MOST], interim=tuple(interim))
        end = rest.find(b"\r\n\r\n")
        if end < 0:
            hopeless = closed or len(rest) > HEAD_MOST
            return Answer(CLOSED, interim=tuple(interim)) if hopeless else None
        status, headers = _head(rest[:end])
        rest = rest[end + 4 :]
        if not 100 <= status < 200 or status == 101:
            break
        interim.append(status)
    if bodiless or head_only or status in (101, *BODILESS):
        body, used = b"", 0
    else:
        found = _body(headers, rest, closed=closed)
        if found is None:
            return None
        body, used = found
    buffer[:] = rest[used:]
    return Answer(status, headers, body[:BODY_MOST], tuple(interim))


def _head(head: bytes) -> tuple[int, tuple[tuple[str, str], ...]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdigit() else 0
    pairs = (line.partition(":") for line in lines)
    return status or NOT_HTTP, tuple((name.lower(), value.strip()) for name, _, value in pairs)


def _body(
    headers: tuple[tuple[str, str], ...], rest: bytes, *, closed: bool
) -> tuple[bytes, int] | None:
    """The body and how many bytes it took; None while it is not whole."""
    known = dict(headers)
    if known.get("transfer-encoding", "").lower() == "chunked":
        found = _chunks(rest)
        whole = found is not None
    elif known.get("content-length", "").isdigit():
        size = int(known["content-length"])
        found, whole = (rest[:size], size), len(rest) >= size
    else:
        found, whole = (rest, len(rest)), closed
    if whole:
        return found
    return (rest, len(rest)) if closed or len(rest) > BODY_MOST else None


def _chunks(rest: bytes) -> tuple[bytes, int] | None:
    parts: list[bytes] = []
    place = 0
    while (end := rest.find(b"\r\n", place)) >= 0:
        try:
            size = int(rest[place:end].partition(b";")[0], 16)
        except ValueError:
            return b"".join(parts), len(rest)
        place = end + 2 + size + 2
        if place > len(rest):
            return None
        if size == 0:
            return b"".join(parts), place
        parts.append(rest[end + 2 : end + 2 + size])
    return None
