"""Small images."""

from __future__ import annotations

import base64
import struct
import zlib


def png(tint: int = 0, size: int = 2) -> bytes:
    """A PNG; `tint` makes it another one."""
    rows = b"".join(b"\0" + bytes([200, 9 * y % 256, tint]) * size for y in range(size))
    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + check


PNG = png()
GIF = base64.b64decode("R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=")
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(40)
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(24)


def data_url(content: bytes, kind: str = "image/png") -> str:
    """The image in a URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
