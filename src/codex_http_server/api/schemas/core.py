"""The core's own objects in answers: their schema is the core's (`engine/payloads.json`).

A value of these is passed on as it is. Its schema is a mark, which `api/eventschemas.py` puts right
in the whole document.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import WithJsonSchema

MARK: Final = "x-codex"  # the name of the core's schema that is meant


def of_core(name: str) -> WithJsonSchema:
    """The schema of the core with this name."""
    return WithJsonSchema({MARK: name})


Item = Annotated[dict[str, Any], of_core("ThreadItem")]
Turn = Annotated[dict[str, Any], of_core("Turn")]
TurnError = Annotated[dict[str, Any], of_core("TurnError")]
PlanStep = Annotated[dict[str, Any], of_core("TurnPlanStep")]
TokenUsage = Annotated[dict[str, Any], of_core("ThreadTokenUsage")]
ApprovalPolicy = Annotated[Any, of_core("AskForApproval")]
SandboxPolicy = Annotated[dict[str, Any], of_core("SandboxPolicy")]
Request = Annotated[Any, of_core("Request")]
