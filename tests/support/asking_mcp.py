"""An MCP server over stdio that asks back: started by the core, as `python asking_mcp.py`.

Tools: `ask` wants a colour from the user (an elicitation) and says what it got; `write` is
marked as destructive, so that the core asks before it runs it; `link` wants a page visited.
"""

from __future__ import annotations

import json
import sys
from typing import Any

FORM = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
NONE = {"type": "object", "properties": {}}
TOOLS = [
    {"name": "ask", "inputSchema": NONE, "annotations": {"readOnlyHint": True}},
    {"name": "write", "inputSchema": NONE, "annotations": {"destructiveHint": True}},
]


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def said(number: Any, text: str) -> None:
    send(id=number, result={"content": [{"type": "text", "text": text}]})


def called(number: Any, name: str, waiting: dict[Any, Any]) -> None:
    if name == "write":
        said(number, "written")
        return
    waiting[f"ask-{number}"] = number
    asked = {"message": "Which colour?", "requestedSchema": FORM}
    send(id=f"ask-{number}", method="elicitation/create", params=asked)


def main() -> None:
    waiting: dict[Any, Any] = {}
    for line in sys.stdin:
        message = json.loads(line)
        number, params = message.get("id"), message.get("params") or {}
        match message.get("method"):
            case "initialize":
                info = {"name": "asker", "version": "1"}
                version = params["protocolVersion"]
                able = {"tools": {}}
                send(
                    id=number,
                    result={"protocolVersion": version, "capabilities": able, "serverInfo": info},
                )
            case "tools/list":
                send(id=number, result={"tools": TOOLS})
            case "tools/call":
                called(number, params["name"], waiting)
            case None if number in waiting:
                said(waiting.pop(number), f"got {json.dumps(message.get('result'))}")
            case str() if number is not None:
                send(id=number, result={})
            case _:
                pass


if __name__ == "__main__":
    main()
