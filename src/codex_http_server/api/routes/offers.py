"""What the core offers a conversation: models, features, skills."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import Body, check_directory
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.recognise import near
from codex_http_server.api.schemas import CoreList, SkillList, SkillView
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.callers import Caller
from codex_http_server.auth.roots import roots_of
from codex_http_server.logs import get_logger, redact_value

router = APIRouter(tags=["discovery"])
log = get_logger(__name__)

Directory = Annotated[str | None, Query(description="As seen there; an absolute path.")]


class SetSkill(Body):
    """Turn a skill on or off."""

    path: str = Field(min_length=1, max_length=4096, description="As GET /skills shows it.")
    enabled: bool
    working_directory: str | None = Field(default=None, description="For a skill of a project.")

    @field_validator("path")
    @classmethod
    def _absolute(cls, path: str) -> str:
        if not Path(path).is_absolute():
            raise ValueError("must be an absolute path")
        return path


def seen_from(
    given: str | None, request: Request, services: Services, caller: Caller
) -> str | None:
    """The working directory that a caller names, checked; None for none."""
    if given is None:
        return None
    return check_directory(given, roots_of(caller, services.roots, here=near(request.scope)))


@router.get("/models", response_model=CoreList)
async def list_models(
    services: Use,
    hidden: Annotated[bool, Query(description="Those that a picker does not show, too.")] = False,
) -> JSONResponse:
    """The models of the core's catalogue, with their reasoning efforts; the default is marked."""
    return JSONResponse({"data": await services.discovery.models(hidden=hidden)})


@router.get("/features", response_model=CoreList)
async def list_features(services: Use) -> JSONResponse:
    """The features of this core, and whether they are on. The configuration sets them."""
    return JSONResponse({"data": await services.discovery.features()})


@router.get("/skills", response_model=SkillList)
async def list_skills(
    *,
    request: Request,
    services: Use,
    caller: Calling,
    working_directory: Directory = None,
    reload: Annotated[bool, Query(description="Look at the disk again.")] = False,
) -> JSONResponse:
    """The skills of the Codex home and, with a working directory, those of its project."""
    directory = seen_from(working_directory, request, services, caller)
    found = await services.discovery.skills(directory, again=reload)
    body = {
        "working_directory": directory,
        "data": found["skills"],
        "errors": redact_value(found["errors"]),
    }
    return JSONResponse(body)


@router.patch("/skills", response_model=SkillView)
async def set_skill(
    body: SetSkill, request: Request, services: Use, caller: Calling
) -> JSONResponse:
    """Turn a skill on or off, in the user's config.toml."""
    directory = seen_from(body.working_directory, request, services, caller)
    enabled = await services.discovery.enable_skill(body.path, directory, enabled=body.enabled)
    log.info("a skill was turned on or off", path=body.path, enabled=enabled)
    return JSONResponse({"path": body.path, "enabled": enabled})
