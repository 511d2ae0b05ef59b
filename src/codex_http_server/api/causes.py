"""Which error codes each operation may answer: one row an operation. Pure.

Owns the rows, and what every request, every body and every key may meet before its route. The
document lists them by status, and tests fail where a server answers one that is not listed
(tests/support/promises.py). What a code means: `errors/`; its status: `api/problems.py`.
"""

from __future__ import annotations

from typing import Final

from codex_http_server.api.idempotency import NOT_KEPT, OWN_WAY
from codex_http_server.auth.table import SCOPES

Codes = frozenset[str]
Operation = tuple[str, str]  # method and path template

# --- before the route ---------------------------------------------------------------------

EVERYWHERE: Final[Codes] = frozenset(
    {
        # the connection and the head of the request
        "bad_request", "target_too_long", "headers_too_large", "headers_timeout",
        "too_many_connections",
        # the gate
        "host_not_allowed", "origin_not_allowed", "forwarded_not_allowed",
        # who calls
        "token_in_url", "invalid_token", "invalid_ticket", "too_many_attempts", "other_user",
        "agent_self_access", "peer_unknown",
        "scope_required",  # a ticket may open its stream and nothing else
        # the server
        "too_many_requests", "internal",
    }
)  # fmt: skip
"""What any request may be answered, also one without a body, a scope or a key."""

_SCOPE: Final[Codes] = frozenset({"token_required"})
_SENT: Final[Codes] = frozenset({"body_timeout", "body_too_large", "not_json"})
_IMAGE: Final[Codes] = frozenset({"body_timeout", "image_too_large", "unsupported_image"})
_INPUT: Final[Codes] = frozenset({"invalid_request"})
_LOG: Final[Codes] = frozenset({"storage_full", "log_damaged"})
_KEY: Final[Codes] = frozenset({"idempotency_key_reused", "request_in_progress"}) | _LOG
_KEY_ONCE: Final[Codes] = _KEY | {"answer_not_kept"}
_PLACE: Final[Codes] = frozenset({"not_found"})  # an id with a slash in it is another path

# --- what several routes have in common -----------------------------------------------------

NONE: Final[Codes] = frozenset()
CORE: Final[Codes] = frozenset({"core_unavailable", "core_timeout", "core_refused"})
DIRECTORY: Final[Codes] = frozenset({"invalid_working_directory", "outside_roots"})
THERE: Final[Codes] = frozenset({"conversation_not_found"}) | CORE | _LOG
"""One conversation is looked up; what others did in it may have to be read from the core."""
LISTED: Final[Codes] = frozenset({"bad_cursor"}) | _LOG
IMAGES: Final[Codes] = frozenset(
    {"message_too_large", "invalid_image", "image_too_large", "upload_not_found", "outside_roots"}
)
TAKEN: Final[Codes] = THERE | {
    "conversation_archived", "conversation_busy", "conversation_open_elsewhere",
    "elevate_required", "idempotency_key_reused", "message_reverted", "quota_exceeded", "stopping",
    "too_many_requests",
}  # fmt: skip
"""A message is taken, in whatever way."""
BEGUN: Final[Codes] = THERE | {
    "conversation_archived", "conversation_busy", "conversation_open_elsewhere",
    "quota_exceeded", "stopping",
}  # fmt: skip
"""A turn is begun that no message starts."""
FILE: Final[Codes] = frozenset(
    {"outside_roots", "file_protected", "file_not_found", "file_unreadable"}
)
LOGIN: Final[Codes] = CORE | {"login_issuer_failed"}
TOKENS: Final[Codes] = frozenset({"tokens_unusable"})
RULES: Final[Codes] = frozenset({"rules_unusable"})

# --- the rows -------------------------------------------------------------------------------

_ONE: Final = "/conversations/{conversation_id}"

