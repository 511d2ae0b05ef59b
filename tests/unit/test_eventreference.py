"""docs/events.md names every type of event, and every field that it carries."""

from __future__ import annotations

from codex_http_server.api.app import document
from codex_http_server.api.eventreference import markdown
from codex_http_server.events import ENVELOPE, OURS

PAGE = markdown()
SCHEMAS = document()["components"]["schemas"]


def row(name: str) -> str:
    """The row of a type."""
    (found,) = (line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
    return found


def test_every_type_and_every_field_of_the_envelope_has_a_row() -> None:
    for kind in SCHEMAS["KnownEvent"]["discriminator"]["mapping"]:
        assert row(kind)
    for field in ENVELOPE:
        assert f"| `{field}` |" in PAGE


def test_an_event_of_ours_leads_to_what_it_carries() -> None:
    assert row("item/gap").endswith("| [ItemGap](objects.md#itemgap) |")
    assert row("heartbeat").endswith("| no fields |")
    assert all(said[:40] in row(kind) for kind, said in OURS.items())


def test_an_event_of_the_core_and_an_item_show_their_fields() -> None:
    assert row("turn/completed") == "| `turn/completed` | `threadId` string, `turn` `Codex_Turn` |"
    assert "`delta` string" in row("item/agentMessage/delta")
    assert "`details?` string or null" in row("deprecationNotice")
    command = row("commandExecution")
    assert "`command` string" in command
    assert "`exitCode?` integer or null" in command
    assert "`type` " not in command
