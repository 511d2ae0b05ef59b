"""What all answers are, and what an error looks like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """An answer. Clients must take fields that they do not know."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Answer):
    """One field that is not valid."""

    field: str
    message: str


class Problem(Answer):
    """An error (RFC 9457). `code` is stable; docs/errors.md lists them all."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    hint: str | None = None
    errors: list[FieldProblem] | None = None
