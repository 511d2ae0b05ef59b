"""The conversations of the test and the clients that watch them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from codex_http_server.testing.reader import Event
from tests.support.chaos.watchers import Poller, Stalled, Stream, Watcher
from tests.support.chaos.wire import Address, call
from tests.support.chaos.world import World


class Talk:
    """One conversation with a reader of each kind, and those who joined later."""

    def __init__(self, address: Address, conversation: str) -> None:
        self.id = conversation
        self._address = address
        path = f"/conversations/{conversation}/events"
        self.stream, self.poller = Stream(address, path), Poller(address, path)
        self.joined: list[tuple[int, Stream]] = []

    @property
    def readers(self) -> list[tuple[int, Watcher]]:
        """Every reader and the seq after which it began."""
        return [(0, self.stream), (0, self.poller), *self.joined]

    def join(self, seq: int) -> None:
        """One more reader, on from a snapshot."""
        if len(self.joined) < 3:
            path = f"/conversations/{self.id}/events"
            self.joined.append((seq, Stream(self._address, path, str(seq))))

    def end(self) -> None:
        """End the readers."""
        for _, reader in self.readers:
            reader.end()


class Talks:
    """Those that are held at the moment, the stream of everything, and stalled sockets."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.all: list[Talk] = []
        self.retired: list[str] = []
        self.stalled: list[Stalled] = []
        self.everything = Stream(world.address, "/events")

    def renew(self, count: int, fresh: int) -> None:
        """Retire the oldest and begin new ones, `count` in all."""
        assert self._world.server is not None
        while len(self.all) > count - fresh:
            talk = self.all.pop(0)
            talk.end()
            self.retired.append(talk.id)
        while len(self.all) < count:
            self.all.append(Talk(self._world.address, self._world.server.conversation()))

    def forget(self) -> None:
        """Drop what is known of retired ones, and readers that joined. Only when all is quiet."""
        self.everything.forget(self.retired)
        self._world.office.forget(set(self.retired))
        for talk in self.all:
            for _, reader in talk.joined:
                reader.end()
            talk.joined.clear()

    def watchers(self) -> list[Watcher]:
        """All readers."""
        return [self.everything, *(r for talk in self.all for _, r in talk.readers)]

    def stall(self, dice: random.Random) -> None:
        """A socket that is never read; old ones go."""
        if self._world.address.url is not None:
            path = dice.choice(["/events", f"/conversations/{dice.choice(self.all).id}/events"])
            self.stalled.append(Stalled(self._world.address.url, path))
        while len(self.stalled) > 20:
            self.stalled.pop(0).end()

    def snapshot(self, talk: Talk) -> Any:
        """What a first paint gets; None while the log can't be written."""
        assert self._world.address.url is not None
        path = f"/conversations/{talk.id}?include=snapshot"
        status, body = call(self._world.address.url, "GET", path)
        assert status in (200, 507), f"{status}: {body}"
        return body if status == 200 else None

    def is_quiet(self, talk: Talk) -> bool:
        """Nothing runs and nothing waits."""
        body = self.snapshot(talk)
        if body is None:
            return False
        idle = body["conversation"]["status"] == "idle"
        return idle and not body["queue"] and not body["open_items"]

    def end(self) -> None:
        """End all clients."""
        for watcher in self.watchers():
            watcher.end()
        for each in self.stalled:
            each.end()


def of(events: Sequence[Event], conversation: str) -> list[Event]:
    """The events of one conversation."""
    return [event for event in events if event.get("conversation_id") == conversation]
