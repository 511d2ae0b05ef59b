"""What a careful client knows of one conversation: what it sent, what became of it, who reads."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.anyorder.stage import Stage
from tests.support.chaos.letters import Letter
from tests.support.chaos.watchers import Poller, Stream, Watcher


@dataclass
class Known:
    """One conversation, its letters and its readers."""

    id: str
    stage: Stage
    letters: list[Letter] = field(default_factory=list[Letter])
    retries: set[str] = field(default_factory=set[str])  # submit ids of retries
    changed: dict[str, str] = field(default_factory=dict[str, str])  # old text: new text
    readers: list[tuple[int, Watcher]] = field(default_factory=list[tuple[int, Watcher]])

    def __post_init__(self) -> None:
        path = f"{self.path}/events"
        self.readers.append((0, Stream(self.stage.address, path)))
        self.readers.append((0, Poller(self.stage.address, path)))

    @property
    def path(self) -> str:
        """Its route."""
        return f"/conversations/{self.id}"

    def join(self, seq: int) -> None:
        """One more reader, on from a seq."""
        address = self.stage.address
        self.readers.append((seq, Stream(address, f"{self.path}/events", str(seq))))

    def letter(self, submit_id: str) -> Letter | None:
        """What was sent under this id."""
        return next(
            (x for x in self.letters if (x.answer or {}).get("submit_id") == submit_id), None
        )

    def end(self) -> None:
        """End the readers."""
        for _, reader in self.readers:
            reader.end()
