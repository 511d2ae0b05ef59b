"""Headers that every answer carries, whoever makes it.

What we answer is ours to read: no type may be guessed from it, no other site may load it as a
script, an image or a frame of its own (a `fetch` of a configured origin is asked by CORS, and is
not meant), and the address of a page of ours is told to nobody.
"""

from __future__ import annotations

from typing import Final

REQUEST_ID: Final = "X-Request-Id"
EVERYWHERE: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
