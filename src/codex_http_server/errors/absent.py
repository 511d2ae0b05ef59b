"""What was asked for is not there."""

from __future__ import annotations

from codex_http_server.errors.base import ServerError


class NotFound(ServerError):
    """There is no such route."""

    code = "not_found"
    title = "Not found"


class MethodNotAllowed(ServerError):
    """The route exists, but not with this method."""

    code = "method_not_allowed"
    title = "Method not allowed"


class ConversationNotFound(NotFound):
    """There is no conversation with this id."""

    code = "conversation_not_found"
    title = "No such conversation"
    advice = "GET /conversations lists those that there are."


class TurnNotFound(NotFound):
    """The conversation has no such turn, no turn yet, or the core has none of it any more."""

    code = "turn_not_found"
    title = "No such turn"


class ItemNotFound(NotFound):
    """There is no such item in this turn."""

    code = "item_not_found"
    title = "No such item"


class MessageNotFound(NotFound):
    """There is no message with this id waiting in the conversation's queue."""

    code = "message_not_found"
    title = "No such message in the queue"


class UploadNotFound(NotFound):
    """There is no upload with this id: it was deleted, or it has expired."""

    code = "upload_not_found"
    title = "No such upload"


class RuleNotFound(NotFound):
    """There is no rule with this id: it was taken out, or its line was changed."""

    code = "rule_not_found"
    title = "No such rule"


class FileNotThere(NotFound):
    """There is no file and no directory at this path."""

    code = "file_not_found"
    title = "No such file"


class LoginNotFound(NotFound):
    """There is no login with this id: it ended long ago, or before the server's last start."""

    code = "login_not_found"
    title = "No such login"


class TokenNotFound(NotFound):
    """There is no token of this name."""

    code = "token_not_found"
    title = "No such token"


class TerminalNotFound(NotFound):
    """No command with this id runs in the conversation: it has ended, or never was."""

    code = "terminal_not_found"
    title = "No such command"


class ApprovalNotFound(NotFound):
    """There is no approval with this id in the conversation."""

    code = "approval_not_found"
    title = "No such approval"


class SkillNotFound(NotFound):
    """There is no skill of this path in the working directory or the Codex home."""

    code = "skill_not_found"
    title = "No such skill"


class McpServerNotFound(NotFound):
    """There is no MCP server of this name in the configuration of Codex."""

    code = "mcp_server_not_found"
    title = "No such MCP server"
