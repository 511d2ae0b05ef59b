"""What goes when a conversation is deleted, and what stays. Pure: SQL text and values.

What its turns cost stays in the ledger, else the totals of the server and its quotas would be
wrong; there is no text in it. Of the server's own events those go that name its thread or the
threads of agents that it started.
"""

from __future__ import annotations

from typing import Final

from codex_http_server.eventlog.search import index
from codex_http_server.events import THREAD_STARTED

Statement = tuple[str, tuple[object, ...]]

_AGENTS: Final = (
    "SELECT json_extract(CAST(data AS TEXT), '$.thread.id') AS id FROM event"
    " WHERE conv = 0 AND type = ? AND json_valid(CAST(data AS TEXT))"
    " AND json_extract(CAST(data AS TEXT), '$.thread.parentThreadId') = ?"
)
_OF_AGENTS: Final = (
    "DELETE FROM event WHERE conv = 0 AND EXISTS"  # noqa: S608 # nothing of a caller is in it
    f" (SELECT 1 FROM ({_AGENTS}) AS agent WHERE instr(event.data, agent.id) > 0)"
)


def erase(conversation_id: str, num: int, thread_id: str, last_seq: int) -> list[Statement]:
    """The statements that remove all of a conversation but its event `last_seq`."""
    place = f"/conversations/{conversation_id}"
    return [
        ("INSERT OR IGNORE INTO deleted(num, id) VALUES (?,?)", (num, conversation_id)),
        (_OF_AGENTS, (THREAD_STARTED, thread_id)),
        ("DELETE FROM event WHERE conv = 0 AND instr(data, ?) > 0", (thread_id or place,)),
        ("DELETE FROM event WHERE conv = ? AND seq < ?", (num, last_seq)),
        ("DELETE FROM output WHERE conv = ?", (num,)),
        ("DELETE FROM submit WHERE conv = ?", (conversation_id,)),
        ("DELETE FROM approval WHERE conv = ?", (conversation_id,)),
        ("DELETE FROM reverted WHERE conv = ?", (conversation_id,)),
        # Answers to requests about it, and to the one that made it, which has it as Location.
        ("DELETE FROM answer WHERE instr(scope, ?) > 0", (f"{place}/",)),
        ("DELETE FROM answer WHERE instr(body, ?) > 0", (f'"{place}"',)),
        ("DELETE FROM conversation WHERE num = ?", (num,)),
        *index.remove(num),
    ]
