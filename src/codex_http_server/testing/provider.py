"""The scripted model provider: an HTTP server on loopback that speaks the Responses API.

It runs in a thread of its own with its own event loop, so tests of any kind can use it with a
plain `with`. It answers `POST /v1/responses` and `GET /v1/models`; other paths get 404 and are
kept in `Provider.other_calls`.
"""

import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codex_http_server.testing.answers import Fail, Step
from codex_http_server.testing.core_config import Setting, core_config
from codex_http_server.testing.requests import ModelRequest, decode
from codex_http_server.testing.responses import error_body, frames, http_error, http_headers
from codex_http_server.testing.serving import Serving
from codex_http_server.testing.streaming import EventStream

Script: TypeAlias = Callable[[ModelRequest], Sequence[Step]]
Authorise: TypeAlias = Callable[[Mapping[str, str]], int | None]


class Answers:
    """The queue of answers: one entry is one response of the model, first come first served."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Step, ...]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def expect(self, *steps: Step) -> None:
        """Queue what the next response without an answer is made of. Any thread may call it."""
        self._waiting.append(steps)

    def take(self) -> tuple[Step, ...] | None:
        """The oldest answer, which leaves the queue; None if there is none."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


class Provider:
    """A model that does what `answers`, and when that is empty `script`, tells it.

    `script` is called in the server's thread, so it must not block. When there is nothing to
    answer, or the script raises, the core gets a 400, which it does not try again, and the
    reason stands in `failures`. Of the requests the last `keep` are remembered.

    `authorise` looks at the headers of each request; a status that it gives is the answer, and
    the request stands in `refused` instead of `requests`.
    """

    def __init__(
        self,
        script: Script | None = None,
        keep: int = 1000,
        authorise: Authorise | None = None,
    ) -> None:
        self.script = script
        self.authorise = authorise
        self.refused: list[ModelRequest] = []
        self.answers = Answers()
        self.requests: list[ModelRequest] = []
        self.other_calls: list[str] = []
        self.failures: list[str] = []
        self._keep = keep
        self._count = 0
        self._came = threading.Condition()
        self._serving = Serving(self._routes(), "scripted-provider")
        # Ids stay unique when a core's home outlives this provider.
        self._tags = map(f"{secrets.token_hex(3)}_{{}}".format, itertools.count(1))

    @property
    def url(self) -> str:
        """The base of the API, …/v1."""
        return self._serving.url + "/v1"

    def __enter__(self) -> Self:
        """Listen on a free port of 127.0.0.1; returns once requests are answered."""
        self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Cut all streams and end the thread; RuntimeError if that takes more than 2 s."""
        self._serving.close()

    def expect(self, *steps: Step) -> None:
        """Short for `answers.expect`."""
        self.answers.expect(*steps)

    def forget(self) -> None:
        """Be as new: nothing was asked, and nothing is told. The caller knows that no turn runs."""
        with self._came:
            self._count = 0
            for kept in (self.requests, self.refused, self.other_calls, self.failures):
                kept.clear()
        self.answers, self.script = Answers(), None

    def config(self, **overrides: Setting) -> str:
        """The config.toml that points a core here; see `core_config` for what may be replaced."""
        return core_config(self.url, overrides)

    def wait_request(self, count: int, timeout: float = 10.0) -> ModelRequest:
        """The request number `count` (from 1), once it came; TimeoutError after `timeout` s.

        LookupError if it is so old that it was forgotten.
        """
        with self._came:
            if not self._came.wait_for(lambda: self._count >= count, timeout):
                raise TimeoutError(f"{self._count} of {count} requests came within {timeout} s")
            place = count - 1 - (self._count - len(self.requests))
            if place < 0:
                raise LookupError(f"request {count} was forgotten: only {self._keep} are kept")
            return self.requests[place]

    def _routes(self) -> list[Route]:
        return [
            Route("/v1/responses", self._respond, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/{path:path}", self._unknown, methods=["GET", "POST", "PUT", "DELETE"]),
        ]

    async def _respond(self, request: Request) -> Response | EventStream:
        try:
            asked = decode(dict(request.headers), await request.body())
        except ValueError as error:
            return _error(self._fail(str(error)))
        status = None if self.authorise is None else self.authorise(asked.headers)
        if status is not None:
            self.refused.append(asked)
            return _error(Fail(status))
        self._record(asked)
        steps = self._answer(asked)
        error = http_error(steps)
        if error is not None:
            return _error(error)
        parts = frames(steps, next(self._tags))
        return EventStream(parts, http_headers(steps), asked, self._serving.closing, self.failures)

    def _record(self, asked: ModelRequest) -> None:
        with self._came:
            self.requests.append(asked)
            del self.requests[: -self._keep]
            self._count += 1
            self._came.notify_all()

    def _answer(self, asked: ModelRequest) -> Sequence[Step]:
        queued = self.answers.take()
        if queued is not None:
            return queued
        if self.script is None:
            return [self._fail("no answer was expected for: " + asked.user_text[:200])]
        try:
            return self.script(asked)
        except Exception as error:  # noqa: BLE001
            # A fault in a test's script must show in that test, not as retries of the core.
            return [self._fail(f"the script raised {error!r}")]

    def _fail(self, reason: str) -> Fail:
        self.failures.append(reason)
        return Fail(400, {"error": {"message": reason}})

    async def _unknown(self, request: Request) -> Response:
        self.other_calls.append(f"{request.method} {request.url.path}")
        return JSONResponse({"error": {"message": "not found"}}, 404)


def _error(error: Fail) -> Response:
    headers = {"content-type": "application/json", **error.headers}
    return Response(error_body(error), error.status, headers)


async def _models(_: Request) -> Response:
    model = {"id": "gpt-5.5", "object": "model", "owned_by": "scripted"}
    # `models` is what the core reads: empty, so that it keeps the catalog it was built with.
    return JSONResponse({"object": "list", "data": [model], "models": []})
