"""Turns that other clients of a joined daemon begin: they are followed while they run.

Owns when a thread is looked for, and for how long. The daemon tells all its clients which threads
are at work, and the rest only those that have resumed the thread (measured). So a thread at work
that nobody here has loaded is resumed: what it did so far comes from its history, what follows is
heard. A core of our own has no other clients; there, nothing is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, Protocol

import msgspec

from codex_http_server.conversations.found import FoundThreads
from codex_http_server.conversations.thread import ThreadLink
from codex_http_server.engine.base import Engine
from codex_http_server.errors import CoreRefused, ServerError
from codex_http_server.eventlog.base import EventLog
from codex_http_server.events import THREAD_STATUS, Draft
from codex_http_server.logs import get_logger

log = get_logger(__name__)

# Seconds between looks for a thread that has just begun: its file and its place in the core's list
# come a moment after the news. An agent of a turn never comes into the list, and is not followed.
LOOKS: Final = (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)


class _Status(msgspec.Struct):
    type: str


class _Changed(msgspec.Struct):
    status: _Status


class Host(Protocol):
    """What this needs of the manager."""

    @property
    def engine(self) -> Engine:
        """The engine."""
        ...

    @property
    def found(self) -> FoundThreads:
        """The conversations that others began."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task that the manager owns."""
        ...

    def thread(self, thread_id: str) -> ThreadLink | None:
        """The thread, if its conversation is open here."""
        ...

    async def open_thread(self, conversation_id: str) -> ThreadLink:
        """Open a conversation with what others did in it. Raises `ServerError`."""
        ...


class Others:
    """See the head of this file."""

    def __init__(self, host: Host, event_log: EventLog) -> None:
        self._host = host
        self._log = event_log
        self._following: set[str] = set()  # threads that are looked for now

    def hear(self, thread_id: str, draft: Draft) -> None:
        """Take an event of the core, before anybody else does."""
        if draft.type == THREAD_STATUS and self._host.engine.state.joined and _is_active(draft):
            self._follow(thread_id)

    def begin(self) -> None:
        """A daemon was joined: some of its threads may be at work."""
        self._host.spawn(self._look())

    async def _look(self) -> None:
        try:
            for thread_id in await self._host.engine.control.active():
                self._follow(thread_id)
        except ServerError as error:
            log.info("the threads at work are not known", reason=error.detail)

    def _follow(self, thread_id: str) -> None:
        thread = self._host.thread(thread_id)
        heard = thread is not None and (thread.loaded or thread.behind or thread.loading)
        if not heard and thread_id not in self._following:
            self._following.add(thread_id)
            self._host.spawn(self._load(thread_id))

    async def _load(self, thread_id: str) -> None:
        try:
            for pause in LOOKS:
                await asyncio.sleep(pause)
                if await self._is_loaded(thread_id):
                    return
        except ServerError as error:
            log.info("a turn of another client is not followed", reason=error.detail)
        finally:
            self._following.discard(thread_id)

    async def _is_loaded(self, thread_id: str) -> bool:
        await self._host.found.look()
        known = await self._log.known_threads((thread_id,))
        if thread_id not in known:
            return False
        try:
            thread = await self._host.open_thread(known[thread_id])
            await thread.load(replace=False)
        except CoreRefused:  # it has no file yet
            return False
        return True


def _is_active(draft: Draft) -> bool:
    try:
        return msgspec.json.decode(draft.data, type=_Changed).status.type == "active"
    except msgspec.MsgspecError:
        return False
