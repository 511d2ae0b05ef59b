"""The commands that the core runs for a conversation: what they are, and how they are ended.

Joins the core's list with the open items, which know the turn and the output so far.
"""

from __future__ import annotations

from typing import Any, Final

from codex_http_server.conversations.conversation import Conversation
from codex_http_server.engine.base import Terminal
from codex_http_server.errors import TerminalNotFound
from codex_http_server.state import OpenItem

TAIL: Final = 2000  # characters of output that the list shows


async def running(conversation: Conversation) -> list[dict[str, Any]]:
    """The commands that run, as the API shows them."""
    items = {item.item_id: item for item in conversation.open.items.values()}
    return [_view(conversation, each, items) for each in await _found(conversation)]


async def _found(conversation: Conversation) -> list[Terminal]:
    if conversation.thread.behind:
        await conversation.thread.load()
    if not conversation.thread.loaded:  # then the core runs nothing for it
        return []
    return await conversation.engine.control.terminals(conversation.record.thread_id)


def _view(
    conversation: Conversation, terminal: Terminal, items: dict[str, OpenItem]
) -> dict[str, Any]:
    item = items.get(terminal.item_id)
    turn_id = None if item is None else item.turn_id
    text = "" if item is None else str(item.form().get("aggregatedOutput") or "")
    place = f"/conversations/{conversation.id}/turns/{turn_id}/items/{terminal.item_id}/output"
    return {
        "terminal_id": terminal.id,
        "turn_id": turn_id,
        "item_id": terminal.item_id,
        "command": terminal.command,
        "working_directory": terminal.directory,
        "pid": terminal.pid,
        "in_background": turn_id not in conversation.open.turns,
        "tail": text[-TAIL:],
        "output": place if turn_id else None,
    }


async def end(conversation: Conversation, terminal_id: str) -> None:
    """End one. Raises `TerminalNotFound`."""
    known = {each.id for each in await _found(conversation)}
    if terminal_id not in known or not await _end(conversation, terminal_id):
        raise TerminalNotFound(f"No command {terminal_id[:100]} runs in this conversation.")


async def end_all(conversation: Conversation) -> list[str]:
    """End all; their ids."""
    found = await _found(conversation)
    return [each.id for each in found if await _end(conversation, each.id)]


async def _end(conversation: Conversation, terminal_id: str) -> bool:
    thread_id = conversation.record.thread_id
    return await conversation.engine.control.end_terminal(thread_id, terminal_id)
