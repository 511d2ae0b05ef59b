"""What came of the attacks, as a table for people and as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from codex_http_server.testing.attack.runner import Finding, Outcome

WHY_MOST: Final = 160  # characters of a reason in the table


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything."""
    return {
        "target": outcome.stage.target.url,
        "as": outcome.stage.who,
        "held": outcome.count("held"),
        "broken": outcome.count("broken"),
        "skipped": outcome.count("skipped"),
        "requests": outcome.stage.requests,
        "connections": outcome.stage.lines,
        "seconds": round(outcome.seconds, 1),
        "attacks": [_entry(each) for each in outcome.findings],
    }


def _entry(found: Finding) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "name": found.name,
        "gain": found.gain,
        **asdict(found.verdict),
        "seconds": round(found.seconds, 2),
    }


def as_table(outcome: Outcome) -> str:
    """One line for each attack; under a broken one what it had and how."""
    findings = outcome.findings
    subject = max(len(each.subject) for each in findings)
    name = max(len(each.name) for each in findings)
    lines = [line for each in findings for line in _lines(each, subject, name)]
    return "\n".join([*lines, "", _sum(outcome)])


def _lines(found: Finding, subject: int, name: int) -> Iterator[str]:
    verdict = found.verdict
    why = verdict.why if len(verdict.why) <= WHY_MOST else f"{verdict.why[: WHY_MOST - 1]}…"
    yield f"{verdict.state:<7}  {found.subject:<{subject}}  {found.name:<{name}}  {why}".rstrip()
    if verdict.state == "broken":
        yield f"         gain: {found.gain}"
        for hole in verdict.holes:
            yield f"         {hole.case}: answered {hole.answer}"
            yield f"           {hole.request}"


def _sum(outcome: Outcome) -> str:
    counts = ", ".join(f"{outcome.count(each)} {each}" for each in ("held", "broken", "skipped"))
    return (
        f"{counts}: {outcome.stage.target.url} as {outcome.stage.who},"
        f" {outcome.stage.requests:,} requests in {outcome.seconds:.1f} s"
    )
