"""The scripted model of the chaos test: what it says is marked, so that it can be found again.

Each answer depends on the seed, on the message and on how often it was asked about it, and on
nothing else. Every word carries the mark of its answer and its number in it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from codex_http_server.testing.answers import (
    Command,
    Drop,
    Fail,
    Failed,
    Gate,
    Part,
    Pause,
    Reasoning,
    Silence,
    Step,
    Text,
)
from codex_http_server.testing.requests import ModelRequest, is_user_message, message_text

MOST: Final = 40  # words of an answer


@dataclass(frozen=True)
class Said:
    """One text of the model. `whole` if its end, and that of its response, was to be sent."""

    message: str
    words: tuple[str, ...]
    whole: bool
    request: ModelRequest

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.words)


class Model:
    """The script of the provider, and its memory."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self.said: dict[str, Said] = {}
        self.by_message: dict[str, list[Said]] = {}
        self.faults: list[str] = []
        self.kinds: Counter[str] = Counter()

    def script(self, request: ModelRequest) -> Sequence[Step]:
        """Answer one request."""
        message = request.user_text
        self._look(request)
        self._asked[message] += 1
        mark = f"{message}-{self._asked[message]}"
        dice = random.Random(f"{self._seed}/{mark}")
        words = tuple(f"{mark}.{number}" for number in range(dice.randrange(1, MOST)))
        kind, steps = _answer(dice, _paced(dice, words), bool(request.results))
        said = Said(message, words, kind in ("text", "slow", "command", "background"), request)
        self.said[mark] = said
        self.by_message.setdefault(message, []).append(said)
        self.kinds[kind] += 1
        return steps

    def _look(self, request: ModelRequest) -> None:
        """No message may stand twice in what the core sends."""
        texts = Counter(message_text(item) for item in request.input if is_user_message(item))
        twice = [text for text, count in texts.items() if count > 1]
        if twice:
            self.faults.append(f"the model got these messages twice in one thread: {twice}")


def _paced(dice: random.Random, words: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    for number, word in enumerate(words):
        parts.append(f" {word}" if number else word)
        if dice.random() < 0.15:
            parts.append(Pause(dice.uniform(0.01, 0.2)))
    return parts


def _answer(dice: random.Random, parts: list[Part], answered: bool) -> tuple[str, Sequence[Step]]:
    """What happens in one response; `answered` once the model has called a tool."""
    middle = parts[: dice.randrange(len(parts)) + 1]
    seconds = round(dice.uniform(0.1, 1.0), 2)
    named: list[tuple[float, str, Sequence[Step]]] = [
        (0.04, "http 500", [Fail(500)]),
        (0.03, "failed", [Text([*middle, Failed("server_error", "scripted")])]),
        (0.07, "drop", [Text([*middle, Drop()])]),
        (0.02, "silence", [Text([*middle, Silence(Gate())])]),
        (
            0.08,
            "slow",
            [Pause(seconds), Text([*middle, Pause(2 * seconds), *parts[len(middle) :]])],
        ),
    ]
    if not answered:
        command = f"echo begin; sleep {seconds}; echo end"
        named += [
            (0.25, "command", [Reasoning("hm"), Text(parts), Command(command)]),
            (0.10, "background", [Text(parts), Command(command, yield_ms=250)]),
        ]
    roll = dice.random()
    for share, kind, steps in named:
        roll -= share
        if roll < 0:
            return kind, steps
    return "text", [Text(parts)]
