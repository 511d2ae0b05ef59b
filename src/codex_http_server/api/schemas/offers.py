"""Answers about what the core offers: skills, configuration, MCP servers, its own methods."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from codex_http_server.api.schemas.base import Answer


class CoreList(Answer):
    """All of a list: `data` holds the core's own objects, unchanged."""

    data: list[dict[str, Any]]


class SkillList(CoreList):
    """The skills that a turn in the working directory has; `errors` names files that are none."""

    working_directory: str | None
    errors: list[dict[str, Any]]


class SkillView(Answer):
    """A skill, and whether it is on."""

    path: str
    enabled: bool


class ConfigView(Answer):
    """The configuration as it is in effect: the core's own objects, without their secrets.
    `version` and `file` are of the one file that can be written, null where there is none yet."""

    working_directory: str | None
    version: str | None
    file: str | None
    config: dict[str, Any]
    origins: dict[str, Any] = Field(description="Which layer each value comes from.")
    layers: list[dict[str, Any]] | None = Field(description="With `?layers=1`, highest first.")
    requirements: dict[str, Any] | None = Field(description="What an administrator demands.")


class ConfigWritten(Answer):
    """What was written. `overridden`: the layer that keeps it from being in effect, if one does."""

    version: str
    file: str
    overridden: dict[str, Any] | None


class RpcAnswer(Answer):
    """What the core answered, unchanged."""

    result: Any


class McpServerLogin(Answer):
    """A login to an MCP server that waits for a person: open `url` in a browser on the server's
    machine. It ends with the event `mcpServer/oauthLogin/completed` on `/events`."""

    name: str
    url: str
    expires_at: str
