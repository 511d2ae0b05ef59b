"""Things that there are, for generated requests: a made-up id leads no further than to 404.

Owns what a name (`turn_id`, `working_directory`, …) may stand for on a server, and what the model
says to make it so. Knows neither the operations nor how requests are made up.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from functools import cache
from typing import Any, Final

from codex_http_server.testing.answers import Command, Gate, Step, Text
from codex_http_server.testing.requests import ModelRequest
from tests.support.access import make_token, token_file
from tests.support.approvals import command
from tests.support.images import PNG
from tests.support.server import Server

Make = Callable[[], Any]

WORD: Final = "Yes."
WORK, ASK, LINGER = "do something", "ask me", "take your time"  # what the model is told
WAITING: Final = 3  # messages in a queue
PAST: Final = frozenset({"turn_id", "item_id", "at_turn_id"})  # of a conversation with a past


class Things:
    """What there is on one server, for one test after the other. The model says one word, but
    where something is to be made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._gate = Gate()
        self._numbers = itertools.count(1)
        server.site.provider.script = self._model
        self._worked = server.conversation()
        turn_id = server.run(self._worked, WORK)["turn_id"]
        items = server.get(f"/conversations/{self._worked}/items")["data"]
        ran = next(each for each in items if each["item_type"] == "commandExecution")
        self._lasting: dict[str, Any] = {
            "turn_id": turn_id,
            "at_turn_id": turn_id,
            "item_id": ran["item_id"],
            "working_directory": str(server.site.project),
            "decision": "decline",
        }

    def named(self, names: Collection[str], *, reads: bool, ends: bool) -> dict[str, Make]:
        """Name → what makes something that it may stand for, where there is such a thing. `reads`:
        requests change nothing. `ends`: they use up what they name, so each gets its own."""
        makers: dict[str, Make] = {name: _always(it) for name, it in self._lasting.items()}
        makers |= {"upload_id": self._upload, "name": self._token}
        makers |= self._conversation(names, reads=reads)
        wanted = {name: make for name, make in makers.items() if name in names}
        return wanted if ends else {name: cache(make) for name, make in wanted.items()}

    def done(self) -> None:
        """The end of a test: what waits goes on."""
        self._gate.open()
        self._gate = Gate()

    def _conversation(self, names: Collection[str], *, reads: bool) -> dict[str, Make]:
        if "submit_id" in names:
            here = self._server.conversation()
            return {"conversation_id": _always(here), "submit_id": _always(self._wait_in(here))}
        if "approval_id" in names:
            here = self._server.conversation()
            return {"conversation_id": _always(here), "approval_id": _always(self._ask_in(here))}
        if "before_turn_id" in names:
            here = self._server.conversation()
            turn_id = self._server.run(here)["turn_id"]
            return {"conversation_id": _always(here), "before_turn_id": _always(turn_id)}
        if reads or PAST & set(names):
            return {"conversation_id": _always(self._worked)}
        return {"conversation_id": self._server.conversation}

    def _wait_in(self, conversation_id: str) -> str:
        """Have messages wait behind a turn; the id of one."""
        self._server.send(conversation_id, LINGER)
        sent = [self._server.send(conversation_id) for _ in range(WAITING)]
        return sent[-1]["submit_id"]

    def _ask_in(self, conversation_id: str) -> str:
        with self._server.read(conversation_id) as reader:
            self._server.send(conversation_id, ASK)
            return reader.wait_type("approval/requested")["data"]["approval_id"]

    def _upload(self) -> str:
        answer = self._server.client.post(
            "/uploads", content=PNG, headers={"Content-Type": "image/png"}
        )
        return answer.json()["upload_id"]

    def _token(self) -> str:
        name = f"made-up-{next(self._numbers)}"
        make_token(token_file(self._server.site), name)
        return name

    def _model(self, request: ModelRequest) -> list[Step]:
        if request.results:
            return [Text(WORD)]
        match request.user_text:
            case t if t == WORK:
                return [Command("echo seen")]
            case t if t == ASK:
                return [command(self._server.site)]
            case t if t == LINGER:
                return [Text([WORD, self._gate])]
        return [Text(WORD)]


def _always(it: Any) -> Make:
    return lambda: it
