"""Files of a conversation: a part of one, a page of a directory, names that fit.

Bounded in memory however large a file or a directory is; `AT_ONCE` of them are looked at together.
What may be read is the fence's to say (auth/fence.py). Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import heapq
import os
import stat
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codex_http_server.auth.fence import Fence, Opened, printable
from codex_http_server.clock import rfc3339
from codex_http_server.errors import BadCursor, FileUnreadable, ServerError

Json = dict[str, Any]
Find = Callable[[str, str], Awaitable[list[Json]]]
"""The core's search: a directory and a part of a name. Raises what requests to the core raise."""

AT_ONCE: Final = 2
BYTES_DEFAULT, BYTES_MAX = 256 * 1024, 1024 * 1024  # of a file in one answer
ENTRIES_DEFAULT, ENTRIES_MAX = 200, 1000  # of a directory in one answer
FOUND_MOST: Final = 50  # names in an answer of the core's search (measured)
UNKNOWN: Final = "\ufffd"
CHARACTER: Final = 4  # bytes of the longest one


@dataclass(frozen=True)
class Part:
    """Which part is wanted: `offset` and `limit` in bytes of a file; of a directory at most
    `limit` entries, after `cursor`. `raw`: base64 in any case."""

    offset: int = 0
    limit: int | None = None
    cursor: str | None = None
    raw: bool = False


class Files:
    """Reads for callers. `roots` may be read besides the working directory, `secrets` never."""

    def __init__(self, roots: Sequence[Path], secrets: Sequence[Path], find: Find) -> None:
        self._roots = roots
        self._secrets = secrets
        self._find = find
        self._room = asyncio.Semaphore(AT_ONCE)

    async def look(self, directory: str, path: str, part: Part) -> Json:
        """A part of the file or directory at `path`. Raises as `Fence.open`, and `BadCursor`."""
        async with self._room:
            return await asyncio.to_thread(self._look, directory, path, part)

    async def search(self, directory: str, query: str) -> tuple[list[Json], bool]:
        """Files and directories whose path fits, the best first; and whether there may be more.

        Raises as `Fence.open` for the directory, and what requests to the core raise. The core
        follows links to anywhere and takes a pipe for a file (measured): of what it finds only
        what could be read is shown.
        """
        async with self._room:
            await asyncio.to_thread(self._enter, directory)
        found = await self._find(directory, query)
        async with self._room:
            return await asyncio.to_thread(self._readable, directory, found)

    # --- in a thread ------------------------------------------------------------------------

    def _fence(self, directory: str) -> Fence:
        return Fence(directory, self._roots, self._secrets)

    def _look(self, directory: str, path: str, part: Part) -> Json:
        fence = self._fence(directory)
        with fence.open(path) as opened:
            shown = fence.shown(opened.path)
            about: Json = {
                "type": "directory" if opened.is_directory else "file",
                "path": shown,
                "modified_at": rfc3339(opened.info.st_mtime_ns // 1_000_000),
            }
            try:
                if opened.is_directory:
                    return about | _entries(opened, part, shown)
                return about | _content(opened, part)
            except OSError as error:
                raise FileUnreadable(f"{path[:300]!r} can't be read: {error.strerror}.") from error

    def _enter(self, directory: str) -> None:
        with self._fence(directory).open("."):
            pass

    def _readable(self, directory: str, found: Sequence[Json]) -> tuple[list[Json], bool]:
        fence = self._fence(directory)
        seen: set[str] = set()
        data: list[Json] = []
        for each in found:
            try:
                with fence.open(each["path"]) as opened:
                    if opened.path not in seen:
                        data.append(_hit(each, opened))
                    seen.add(opened.path)
            except ServerError:  # outside, secret, a pipe, gone: not for this caller
                continue
        return data, len(found) >= FOUND_MOST


def _hit(found: Json, opened: Opened) -> Json:
    return {
        "path": found["path"],
        "name": found["file_name"],
        "type": "directory" if opened.is_directory else "file",
        "score": found["score"],
        "indices": found.get("indices") or [],
    }


# --- a file ---------------------------------------------------------------------------------


def _content(opened: Opened, part: Part) -> Json:
    limit = min(part.limit or BYTES_DEFAULT, BYTES_MAX)
    data = _read(opened, part.offset, limit + 1)
    more = len(data) > limit
    data = data[:limit]
    text = None if part.raw else _text(data, more=more)
    if text is not None:
        data = text.encode()
    end = part.offset + len(data)
    return {
        "size": opened.info.st_size,
        "offset": part.offset,
        "encoding": "base64" if text is None else "utf-8",
        "content": base64.b64encode(data).decode() if text is None else text,
        "truncated": more,
        "next_offset": end if more else None,
    }


def _read(opened: Opened, offset: int, limit: int) -> bytes:
    if offset and offset >= opened.info.st_size:  # the system refuses a place far behind the end
        return b""
    os.lseek(opened.fd, offset, os.SEEK_SET)
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(opened.fd, limit)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)


def _text(data: bytes, *, more: bool) -> str | None:
    """The bytes as text, without a character that is cut off at their end; None if they are
    none."""
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        cut = more and error.start > 0 and error.end == len(data) < error.start + CHARACTER
        return data[: error.start].decode() if cut else None


# --- a directory ----------------------------------------------------------------------------


def _entries(opened: Opened, part: Part, folder: str) -> Json:
    limit = min(part.limit or ENTRIES_DEFAULT, ENTRIES_MAX)
    after = _name_of(part.cursor)
    names = heapq.nsmallest(limit + 1, (name for name in _names(opened) if name > after))
    page = names[:limit]
    entries = (_entry(opened, name, folder) for name in page)
    return {
        "data": [each for each in entries if each is not None],
        "next_cursor": _cursor(page[-1]) if len(names) > limit else None,
    }


def _names(opened: Opened) -> Iterator[bytes]:
    with os.scandir(opened.fd) as found:
        for each in found:
            yield os.fsencode(each.name)


def _entry(opened: Opened, name: bytes, folder: str) -> Json | None:
    try:
        info = os.stat(name, dir_fd=opened.fd, follow_symlinks=False)
    except FileNotFoundError:
        return None
    shown = printable(os.fsdecode(name))
    known = shown.encode() == name and UNKNOWN not in folder  # else no request can name it
    return {
        "name": shown,
        "path": str(Path(folder) / shown) if known else None,
        "type": _type(info),
        "size": info.st_size if stat.S_ISREG(info.st_mode) else None,
        "modified_at": rfc3339(info.st_mtime_ns // 1_000_000),
    }


def _type(info: os.stat_result) -> str:
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(info.st_mode), "other")


def _cursor(name: bytes) -> str:
    return base64.urlsafe_b64encode(name).decode()


def _name_of(cursor: str | None) -> bytes:
    try:
        return base64.b64decode(cursor or "", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursor(f"{(cursor or '')[:80]!r} is not a cursor of a directory.") from None
