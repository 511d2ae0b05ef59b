"""Uploaded images: kept in the data folder until messages no longer need them.

Owns the folder and every file in it; a file's name is its id and its type, its time of change the
moment from which its lifetime counts. Knows no HTTP. All but `in_use` is called in threads.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from codex_http_server.conversations.images import HEAD, kind_of
from codex_http_server.errors import (
    ImageTooLarge,
    UnsupportedImage,
    UploadInUse,
    UploadNotFound,
    UploadsFull,
)
from codex_http_server.records import SubmitRecord

SUFFIXES: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
}
KINDS: Final = {suffix: kind for kind, suffix in SUFFIXES.items()}
COUNT_MAX: Final = 1000
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_ID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class UploadLimits:
    """How large one upload and all together may be, in bytes, and how long one is kept."""

    one: int
    total: int
    seconds: float


@dataclass(frozen=True)
class Upload:
    """One uploaded image."""

    id: str
    path: Path
    media_type: str
    size: int
    expires: float  # seconds since 1970


class Uploads:
    """One for a data folder."""

    def __init__(self, folder: Path, limits: UploadLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._lock = threading.Lock()  # over counting and writing

    def keep(self, content: bytes, media_type: str) -> Upload:
        """Keep an image. Raises `UnsupportedImage`, `ImageTooLarge`, `UploadsFull`."""
        self._check(content, media_type)
        with self._lock:
            self._check_room(len(content))
            try:
                return self._write(content, media_type)
            except OSError as error:
                raise UploadsFull(f"The image can't be stored: {error.strerror}.") from error

    def _check(self, content: bytes, media_type: str) -> None:
        if len(content) > self._limits.one:
            raise ImageTooLarge(f"The image is larger than {self._limits.one:,} bytes.")
        if kind_of(content[:HEAD]) != media_type:
            raise UnsupportedImage(
                f"The body is not an image of the type {media_type}.",
                hint="Send the file as it is: curl --data-binary @shot.png"
                " -H 'Content-Type: image/png'",
            )

    def _check_room(self, more: int) -> None:
        there = list(self._all())
        size = sum(each.size for each in there)
        if len(there) >= COUNT_MAX or size + more > self._limits.total:
            raise UploadsFull(
                f"{len(there):,} uploads with {size:,} bytes are kept already.",
                hint="Delete some: DELETE /uploads/{upload_id}; or wait until they expire.",
            )

    def _write(self, content: bytes, media_type: str) -> Upload:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / f"{secrets.token_hex(16)}.{SUFFIXES[media_type]}"
        part = path.with_suffix(".part")
        try:
            with os.fdopen(os.open(part, _NEW, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        return self._of(path)

    def get(self, upload_id: str) -> Upload:
        """An upload. Raises `UploadNotFound`, also for one that has expired."""
        for suffix in KINDS if _ID.fullmatch(upload_id) else ():
            try:
                found = self._of(self._folder / f"{upload_id}.{suffix}")
            except FileNotFoundError:
                continue
            if found.expires > time.time():
                return found
        raise UploadNotFound("There is no such upload.", hint="It may have expired: send it again.")

    def use(self, upload_id: str, field: str) -> Path:
        """The file for a message that names it in `field`; its lifetime begins anew. Raises
        `UploadNotFound`."""
        try:
            path = self.get(upload_id).path
            os.utime(path)
        except (UploadNotFound, FileNotFoundError):
            message = "names no upload, or one that has expired"
            raise UploadNotFound(
                f"{field} {message}.", errors=[{"field": field, "message": message}]
            ) from None
        return path

    def remove(self, upload_id: str, in_use: Collection[str]) -> None:
        """Delete an upload. Raises `UploadNotFound`, `UploadInUse`."""
        found = self.get(upload_id)
        if str(found.path) in in_use:
            raise UploadInUse("A message that waits needs this upload; take that back first.")
        found.path.unlink(missing_ok=True)

    def sweep(self, in_use: Collection[str]) -> None:
        """Delete what has expired and is not needed, and what an earlier server left half written.
        What is in use is kept for another lifetime."""
        for each in self._all():
            if str(each.path) in in_use:
                os.utime(each.path)
            elif each.expires <= time.time():
                each.path.unlink(missing_ok=True)
        before = time.time() - self._limits.seconds
        for part in self._folder.glob("*.part"):
            if part.stat().st_mtime < before:
                part.unlink(missing_ok=True)

    def _all(self) -> Iterator[Upload]:
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.suffix[1:] in KINDS:
                try:
                    yield self._of(path)
                except FileNotFoundError:  # deleted meanwhile
                    continue

    def _of(self, path: Path) -> Upload:
        info = path.stat()
        media_type = KINDS[path.suffix[1:]]
        expires = info.st_mtime + self._limits.seconds
        return Upload(path.stem, path, media_type, info.st_size, expires)


def in_use(waiting: Iterable[SubmitRecord]) -> set[str]:
    """The files that waiting messages need."""
    return {str(part["path"]) for each in waiting for part in each.message if "path" in part}
