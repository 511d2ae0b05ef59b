"""Questions of the core for tests: how each kind is provoked, and how to wait for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from codex_http_server.testing.answers import Command, Patch, Step, Text, ToolCall
from codex_http_server.testing.provider import Script
from codex_http_server.testing.reader import Event, Reader
from codex_http_server.testing.requests import ModelRequest
from tests.support.server import Json, Server, Site

PATCH = "*** Begin Patch\n*** Add File: new.txt\n+one\n+two\n*** End Patch"
QUESTIONS = {
    "questions": [
        {
            "id": "colour",
            "header": "Colour",
            "question": "Which colour?",
            "options": [
                {"label": "red", "description": "like fire"},
                {"label": "blue", "description": "like the sea"},
            ],
        }
    ]
}
LOOKUP = {
    "name": "lookup",
    "description": "Looks up an order.",
    "inputSchema": {"type": "object", "properties": {"order": {"type": "string"}}},
}
MCP = Path(__file__).with_name("asking_mcp.py")
FEATURES = ("request_permissions_tool", "default_mode_request_user_input")


def allow_all_questions(site: Site, **config: str | int | bool) -> None:
    """Let the model ask in every way that it has: with tools that are off, and an MCP server."""
    site.configure(sandbox_mode="workspace-write", approval_policy="on-request", **config)
    path = site.home / "config.toml"
    on = "".join(f"{name} = true\n" for name in FEATURES)
    text = path.read_text().replace("[features]\n", f"[features]\n{on}")
    text += f"\n[mcp_servers.asker]\ncommand = {json.dumps(sys.executable)}\n"
    path.write_text(text + f"args = {json.dumps([str(MCP)])}\n")


def outside(site: Site) -> Path:
    """A file that no sandboxed command can write."""
    return site.root / "outside.txt"


def command(site: Site) -> Command:
    """A command that asks to leave the sandbox."""
    return Command(f"touch {outside(site)}", escalate=True, justification="to write outside")


ASKING: dict[str, Any] = {
    "command": command,
    "file_change": lambda _: Patch(PATCH),
    "permissions": lambda site: ToolCall(
        "request_permissions",
        {"reason": "to write", "permissions": {"file_system": {"write": [str(site.root)]}}},
    ),
    "question": lambda _: ToolCall("request_user_input", QUESTIONS),
    "elicitation": lambda _: ToolCall("ask", {}, "mcp__asker"),
    "tool_call": lambda _: ToolCall("lookup", {"order": "7"}),
}


@contextmanager
def asked(
    server: Server,
    kind: str = "command",
    conversation: str | None = None,
    then: str | None = None,
    **body: Any,
) -> Iterator[tuple[str, Event, Reader]]:
    """A turn that waits for an approval of this kind; the conversation, `approval/requested`
    and a reader of the conversation. `then` is what the model says after it, where that may come
    before the test can say so."""
    tools = {"tools": [LOOKUP]} if kind == "tool_call" else {}
    here = conversation or server.conversation(**tools, **body)
    policy = {"sandbox": "read-only"} if kind == "file_change" else {}
    server.site.provider.expect(ASKING[kind](server.site))
    if then is not None:
        says(server, then)
    with server.read(here, "?after=latest") as reader:
        server.send(here, **policy)
        yield here, reader.wait_type("approval/requested"), reader


def helped_model(site: Site) -> Script:
    """A model that starts an agent, waits for it, and whose agent asks to leave the sandbox."""

    def model(request: ModelRequest) -> list[Step]:
        told: Any = request.body["input"]
        last = told[-1]
        if "HELP ME" in str(told) and "spawn_agent" not in str(told):
            return [command(site)] if last["type"] == "message" else [Text("helped")]
        if last["type"] == "message" and "subagent" not in str(last):
            return [ToolCall("spawn_agent", {"message": "HELP ME"}, "multi_agent_v1")]
        if "agent_id" in str(last.get("output")):
            agent = str(last["output"]).split('"agent_id":"')[1][:36]
            wait = {"targets": [agent], "timeout_ms": 20_000}
            return [ToolCall("wait_agent", wait, "multi_agent_v1")]
        return [Text("all done")]

    return model


def path_of(conversation: str, asked: Event) -> str:
    """The route of an approval."""
    return f"/conversations/{conversation}/approvals/{asked['data']['approval_id']}"


def says(server: Server, text: str = "so be it") -> None:
    """What the model says after the answer."""
    server.site.provider.expect(Text(text))


def output(site: Site) -> Json:
    """What the model was told of the call that asked, in its newest request."""
    items: Any = site.provider.requests[-1].body["input"]
    return [item["output"] for item in items if item["type"].endswith("_output")][-1]


def check_once(events: list[Event]) -> None:
    """Every approval was asked once and has ended once, after it was asked."""
    requested = [e for e in events if e["type"] == "approval/requested"]
    resolved = [e for e in events if e["type"] == "approval/resolved"]
    ids = [e["data"]["approval_id"] for e in requested]
    assert len(set(ids)) == len(ids), "asked twice"
    assert sorted(ids) == sorted(e["data"]["approval_id"] for e in resolved)
    seqs = {e["data"]["approval_id"]: e["seq"] for e in requested}
    assert all(e["seq"] > seqs[e["data"]["approval_id"]] for e in resolved)
