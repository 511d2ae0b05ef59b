"""Answers about events."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from codex_http_server.api.schemas.base import Answer


class EventView(Answer):
    """One event. `seq` is its number in the conversation and the SSE id there; `position` is
    the SSE id on `/events`. `data` is the Codex core's own object, unchanged."""

    model_config = ConfigDict(extra="allow")

    type: str
    conversation_id: str | None
    at: str
    data: dict[str, Any]
    seq: int | None = None
    position: str | None = None
    turn_id: str | None = None
    item_id: str | None = None
    item_type: str | None = None
    text: str | None = Field(default=None, description="The text of a delta.")
    status: str | None = Field(default=None, description="How a turn or an item ended.")
    synthetic: str | None = Field(default=None, description="Why this server made the event.")
    folded: int | None = Field(
        default=None, description="On an item's end: deltas that it stands for in the log."
    )
    policy: dict[str, Any] | None = Field(
        default=None, description="On turn/started: all that the turn runs under."
    )
    core: str | None = Field(default=None, description="Version of the core that made `data`.")


class EventPage(Answer):
    """Events, oldest first. Go on with `after=next_after`; there is more while it is below
    `head`."""

    data: list[EventView]
    next_after: int
    head: int
    log_id: str


class AllEventPage(Answer):
    """Events of all conversations, in the order in which they were committed."""

    data: list[EventView]
    next_after: str
    head: str
    log_id: str
