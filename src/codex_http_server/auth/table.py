"""Which scope each route needs: one row a route. Pure.

A route without a row is refused at the start (`api/app.py`), so a new one can't be open by
mistake. `None`: no scope, because there is nothing to protect (the page's own files) or because
it must always answer (`/health`); the gate and the check of the peer stand before those too.
What a body asks beyond its route's scope (`elevate`) is checked where the body is understood.
"""

from __future__ import annotations

from typing import Final

from codex_http_server.auth.callers import Scope

Route = tuple[str, str]  # method and path template

_ONE: Final = "/conversations/{conversation_id}"

SCOPES: Final[dict[Route, Scope | None]] = {
    # the server
    ("GET", "/health"): None,
    ("GET", "/ready"): Scope.READ,
    ("GET", "/openapi.json"): None,
    ("GET", "/"): None,
    ("GET", "/page/{name}"): None,
    ("POST", "/interrupt"): Scope.DRIVE,
    # who calls: /session is how the page comes in, and tells every caller what it may do
    ("POST", "/session"): None,
    ("GET", "/session"): None,
    ("DELETE", "/session"): None,
    ("POST", "/tickets"): Scope.READ,
    ("GET", "/tokens"): Scope.ADMIN,
    ("POST", "/tokens"): Scope.ADMIN,
    ("DELETE", "/tokens/{name}"): Scope.ADMIN,
    ("POST", "/resume"): Scope.DRIVE,
    # the account
    ("GET", "/auth/status"): Scope.READ,
    ("POST", "/auth/login"): Scope.LOGIN,
    ("GET", "/auth/login/{login_id}"): Scope.LOGIN,
    ("POST", "/auth/login/{login_id}"): Scope.LOGIN,
    ("DELETE", "/auth/login/{login_id}"): Scope.LOGIN,
    ("POST", "/auth/logout"): Scope.LOGIN,
    ("GET", "/auth/usage"): Scope.READ,
    # conversations
    ("POST", "/conversations"): Scope.DRIVE,
    ("GET", "/conversations"): Scope.READ,
    ("GET", _ONE): Scope.READ,
    ("PATCH", _ONE): Scope.DRIVE,
    ("GET", f"{_ONE}/items"): Scope.READ,
    ("GET", f"{_ONE}/turns"): Scope.READ,
    ("GET", f"{_ONE}/turns/{{turn_id}}"): Scope.READ,
    ("GET", f"{_ONE}/diff"): Scope.READ,
    ("GET", f"{_ONE}/export"): Scope.READ,
    ("GET", f"{_ONE}/usage"): Scope.READ,
    ("GET", f"{_ONE}/turns/{{turn_id}}/items/{{item_id}}/output"): Scope.READ,
    ("POST", f"{_ONE}/interrupt"): Scope.DRIVE,
    ("POST", f"{_ONE}/resume"): Scope.DRIVE,
    # their life
    ("POST", f"{_ONE}/archive"): Scope.DRIVE,
    ("POST", f"{_ONE}/unarchive"): Scope.DRIVE,
    ("DELETE", _ONE): Scope.DRIVE,
    ("POST", f"{_ONE}/fork"): Scope.DRIVE,
    ("GET", f"{_ONE}/terminals"): Scope.READ,
    ("DELETE", f"{_ONE}/terminals"): Scope.DRIVE,
    ("DELETE", f"{_ONE}/terminals/{{terminal_id}}"): Scope.DRIVE,
    # messages
    ("POST", f"{_ONE}/messages"): Scope.DRIVE,
    ("POST", f"{_ONE}/retry"): Scope.DRIVE,
    ("POST", f"{_ONE}/revert"): Scope.DRIVE,
    ("POST", f"{_ONE}/compact"): Scope.DRIVE,
    ("POST", f"{_ONE}/review"): Scope.DRIVE,
    ("POST", f"{_ONE}/shell"): Scope.ELEVATE,
    ("GET", f"{_ONE}/queue"): Scope.READ,
    ("PUT", f"{_ONE}/queue"): Scope.DRIVE,
    ("PATCH", f"{_ONE}/queue/{{submit_id}}"): Scope.DRIVE,
    ("DELETE", f"{_ONE}/queue/{{submit_id}}"): Scope.DRIVE,
    ("POST", "/uploads"): Scope.DRIVE,
    ("GET", "/uploads/{upload_id}"): Scope.READ,
    ("DELETE", "/uploads/{upload_id}"): Scope.DRIVE,
    # files
    ("GET", "/files"): Scope.READ,
    ("GET", "/files/search"): Scope.READ,
    # approvals
    ("GET", "/approvals"): Scope.READ,
    ("GET", f"{_ONE}/approvals"): Scope.READ,
    ("GET", f"{_ONE}/approvals/{{approval_id}}"): Scope.READ,
    ("POST", f"{_ONE}/approvals/{{approval_id}}"): Scope.APPROVE,
    ("GET", "/rules"): Scope.READ,
    ("DELETE", "/rules/{rule_id}"): Scope.ADMIN,
    # what the core offers
    ("GET", "/models"): Scope.READ,
    ("GET", "/features"): Scope.READ,
    ("GET", "/skills"): Scope.READ,
    ("PATCH", "/skills"): Scope.ADMIN,
    ("GET", "/config"): Scope.READ,
    ("PATCH", "/config"): Scope.ADMIN,
    ("GET", "/mcp-servers"): Scope.READ,
    ("GET", "/mcp-servers/{server_name}"): Scope.READ,
    ("POST", "/mcp-servers/reload"): Scope.ADMIN,
    ("POST", "/mcp-servers/{server_name}/login"): Scope.ADMIN,
    ("POST", "/rpc"): Scope.ADMIN,
    ("GET", "/app-server"): Scope.ADMIN,
    # events
    ("GET", f"{_ONE}/events"): Scope.READ,
    ("GET", "/events"): Scope.READ,
    # search
    ("GET", "/search"): Scope.READ,
}
