"""Answers about the server, its core and its neighbours."""

from __future__ import annotations

from typing import Any, Literal

from codex_http_server.api.schemas.base import Answer


class CoreView(Answer):
    """The core: its state, its version, and how its protocol compares to the one we know. `joined`:
    it is Codex's own daemon, which this server neither started nor ends."""

    state: Literal["starting", "ready", "restarting", "stopped", "failed"]
    version: str | None
    reason: str | None = None
    joined: bool
    pid: int | None
    protocol: dict[str, Any] | None = None


class Health(Answer):
    """Always 200 and quick: the server answers, whatever the core does. `core` is not shown to
    a caller that may not read."""

    status: Literal["ok"]
    version: str
    core: CoreView | None = None


class Ready(Answer):
    """Whether a message would be accepted now, and if not, why. `notes` are no reasons: another
    process on the Codex home, say."""

    ready: bool
    reasons: list[str]
    notes: list[str]
    core: CoreView


class NeighbourView(Answer):
    """A process that uses the Codex home besides this server and its core."""

    pid: int
    command: str
    since: str
    holds: list[str]
