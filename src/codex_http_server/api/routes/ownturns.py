"""Turns that no message starts: compact, review, shell."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import JSONResponse

from codex_http_server.api.bodies import MESSAGE_MAX, Body
from codex_http_server.api.doorkeeper import Calling
from codex_http_server.api.routes.messages import BASE, WAIT_MAX
from codex_http_server.api.schemas import Began, Ran, TurnEnded
from codex_http_server.api.services import Services, Use
from codex_http_server.auth.callers import Caller
from codex_http_server.conversations import ownturns, views

router = APIRouter(tags=["conversations"])

Wait = Annotated[float, Query(ge=0, le=WAIT_MAX, description="Seconds to wait for its end.")]
WAITED: Final = "With `?wait=`: the turn has ended."
# A branch or a commit. Git takes no name that begins with a dash, and would read it as an option.
Revision = Annotated[str, Field(pattern=r"^[^\s-]\S*$", max_length=1000)]


class UncommittedChanges(Body):
    """What is staged, unstaged and untracked."""

    type: Literal["uncommitted_changes"]

    def target(self) -> dict[str, Any]:
        """In the core's words."""
        return {"type": "uncommittedChanges"}


class BaseBranch(Body):
    """What the current branch has changed since it left this one."""

    type: Literal["base_branch"]
    branch: Revision

    def target(self) -> dict[str, Any]:
        """In the core's words."""
        return {"type": "baseBranch", "branch": self.branch}


class Commit(Body):
    """What one commit has changed."""

    type: Literal["commit"]
    sha: Revision
    title: str | None = Field(default=None, max_length=1000, description="What people see of it.")

    def target(self) -> dict[str, Any]:
        """In the core's words."""
        return {"type": "commit", "sha": self.sha, "title": self.title}


class Custom(Body):
    """What these instructions say."""

    type: Literal["custom"]
    instructions: str = Field(pattern=r"\S", max_length=MESSAGE_MAX)

    def target(self) -> dict[str, Any]:
        """In the core's words."""
        return {"type": "custom", "instructions": self.instructions}


class Review(Body):
    """What to review."""

    target: Annotated[
        UncommittedChanges | BaseBranch | Commit | Custom, Field(discriminator="type")
    ] = UncommittedChanges(type="uncommitted_changes")


class Shell(Body):
    """A command for the shell of the user who runs the server."""

    command: str = Field(pattern=r"\S", max_length=100_000)
    timeout: float | None = Field(
        default=None,
        gt=0,
        le=86_400,
        description="Seconds after which the core ends it; left out, an hour.",
    )


@router.post(
    f"{BASE}/compact",
    status_code=202,
    response_model=Began,
    responses={200: {"model": TurnEnded, "description": WAITED}},
)
async def compact_conversation(
    conversation_id: str, services: Use, caller: Calling, wait: Wait = 0
) -> JSONResponse:
    """Have the model put a summary in the place of what it has read so far, as Codex does by itself
    when there is no room left. The events stay; only the model reads less."""
    return await _begin(services, conversation_id, ownturns.compaction(), caller, wait)


@router.post(
    f"{BASE}/review",
    status_code=202,
    response_model=Began,
    responses={200: {"model": TurnEnded, "description": WAITED}},
)
async def review_changes(
    *,
    conversation_id: str,
    services: Use,
    caller: Calling,
    body: Review | None = None,
    wait: Wait = 0,
) -> JSONResponse:
    """Have changes in the working directory reviewed, by instructions of Codex's own. The findings
    are the turn's last message. Without a body: what is not committed."""
    wanted = ownturns.review((body or Review()).target.target())
    return await _begin(services, conversation_id, wanted, caller, wait)


@router.post(
    f"{BASE}/shell",
    status_code=202,
    response_model=Began,
    responses={200: {"model": Ran, "description": WAITED}},
)
async def run_command(
    conversation_id: str, body: Shell, services: Use, caller: Calling, wait: Wait = 0
) -> JSONResponse:
    """Run a command in the working directory, without sandbox and without asking. The model sees
    it, and what it printed, with the next message."""
    wanted = ownturns.shell(body.command, body.timeout)
    return await _begin(services, conversation_id, wanted, caller, wait)


async def _begin(
    services: Services,
    conversation_id: str,
    wanted: ownturns.Wanted,
    caller: Caller,
    wait: float,
) -> JSONResponse:
    entry = await services.manager.get(conversation_id)
    began = await ownturns.begin(entry.conversation, entry.messages, wanted, caller.name)
    body: dict[str, Any] = {
        "turn_id": began.turn_id,
        "status": "started",
        "events": f"/conversations/{conversation_id}/events?after={began.after}",
    }
    if not wait or not await ownturns.ended(entry.conversation, began.turn_id, wait):
        return JSONResponse(body, 202)
    await services.log.durable()
    events = await services.log.turn_events(conversation_id, began.turn_id)
    found = views.turns(events)
    body |= {"status": "ended", "turn": found[-1]["turn"] if found else None}
    more = {"reply": views.reply(events)} if wanted.asks_model else ownturns.outcome(events)
    return JSONResponse(body | more, 200)
