"""Chaos, in short: many turns while core and server are killed at random moments.

The seed is printed; CHAOS_SEED=<n> plays the same choices again, CHAOS_ROUNDS makes it longer.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import httpx
import pytest

from codex_http_server.testing.answers import Command, Drop, Fail, Pause, Reasoning, Step, Text
from codex_http_server.testing.provider import Script
from codex_http_server.testing.reader import Event, Reader
from codex_http_server.testing.requests import ModelRequest
from tests.support.commands import until
from tests.support.judge import check_reader, check_whole
from tests.support.server import Server, Site, start

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "6"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(1, 10**6)
CONVERSATIONS = 3


class Story:
    """One conversation and what a reader, who is cut off again and again, has seen of it."""

    def __init__(self, server: Server) -> None:
        self.id = server.conversation()
        self.seen: list[Event] = []
        self.reader: Reader | None = None

    def watch(self, server: Server) -> None:
        """Go on reading where the last connection ended."""
        self.leave()
        last = str(self.seen[-1]["seq"]) if self.seen else None
        self.reader = server.read(self.id, last_event_id=last)

    def leave(self) -> None:
        """Cut the connection; what came is kept."""
        if self.reader is not None:
            self.reader.close()
            self.seen += [event for event in self.reader.events if "seq" in event]
            self.reader = None

    def is_quiet(self, server: Server) -> bool:
        """Nothing runs and nothing waits."""
        snapshot = server.get(f"/conversations/{self.id}?include=snapshot")
        idle = snapshot["conversation"]["status"] == "idle"
        return idle and not snapshot["queue"] and not snapshot["open_items"]


def model(dice: random.Random) -> Script:
    """A model that talks, thinks, runs commands, and sometimes fails."""

    def script(request: ModelRequest) -> Sequence[Step]:
        words: list[str | Pause | Drop] = []
        for number in range(dice.randrange(1, 60)):
            words.append(f"w{number} ")
            if dice.random() < 0.1:
                words.append(Pause(0.02))
        kind = dice.random()
        if kind < 0.08:
            return [Fail(500)]
        if kind < 0.2:
            return [Text([*words, Drop()])]
        if kind < 0.5 and not request.results:
            return [Reasoning("hm"), Text(words), Command(f"echo x; sleep {dice.random() / 3}")]
        return [Text(words)]

    return script


def disturb(dice: random.Random, server: Server, stories: list[Story]) -> None:
    """Something that a client or a user might do at any moment."""
    story = dice.choice(stories)
    path = f"/conversations/{story.id}"
    match dice.choice(["send", "send", "send", "steer", "interrupt", "leave", "key"]):
        case "send":
            server.client.post(f"{path}/messages", json={"message": "go"})
        case "steer":
            server.client.post(f"{path}/messages", json={"message": "go", "while_busy": "steer"})
        case "interrupt":
            server.client.post(f"{path}/interrupt")
        case "key":
            body, key = {"message": "once"}, {"Idempotency-Key": f"k{dice.randrange(9)}"}
            server.client.post(f"{path}/messages", json=body, headers=key)
        case _:
            story.watch(server)


def play(dice: random.Random, server: Server, stories: list[Story]) -> None:
    """One life of a server: a few disturbances, perhaps the death of its core in between."""
    for _ in range(dice.randrange(4, 12)):
        try:
            disturb(dice, server, stories)
            if dice.random() < 0.15:
                server.core().kill()
        except (httpx.HTTPError, AssertionError):
            continue  # no core at the moment, or it died under the request


def live(dice: random.Random, site: Site, stories: list[Story], number: int) -> None:
    """One life of a server: ended in order, or killed."""
    with start(site) as server:
        while len(stories) < CONVERSATIONS:
            stories.append(Story(server))
        for story in stories:
            story.watch(server)
        play(dice, server, stories)
        if number % 2 == 0:
            server.kill()
        for story in stories:
            story.leave()


def settle(server: Server, story: Story) -> None:
    """Wait until nothing runs; then everything that happened must be there, and once."""
    story.watch(server)
    try:
        until(lambda: story.is_quiet(server), "the conversation is quiet", 60)
    except AssertionError:
        print(server.get(f"/conversations/{story.id}?include=snapshot"))
        raise
    head = server.get(f"/conversations/{story.id}/events?after=latest")["head"]
    assert story.reader is not None
    if not story.seen or story.seen[-1]["seq"] < head:
        story.reader.wait(lambda e: e.get("seq", 0) >= head)
    story.leave()
    log = server.events(story.id)
    check_whole(log)
    check_reader(story.seen, log)


@pytest.mark.timeout(600)
def test_whatever_dies_every_turn_ends_once_and_every_reader_is_right(site: Site) -> None:
    print(f"CHAOS_SEED={SEED}")
    dice = random.Random(SEED)
    site.configure(sandbox_mode="workspace-write", request_max_retries=0, stream_max_retries=1)
    site.provider.script = model(random.Random(SEED + 1))
    stories: list[Story] = []
    for number in range(ROUNDS):
        live(dice, site, stories, number)
    with start(site) as server:
        server.wait_ready()
        for story in stories:
            settle(server, story)
