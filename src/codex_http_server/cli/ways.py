"""Two ways to the login of a Codex home: the server that runs on it, or a core of our own.

Both do the same things with the same code behind them (`accounts/`); only one program may hold a
home, so a core of our own is only for a home that no server runs on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.client import HTTPException
from typing import Any, Final, Protocol

from codex_http_server.accounts.accounts import Accounts
from codex_http_server.accounts.logins import Logins, Method
from codex_http_server.doctor.case import Local
from codex_http_server.engine.base import CoreState, Question
from codex_http_server.engine.codex import CodexEngine
from codex_http_server.engine.launch import CoreOptions
from codex_http_server.engine.lock import ServerLock, read_json
from codex_http_server.engine.process import find_core
from codex_http_server.errors import HomeInUse, ServerError
from codex_http_server.events import Draft
from codex_http_server.places import Places, places
from codex_http_server.settings import Settings

PATIENCE: Final = 45.0  # seconds for an answer of the server, beyond what it was asked to wait

Json = dict[str, Any]


class Way(Protocol):
    """What the commands need. All raise `ServerError`."""

    async def begin(self, method: Method, api_key: str | None) -> Json:
        """Begin a login."""
        ...

    async def wait(self, login_id: str, seconds: float) -> Json:
        """The login, when it has ended or the time is up."""
        ...

    async def cancel(self, login_id: str) -> None:
        """Cancel a login."""
        ...

    async def sign_out(self) -> Json:
        """Sign out; the status."""
        ...

    async def status(self) -> Json:
        """Who is signed in."""
        ...


class Remote:
    """Over the HTTP routes of the server that runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def begin(self, method: Method, api_key: str | None) -> Json:
        body = {"method": method} | ({"api_key": api_key} if api_key else {})
        return await self._call("POST", "/auth/login", body)

    async def wait(self, login_id: str, seconds: float) -> Json:
        return await self._call("GET", f"/auth/login/{login_id}?wait={seconds:g}", wait=seconds)

    async def cancel(self, login_id: str) -> None:
        await self._call("DELETE", f"/auth/login/{login_id}")

    async def sign_out(self) -> Json:
        return await self._call("POST", "/auth/logout", {})

    async def status(self) -> Json:
        return await self._call("GET", "/auth/status")

    async def _call(
        self, method: str, path: str, body: Json | None = None, wait: float = 0
    ) -> Json:
        try:
            status, answer = await asyncio.to_thread(
                _ask, self._url, method, path, body, PATIENCE + wait
            )
        except (OSError, HTTPException, ValueError) as error:
            raise ServerError(f"The server at {self._url} does not answer: {error}.") from error
        if status >= 400:
            raise ServerError(answer.get("detail", "The server refused."), hint=answer.get("hint"))
        return answer


def _ask(url: str, method: str, path: str, body: Json | None, timeout: float) -> tuple[int, Json]:
    """One request."""
    connection = Local(url, timeout)
    headers = {} if body is None else {"Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


class Alone:
    """With a core of our own."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def begin(self, method: Method, api_key: str | None) -> Json:
        return (await self._accounts.sign_in(method, api_key)).view()

    async def wait(self, login_id: str, seconds: float) -> Json:
        login = self._accounts.logins.get(login_id)
        await login.wait(seconds)
        return login.view()

    async def cancel(self, login_id: str) -> None:
        await self._accounts.logins.cancel(login_id)

    async def sign_out(self) -> Json:
        return await self._accounts.sign_out()

    async def status(self) -> Json:
        return await self._accounts.status()


@asynccontextmanager
async def way_to(settings: Settings) -> AsyncGenerator[Way]:
    """The way to the home of these settings. Raises `StartError`."""
    where = places(settings.codex_home, settings.data_dir)
    try:
        with ServerLock(where):
            async with _core(settings, where) as accounts:
                yield Alone(accounts)
    except HomeInUse:
        found = read_json(where.discovery)
        if found is None:  # it is still starting
            raise
        yield Remote(str(found["url"]))


@asynccontextmanager
async def _core(settings: Settings, where: Places) -> AsyncGenerator[Accounts]:
    """A core that ends with the block; what an earlier server left of its own is not touched."""
    state = where.state / "login"
    state.mkdir(mode=0o700, exist_ok=True)
    own = replace(where, state=state)
    listener = _Listener()
    options = CoreOptions(
        find_core(settings.codex_bin), own, settings.pass_env, settings.core_wait, transport="stdio"
    )
    engine = CodexEngine(options, listener, settings.request_timeout)
    logins = Logins(engine, settings.login_limit, own.login_record)
    listener.accounts = Accounts(
        engine, own.home, logins, append=lambda _: None, renew=engine.recycle
    )
    running = [asyncio.create_task(engine.run()), asyncio.create_task(listener.accounts.run())]
    try:
        await engine.wait_ready()
        yield listener.accounts
    finally:
        running[1].cancel()
        engine.stop()
        await asyncio.wait(running)


class _Listener:
    """Hears what is said of the account, and nothing else."""

    accounts: Accounts

    def on_event(self, thread_id: str | None, draft: Draft, will_retry: bool) -> None:
        del will_retry
        if thread_id is None:
            self.accounts.on_server_event(draft)

    def on_pause(self) -> None:
        pass

    def on_question(self, question: Question) -> None:
        del question  # no turn runs here that could ask

    def on_core(self, state: CoreState) -> None:
        self.accounts.on_core(state)