ROWS: Final[dict[Operation, Codes]] = {
    # the server
    ("GET", "/health"): NONE,
    ("GET", "/ready"): NONE,
    ("POST", "/interrupt"): CORE | _LOG,
    ("POST", "/resume"): _LOG,
    # who calls
    ("POST", "/session"): frozenset({"token_required", "invalid_code"}),
    ("GET", "/session"): NONE,
    ("DELETE", "/session"): NONE,
    ("POST", "/tickets"): THERE,
    ("GET", "/tokens"): NONE,
    ("POST", "/tokens"): TOKENS | {"token_name_taken"},
    ("DELETE", "/tokens/{name}"): TOKENS | {"token_not_found", "invalid_request"},
    # the account
    ("GET", "/auth/status"): CORE,
    ("POST", "/auth/login"): LOGIN | {"login_in_progress", "login_port_taken"},
    ("GET", "/auth/login/{login_id}"): frozenset({"login_not_found"}),
    ("POST", "/auth/login/{login_id}"): frozenset(
        {"login_not_found", "login_ended", "login_state_mismatch", "core_unavailable"}
    ),
    ("DELETE", "/auth/login/{login_id}"): CORE | {"login_not_found"},
    ("POST", "/auth/logout"): CORE,
    ("GET", "/auth/usage"): _LOG,
    # conversations
    ("POST", "/conversations"): CORE | DIRECTORY | _LOG | {"elevate_required", "stopping"},
    ("GET", "/conversations"): LISTED,
    ("GET", _ONE): THERE,
    ("PATCH", _ONE): THERE | {"elevate_required"},
    ("GET", f"{_ONE}/items"): THERE,
    ("GET", f"{_ONE}/turns"): THERE,
    ("GET", f"{_ONE}/turns/{{turn_id}}"): THERE | {"turn_not_found"},
    ("GET", f"{_ONE}/diff"): THERE | {"turn_not_found", "no_repository"},
    ("GET", f"{_ONE}/export"): THERE,
    ("GET", f"{_ONE}/usage"): THERE,
    ("GET", f"{_ONE}/turns/{{turn_id}}/items/{{item_id}}/output"): THERE | {"item_not_found"},
    ("POST", f"{_ONE}/interrupt"): THERE | {"no_running_turn"},
    ("POST", f"{_ONE}/resume"): THERE,
    # their life
    ("POST", f"{_ONE}/archive"): THERE | {"conversation_busy"},
    ("POST", f"{_ONE}/unarchive"): THERE | {"conversation_busy"},
    ("DELETE", _ONE): THERE | {"conversation_busy", "conversation_has_forks"},
    ("POST", f"{_ONE}/fork"): THERE
    | DIRECTORY
    | {
        "conversation_archived",
        "conversation_busy",
        "turn_not_found",
        "stopping",
    },
    ("GET", f"{_ONE}/terminals"): THERE,
    ("DELETE", f"{_ONE}/terminals"): THERE,
    ("DELETE", f"{_ONE}/terminals/{{terminal_id}}"): THERE | {"terminal_not_found"},
    # messages
    ("POST", f"{_ONE}/messages"): (
        TAKEN | IMAGES | {"queue_full", "turn_not_steerable", "override_needs_new_turn"}
    ),
    ("POST", f"{_ONE}/retry"): TAKEN | {"nothing_to_retry", "turn_had_effects"},
    ("POST", f"{_ONE}/revert"): (
        THERE
        | {"conversation_archived", "conversation_busy", "conversation_open_elsewhere"}
        | {"stopping", "turn_not_found"}
    ),
    ("POST", f"{_ONE}/compact"): BEGUN | {"login_required"},
    ("POST", f"{_ONE}/review"): BEGUN | {"login_required"},
    ("POST", f"{_ONE}/shell"): BEGUN,
    ("GET", f"{_ONE}/queue"): THERE,
    ("PUT", f"{_ONE}/queue"): THERE,
    ("PATCH", f"{_ONE}/queue/{{submit_id}}"): THERE | IMAGES | {"message_not_found"},
    ("DELETE", f"{_ONE}/queue/{{submit_id}}"): THERE | {"message_not_found"},
    ("POST", "/uploads"): frozenset({"invalid_image", "uploads_full"}),
    ("GET", "/uploads/{upload_id}"): frozenset({"upload_not_found"}),
    ("DELETE", "/uploads/{upload_id}"): frozenset({"upload_not_found", "upload_in_use"}),
    # files
    ("GET", "/files"): THERE | FILE | {"bad_cursor"},
    ("GET", "/files/search"): THERE | FILE,
    # approvals
    ("GET", "/approvals"): THERE | LISTED,
    ("GET", f"{_ONE}/approvals"): THERE | LISTED,
    ("GET", f"{_ONE}/approvals/{{approval_id}}"): THERE | {"approval_not_found"},
    ("POST", f"{_ONE}/approvals/{{approval_id}}"): (
        THERE | {"approval_not_found", "approval_ended", "decision_not_offered"}
    ),
    ("GET", "/rules"): RULES | _LOG,
    ("DELETE", "/rules/{rule_id}"): THERE | RULES | {"rule_not_found", "rule_not_removable"},
    # what the core offers
    ("GET", "/models"): CORE,
    ("GET", "/features"): CORE,
    ("GET", "/skills"): CORE | DIRECTORY,
    ("PATCH", "/skills"): CORE | DIRECTORY | {"skill_not_found"},
    ("GET", "/config"): CORE | DIRECTORY,
    ("PATCH", "/config"): CORE | {"config_version_conflict"},
    ("GET", "/mcp-servers"): CORE,
    ("GET", "/mcp-servers/{server_name}"): CORE | {"mcp_server_not_found"},
    ("POST", "/mcp-servers/reload"): CORE,
    ("POST", "/mcp-servers/{server_name}/login"): CORE | {"mcp_server_not_found"},
    ("POST", "/rpc"): CORE | {"method_not_passed"},
    ("GET", "/app-server"): frozenset({"upgrade_required", "core_unavailable", "stopping"}),
    # events
    ("GET", f"{_ONE}/events"): THERE | {"bad_cursor"},
    ("GET", "/events"): THERE | {"bad_cursor"},
    # search
    ("GET", "/search"): THERE | {"bad_cursor", "search_unavailable"},
}


def codes(method: str, path: str, *, takes_input: bool) -> Codes:
    """All that an operation may answer. `takes_input`: it has parameters or a body to be wrong.
    Raises KeyError for an operation without a row."""
    place = (method, path)
    found = EVERYWHERE | ROWS[place]
    found |= _SCOPE if SCOPES[place] is not None else NONE
    found |= _INPUT if takes_input else NONE
    found |= _PLACE if "{" in path else NONE
    if method != "GET":
        found |= _IMAGE if path == "/uploads" else _SENT
    if method == "POST" and not OWN_WAY.fullmatch(path):
        found |= _KEY_ONCE if path in NOT_KEPT else _KEY
    return found
