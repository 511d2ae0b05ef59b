"""What the head of a request must not be, before anything looks at it. Pure.

The parser (llhttp, in strict mode) refuses most of what two readers could understand in two ways:
two lengths, a length beside a transfer coding, folded lines, control characters, lines without
CR (tests/unit/test_heads.py lists them all). Here is the rest, and the limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from codex_http_server.errors import BadRequest, HeadersTooLarge, ServerError, TargetTooLong

TARGET: Final = 16 * 1024  # bytes of path and query
HEADERS: Final = 100
HEADER_BYTES: Final = 64 * 1024  # names and values together
VERSIONS: Final = ("1.0", "1.1")
ONCE: Final = (b"host", b"origin", b"authorization", b"content-type", b"idempotency-key")
"""Whoever reads the first of two would see another request than whoever reads the last."""

Header = tuple[bytes, bytes]


def target_fault(target: bytes) -> ServerError | None:
    """What is wrong with as much of the target as has come."""
    if len(target) > TARGET:
        return TargetTooLong(f"Path and query of a request may have {TARGET:,} bytes.")
    return None


def size_fault(headers: Sequence[Header], size: int) -> ServerError | None:
    """Whether these are too many headers; `size` is the sum of their bytes."""
    if len(headers) > HEADERS or size > HEADER_BYTES:
        return headers_too_large()
    return None


def headers_too_large() -> ServerError:
    """The refusal of too many headers, or of too long ones."""
    return HeadersTooLarge(
        f"A request may have {HEADERS} headers and {HEADER_BYTES:,} bytes of them."
    )


def head_fault(
    version: str, target: bytes, headers: Sequence[Header], *, upgrade: bool
) -> ServerError | None:
    """What is wrong with a whole head (names in lower case). `upgrade`: the parser took it for
    one that asks for another protocol, and does not read its body."""
    seen = Counter(name for name, _ in headers)
    if version not in VERSIONS:
        return BadRequest(f"HTTP/{version} is not spoken here; HTTP/1.1 is.")
    if not target.startswith(b"/"):
        return BadRequest("The address of a request must begin with a slash: no proxy is here.")
    for name in ONCE:
        if seen[name] > 1:
            return BadRequest(f"The header {name.decode()} came more than once.")
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (version == "1.0" or codings[0].strip().lower() != b"chunked"):
        return BadRequest("The only Transfer-Encoding understood is chunked, in HTTP/1.1.")
    if upgrade and (codings or seen[b"content-length"]):
        return BadRequest("A request that asks for an Upgrade can't have a body here.")
    return None
