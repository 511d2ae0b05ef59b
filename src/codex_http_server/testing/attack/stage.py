"""What an attack works with: the target, honest requests to make dishonest, and how to judge.

The probe is `POST /conversations` with a directory that does not exist: a server that lets it in
says so (422) and has done nothing. Owns the count of connections.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import Verdict, Who, hole, judged
from codex_http_server.testing.attack.target import Target
from codex_http_server.testing.attack.wire import ANSWER_SECONDS, Line, Unreachable, connect

T = TypeVar("T")

AT_ONCE: Final = 24  # connections that the cases of one attack have open together
LINES_MOST: Final = 6000  # connections of a whole run
QUICK: Final = 2.0  # seconds in which an honest request must be answered, whatever goes on
ALWAYS: Final = frozenset({401, 403, 429})  # refused for who the sender is: as good as any
SAME: Final = "\0"  # in place of a value: the honest one


@dataclass(frozen=True)
class Held:
    """A token that the attacker was given, and what it is for."""

    scopes: frozenset[str]
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Limits:
    """How long the server may take to cut what is slow. `body` None: not waited for."""

    head: float = 15.0
    body: float | None = None
    flood: int = 600  # connections of one attack


class Spent(Exception):
    """The attacks have had all the connections that they may have."""


@dataclass
class Stage:
    """One run against one target. `token` is what the honest requests carry, if anything."""

    target: Target
    who: Who = "caller"
    tokens: tuple[Held, ...] = ()
    token: str = field(default="", repr=False)
    limits: Limits = field(default_factory=Limits)
    public: bool = False  # whether a nobody may see what is for everybody
    marker: str = field(default_factory=lambda: f"codex-attack-{secrets.token_hex(6)}")
    lines: int = 0
    requests: int = 0

    @property
    def driver(self) -> str:
        """The given token that does for honest requests and may the least; empty if none does."""
        fits = [each for each in self.tokens if {"read", "drive"} <= each.scopes]
        return min(fits, key=lambda each: len(each.scopes)).secret if fits else ""

    # --- requests ---------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        *headers: str,
        host: str | None = SAME,
        kind: str | None = None,
        body: bytes | None = None,
        token: str | None = None,
        version: str = "HTTP/1.1",
    ) -> bytes:
        """The bytes of a request: honest but for what is given. Characters are bytes."""
        token = self.token if token is None else token
        name = self.target.host if host == SAME else host
        lines = [f"{method} {path} {version}"]
        lines += [f"Host: {name}"] if name is not None else []
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"Content-Type: {kind}"] if kind is not None else []
        lines += [f"Content-Length: {len(body)}"] if body is not None else []
        head = "\r\n".join([*lines, *headers, "", ""])
        return head.encode("latin-1", "replace") + (body or b"")

    def get(self, path: str, *headers: str, **given: Any) -> bytes:
        """A GET."""
        return self.request("GET", path, *headers, **given)

    def probe(self, *headers: str, **given: Any) -> bytes:
        """The POST that shows whether it was let in."""
        filled: dict[str, Any] = {"kind": "application/json", "body": self.body(), **given}
        return self.request("POST", "/conversations", *headers, **filled)

    def body(self, **more: Any) -> bytes:
        """The JSON of the probe."""
        return json.dumps({"working_directory": f"/{self.marker}"} | more).encode()

    def origin(self, scheme: str = "http") -> str:
        """The honest origin."""
        return f"{scheme}://{self.target.host}"

    # --- connections ------------------------------------------------------------------------

    async def line(self, uid: int | None = None) -> Line:
        """A new connection. Raises `Unreachable`, `Spent`."""
        if self.lines >= LINES_MOST:
            raise Spent
        self.lines += 1
        return await connect(self.target, uid)

    async def ask(
        self,
        data: bytes | Iterable[bytes],
        wait: float = ANSWER_SECONDS,
        *,
        uid: int | None = None,
        head_only: bool = False,
    ) -> Answer:
        """The answer to one request on a connection of its own."""
        self.requests += 1
        try:
            async with await self.line(uid) as line:
                return await line.ask(data, wait, head_only=head_only)
        except Unreachable as error:
            if error.denied and uid is not None:
                return Answer(CLOSED)  # a socket that is not theirs to open
            raise

    async def all(self, cases: Mapping[str, bytes], **given: Any) -> dict[str, Answer]:
        """The answers to many, some at once."""
        answers = await gathered(self.ask(data, **given) for data in cases.values())
        return dict(zip(cases, answers, strict=True))

    async def alive(self) -> Answer | None:
        """None if an honest request is answered as ever; else what came. One who may not call is
        refused as ever, or told that there is no room for such."""
        nobody = self.who == "nobody"
        found = await self.ask(self.get("/conversations" if nobody else "/health"), QUICK)
        fits = refuses(found, 503) if nobody else found.good
        return None if fits else found

    # --- judging ----------------------------------------------------------------------------

    async def refused(self, cases: Mapping[str, bytes], *statuses: int, **given: Any) -> Verdict:
        """Held if each request is refused with one of these statuses, or cut off."""
        return await self.judge(cases, lambda answer: refuses(answer, *statuses), **given)

    async def judge(
        self, cases: Mapping[str, bytes], fits: Callable[[Answer], bool], **given: Any
    ) -> Verdict:
        """Held if each answer fits."""
        answers = await self.all(cases, **given)
        holes = [hole(case, cases[case], it) for case, it in answers.items() if not fits(it)]
        return judged(holes, len(cases))


def refuses(answer: Answer, *statuses: int) -> bool:
    """Whether an answer refuses: with one of these statuses, for who asks, or by a cut line."""
    if answer.status == CLOSED:
        return not answer.silent
    return answer.status in ALWAYS or answer.status in statuses


async def gathered(works: Iterable[Coroutine[Any, Any, T]], at_once: int = AT_ONCE) -> list[T]:
    """The results of all, some of them running at once. The first failure ends the others."""
    room = asyncio.Semaphore(at_once)

    async def one(work: Coroutine[Any, Any, T]) -> T:
        async with room:
            return await work

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(work)) for work in works]
    return [task.result() for task in tasks]
