"""Images of messages: what is let through to the core, and the files that they may come from.

The core passes over what it can't use in silence: an image that is none becomes a sentence for
the model, a missing file too, and an address of the web is refused (measured). So it is all looked
at here, when the message is taken. What a file holds later is not looked at again.
Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import binascii
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from codex_http_server.auth.fence import Fence
from codex_http_server.errors import (
    FileNotThere,
    FileUnreadable,
    ImageTooLarge,
    Invalid,
    InvalidImage,
    OutsideRoots,
)

IMAGE_MAX: Final = 20 * 1024 * 1024  # bytes of one image
TOTAL_MAX: Final = 50 * 1024 * 1024  # bytes of all images of one message
IMAGES_MAX: Final = 50
HEAD: Final = 16  # bytes that tell what a file is

_DATA: Final = re.compile(r"data:(image/[a-z]+);base64,", re.IGNORECASE)
_HINT: Final = (
    "Send PNG, JPEG, GIF or WebP: as a data: URL, by the upload_id of POST /uploads, or as a"
    " local_image."
)

Part = dict[str, Any]
Find = Callable[[str, str], Path]
"""The file of an upload by its id, and the field that names it. Raises `UploadNotFound`."""


def kind_of(head: bytes) -> str | None:
    """The media type of an image that begins so; None for anything else."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


class Images:
    """The images of one message. Its files may lie in `directory` and `roots`; `first` is how
    many of its parts stand before those of `input`."""

    def __init__(self, directory: str, roots: Sequence[Path], find: Find, first: int) -> None:
        self._directory = directory
        self._roots = roots
        self._find = find
        self._first = first
        self._count = self._bytes = 0

    async def ready(self, parts: Sequence[Part]) -> list[Part]:
        """As `checked`, with the files read in a thread."""
        if all(part["type"] in ("text", "skill", "mention") for part in parts):
            return list(parts)
        return await asyncio.to_thread(self.checked, parts)

    def checked(self, parts: Sequence[Part]) -> list[Part]:
        """The parts as the core is to get them, in their order. Raises `InvalidImage`,
        `ImageTooLarge`, `OutsideRoots`, `UploadNotFound`, `Invalid`."""
        return [
            self._part(part, f"input.{place - self._first}") for place, part in enumerate(parts)
        ]

    def _part(self, part: Part, field: str) -> Part:
        match part["type"]:
            case "image" if "upload_id" in part:
                path = self._find(part["upload_id"], f"{field}.upload_id")
                self._add(path.stat().st_size, f"{field}.upload_id")
                return {"type": "localImage", "path": str(path)}
            case "image":
                self._add(_data(part["url"], f"{field}.url"), f"{field}.url")
            case "localImage":
                path, size = self._file(part["path"], f"{field}.path")
                self._add(size, f"{field}.path")
                return part | {"path": path}
            case _:
                pass
        return part

    def _add(self, size: int, field: str) -> None:
        self._count, self._bytes = self._count + 1, self._bytes + size
        if size > IMAGE_MAX:
            raise too_large(field, f"is larger than {IMAGE_MAX:,} bytes")
        if self._bytes > TOTAL_MAX:
            raise too_large(field, f"brings the message's images over {TOTAL_MAX:,} bytes")
        if self._count > IMAGES_MAX:
            message = f"has more than {IMAGES_MAX} images"
            raise Invalid(f"input {message}.", errors=[{"field": "input", "message": message}])

    def _file(self, given: str, field: str) -> tuple[str, int]:
        """Where the file really is, and its size. Outside nothing is said of it but that."""
        fence = Fence(self._directory, self._roots)
        try:
            with fence.open(given) as file:
                if file.is_directory:
                    raise invalid(field, "is not a file")
                if kind_of(os.read(file.fd, HEAD)) is None:
                    raise invalid(field, "is not a PNG, JPEG, GIF or WebP image")
                return file.path, file.info.st_size
        except OutsideRoots:
            message = "is outside the conversation's working directory and the server's --root"
            raise OutsideRoots(
                f"{field} {message}.",
                hint="Copy the image there, or send it: POST /uploads.",
                errors=[{"field": field, "message": message}],
            ) from None
        except (FileNotThere, FileUnreadable) as error:
            raise invalid(field, f"can't be read: {error.detail.rstrip('.')}") from error
        except OSError as error:
            raise invalid(field, f"can't be read: {error.strerror}") from error


def _data(url: str, field: str) -> int:
    """The size of the image in a data: URL."""
    found = _DATA.match(url)
    if found is None:
        if url[:8].lower().startswith(("http://", "https://")):
            raise invalid(field, "is an address of the web, which the core does not fetch")
        raise invalid(field, "must be a data: URL: data:image/png;base64,…")
    if len(url) > IMAGE_MAX * 4 // 3 + 100:
        raise too_large(field, f"is larger than {IMAGE_MAX:,} bytes")
    try:
        content = binascii.a2b_base64(url[found.end() :], strict_mode=True)
    except ValueError as error:
        raise invalid(field, "is not base64") from error
    if kind_of(content[:HEAD]) != found[1].lower().replace("image/jpg", "image/jpeg"):
        raise invalid(field, f"holds no {found[1]} image")
    return len(content)


def invalid(field: str, message: str) -> InvalidImage:
    """An image that can't be used, and why."""
    return InvalidImage(
        f"{field} {message}.", hint=_HINT, errors=[{"field": field, "message": message}]
    )


def too_large(field: str, message: str) -> ImageTooLarge:
    """An image, or all of them, past a limit."""
    return ImageTooLarge(f"{field} {message}.", errors=[{"field": field, "message": message}])
