"""Rules of the core for tests: how one is remembered, and whether it holds."""

from __future__ import annotations

from typing import Any, Final

from codex_http_server.testing.answers import Text
from tests.support.approvals import command, path_of
from tests.support.server import Server

EVERYTHING: Final = ("read", "drive", "approve", "elevate", "admin")


def asks(server: Server, conversation: str) -> bool:
    """Whether the command asks for an approval; it is declined then."""
    server.site.provider.expect(command(server.site))
    server.site.provider.expect(Text("so be it"))
    with server.read(conversation, "?after=latest") as reader:
        server.send(conversation)
        found = reader.wait(lambda e: e["type"] in ("approval/requested", "turn/completed"))
        if found["type"] == "approval/requested":
            server.post(path_of(conversation, found), {"decision": "decline"}, 200)
            reader.wait_type("turn/completed")
    return found["type"] == "approval/requested"


def remember(server: Server, boss: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """A conversation whose command was approved for good; and the approval."""
    conversation = server.conversation()
    server.site.provider.expect(command(server.site))
    server.site.provider.expect(Text("so be it"))
    with server.read(conversation) as reader:
        server.send(conversation)
        path = path_of(conversation, reader.wait_type("approval/requested"))
        amend = {"decision": "acceptWithExecpolicyAmendment"}
        approval = server.post(path, amend, 200, headers=boss)
        reader.wait_type("turn/completed")
    return conversation, approval


def only(server: Server) -> dict[str, Any]:
    (rule,) = server.get("/rules")["data"]
    return rule


def remove(server: Server, boss: dict[str, str], rule_id: str) -> Any:
    answer = server.client.delete(f"/rules/{rule_id}", headers=boss)
    assert answer.status_code == 200, answer.text
    return answer.json()
