"""Lines of a long answer, wherever the pieces were cut. Sans-I/O."""

from __future__ import annotations

from collections.abc import Iterator


class Lines:
    """Collects pieces into lines, which `\\n` alone ends; holds no more than one line."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[str]:
        """The lines that this piece ends, without their ends."""
        *ended, rest = piece.split(b"\n")
        for line in ended:
            self._held.append(line)
            yield self._take()
        if rest:
            self._held.append(rest)

    def end(self) -> Iterator[str]:
        """The last line, if nothing has ended it."""
        if self._held:
            yield self._take()

    def _take(self) -> str:
        whole, self._held = b"".join(self._held), []
        return whole.decode()
