"""The configuration of Codex: read without its secrets, and written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import Body
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.offers import Directory, seen_from
from codex_http_server.api.schemas import ConfigView, ConfigWritten
from codex_http_server.api.services import Use
from codex_http_server.engine.configview import holds_redacted, without_secrets
from codex_http_server.engine.discovery import Edit, version_of
from codex_http_server.logs import REDACTED, get_logger

router = APIRouter(tags=["discovery"])
log = get_logger(__name__)

EDITS_MAX = 100
NO_STORE = {"Cache-Control": "no-store"}


class ConfigEdit(Body):
    """One change."""

    key_path: str = Field(
        min_length=1,
        max_length=1000,
        description="Where, with dots.",
        examples=["model_reasoning_effort"],
    )
    value: Any = Field(description="JSON; null removes it.")
    merge: Literal["replace", "upsert"] = Field(
        default="replace", description="`upsert` keeps what else a table holds."
    )

    @field_validator("value")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        if holds_redacted(value):
            raise ValueError(f"holds {REDACTED}, which stands for a secret that was not shown")
        return value


class PatchConfig(Body):
    """Changes of the user's config.toml: all of them, or none."""

    edits: list[ConfigEdit] = Field(min_length=1, max_length=EDITS_MAX)
    expected_version: str | None = Field(
        default=None, max_length=200, description="`version` of GET /config; else 409."
    )
    reload: bool = Field(
        default=False, description="Loaded conversations take it over, as far as the core can."
    )


@router.get("/config", response_model=ConfigView)
async def read_config(
    *,
    request: Request,
    services: Use,
    caller: Calling,
    working_directory: Directory = None,
    layers: Annotated[bool, Query(description="Each layer by itself, too.")] = False,
) -> JSONResponse:
    """The configuration as it is in effect, in a working directory if you name one. Secrets, and
    all values of headers and environments, are replaced by `[redacted]`."""
    directory = seen_from(working_directory, request, services, caller)
    found = await services.discovery.config(directory)
    version, file = version_of(found)
    body = {
        "working_directory": directory,
        "version": version,
        "file": file,
        "config": found["config"],
        "origins": found["origins"],
        "layers": found["layers"] if layers else None,
        "requirements": found["requirements"],
    }
    return JSONResponse(without_secrets(body), headers=NO_STORE)


@router.patch("/config", response_model=ConfigWritten)
async def write_config(body: PatchConfig, services: Use) -> JSONResponse:
    """Change the user's config.toml, all edits or none. It holds for turns of new conversations,
    and for MCP servers after POST /mcp-servers/reload."""
    edits = [Edit(each.key_path, each.value, each.merge) for each in body.edits]
    written = await services.discovery.write_config(
        edits, body.expected_version, reload=body.reload
    )
    log.info("the configuration was changed", keys=[each.key_path for each in edits])
    return JSONResponse(without_secrets(written._asdict()), headers=NO_STORE)
