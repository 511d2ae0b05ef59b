"""Every error a caller can meet: a stable code, a title, a sentence, a hint.

Owns the error tree. Knows no HTTP: `api/problems.py` has the one table from code to status.
The docstring of each class is what the documentation says about its code.
"""

from __future__ import annotations

from typing import Any, ClassVar


class ServerError(Exception):
    """The server failed in a way it did not expect. The log has the trace, by request id."""

    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retry_after: int = 0  # seconds; 0 where trying again is no use

    def __init__(self, detail: str, *, hint: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.extra = extra


class Internal(ServerError):
    """A fault of the server itself."""


# --- the request is wrong ---------------------------------------------------------------


class BadRequest(ServerError):
    """The request can't be read: bad JSON, a bad query value, a bad header."""

    code = "bad_request"
    title = "The request can't be read"


class BadCursor(BadRequest):
    """`after`, `Last-Event-ID` or a page cursor is not one that this server hands out."""

    code = "bad_cursor"
    title = "Not a cursor of this server"


class Invalid(ServerError):
    """A field of the request is missing, of the wrong type, or not allowed. `errors` names it."""

    code = "invalid_request"
    title = "A field is not valid"


class InvalidDirectory(Invalid):
    """`working_directory` is absent, relative, does not exist or is not a directory."""

    code = "invalid_working_directory"
    title = "Not a usable working directory"


class InvalidImage(Invalid):
    """A part of `input` is not an image that can be used: no PNG, JPEG, GIF or WebP, an address of
    the web, or a path that leads to no file."""

    code = "invalid_image"
    title = "Not a usable image"


class FileUnreadable(Invalid):
    """What is at this path can't be read: a pipe, a device or a socket, something that the server's
    user may not read, or something that was changed in the same moment."""

    code = "file_unreadable"
    title = "Not a readable file"


class CoreRefused(Invalid):
    """The Codex core refused what was asked; `detail` has its reason."""

    code = "core_refused"
    title = "The Codex core refused this"


class ConversationOpenElsewhere(CoreRefused):
    """Another process has the conversation open, and a thread has one writer. Fork it, or quit
    that process, which `detail` names."""

    code = "conversation_open_elsewhere"
    title = "The conversation is open elsewhere"


class MethodNotPassed(Invalid):
    """This method of the core is not passed on, because this server owns what it changes; `route`
    names what to use, if there is something."""

    code = "method_not_passed"
    title = "This method is not passed on"


class LoginStateMismatch(Invalid):
    """The pasted address belongs to another login than this one, which stays pending."""

    code = "login_state_mismatch"
    title = "The address of another login"


class DecisionNotOffered(Invalid):
    """The core does not offer this decision; `offered` names those that it does."""

    code = "decision_not_offered"
    title = "This decision is not offered"


class NotJson(ServerError):
    """A request with a body must be `Content-Type: application/json`."""

    code = "not_json"
    title = "The body must be JSON"


class UnsupportedImage(ServerError):
    """An upload must be a PNG, JPEG, GIF or WebP image, with the Content-Type of what it is."""

    code = "unsupported_image"
    title = "Not an image that can be used"


class TooLarge(ServerError):
    """The body is larger than the server's `max_body`."""

    code = "body_too_large"
    title = "The body is too large"


class ImageTooLarge(TooLarge):
    """An image has more than 20 MiB (or the server's `max_upload`), or those of a message more
    than 50 MiB together."""

    code = "image_too_large"
    title = "The image is too large"


class UpgradeRequired(ServerError):
    """This address is a WebSocket, and the request does not ask for one."""

    code = "upgrade_required"
    title = "A WebSocket is needed"


class TargetTooLong(ServerError):
    """The path and query of the request are longer than 16 KiB."""

    code = "target_too_long"
    title = "The address is too long"


class HeadersTooLarge(ServerError):
    """The request has more than 100 headers, or more than 64 KiB of them."""

    code = "headers_too_large"
    title = "The headers are too large"


class HeadersTimeout(ServerError):
    """The head of the request was not complete within 10 s."""

    code = "headers_timeout"
    title = "The headers did not arrive in time"


class BodyTimeout(ServerError):
    """The body did not arrive in time."""

    code = "body_timeout"
    title = "The body did not arrive in time"


class MessageTooLarge(ServerError):
    """A message is at most 1,048,576 characters (the limit of the Codex core)."""

    code = "message_too_large"
    title = "The message is too large"


class TokenInUrl(BadRequest):
    """A token stood in the address, where logs and histories keep it. Send it as a header."""

    code = "token_in_url"
    title = "A token does not belong in a URL"


# --- who calls is not known --------------------------------------------------------------


class Unauthorized(ServerError):
    """The caller must show who it is."""

    code = "unauthorized"
    title = "Who calls is not known"


class TokenRequired(Unauthorized):
    """This needs a token: the caller is not on this machine, or the server wants one of all."""

    code = "token_required"
    title = "A token is needed"


class InvalidToken(Unauthorized):
    """The token is not one of this server, has expired, or the header can't be read."""

    code = "invalid_token"
    title = "Not a valid token"


class InvalidTicket(Unauthorized):
    """The ticket is unknown, was not used in time, or belongs to another stream. Ask for a new
    one: tickets do not survive a restart."""

    code = "invalid_ticket"
    title = "Not a valid ticket"


class InvalidCode(Unauthorized):
    """The page's code is unknown, was used before, or is older than a minute."""

    code = "invalid_code"
    title = "Not a valid code"


class TooManyAttempts(ServerError):
    """Too many wrong tokens came from this address; `Retry-After` says when to try again."""

    code = "too_many_attempts"
    title = "Too many wrong tokens"

    def __init__(self, detail: str, retry_after: int, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint)
        self.retry_after = retry_after


# --- what it asks for is not there ------------------------------------------------------


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


# --- it does not fit the present state --------------------------------------------------


class Conflict(ServerError):
    """The request does not fit the present state."""

    code = "conflict"
    title = "Conflict"


class ConversationBusy(Conflict):
    """A turn is running, or messages wait for one: the message asked to be rejected in that case,
    or what was asked for needs a conversation at rest."""

    code = "conversation_busy"
    title = "A turn is running"


class ConversationArchived(Conflict):
    """The conversation is archived; take it back first: POST …/unarchive."""

    code = "conversation_archived"
    title = "The conversation is archived"


class ConversationHasForks(Conflict):
    """Codex can't delete its copy of the conversation, because forks read on in it; `forks` names
    them."""

    code = "conversation_has_forks"
    title = "Forks need this conversation"


class TurnNotSteerable(Conflict):
    """The running turn takes no further input; queue the message or interrupt the turn."""

    code = "turn_not_steerable"
    title = "This turn can't be steered"


class OverrideNeedsNewTurn(Conflict):
    """A steered message joins a turn: it can't carry overrides, wait or stream its own turn."""

    code = "override_needs_new_turn"
    title = "This needs a turn of its own"


class NoTurn(Conflict):
    """There is no running turn to interrupt."""

    code = "no_running_turn"
    title = "No turn is running"


class NothingToRetry(Conflict):
    """The last turn of the conversation was not interrupted or failed, or no message of this server
    started it."""

    code = "nothing_to_retry"
    title = "There is no message to send again"


class TurnHadEffects(Conflict):
    """The turn to be tried again had run commands, changed files or called tools; `turn_id` names
    it. It is only repeated with `anyway`."""

    code = "turn_had_effects"
    title = "The turn had done something"


class ApprovalEnded(Conflict):
    """The approval has ended already; `resolution` says who decided what, when and why."""

    code = "approval_ended"
    title = "The approval has ended"


class QueueFull(Conflict):
    """The conversation's queue holds as many messages as it may."""

    code = "queue_full"
    title = "The queue is full"


class UploadInUse(Conflict):
    """A message that waits needs this upload."""

    code = "upload_in_use"
    title = "The upload is in use"


class RuleNotRemovable(Conflict):
    """This is no rule by itself: it shares a line, or it is other code. Edit the file, which `file`
    names."""

    code = "rule_not_removable"
    title = "The rule can't be taken out by itself"


class LoginRequired(Conflict):
    """Nobody is signed in whom the model's provider would take; `reason` is one of /auth/status.
    Sign in, and ask again. A message would wait for the login."""

    code = "login_required"
    title = "Sign in first"


class LoginInProgress(Conflict):
    """Another login is pending; `login_id` names it. Finish or cancel it first."""

    code = "login_in_progress"
    title = "A login is in progress"


class LoginPortTaken(Conflict):
    """A browser login needs port 1455 or 1457 of 127.0.0.1, and other programs have both;
    `holders` names them where that is known. `device_code` needs no port."""

    code = "login_port_taken"
    title = "The ports of a browser login are taken"


class LoginEnded(Conflict):
    """This login has ended and takes no callback any more."""

    code = "login_ended"
    title = "The login has ended"


class KeyReused(Conflict):
    """The Idempotency-Key was used before, with another body."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"


class RequestInProgress(Conflict):
    """A request with this Idempotency-Key is still being worked on; try again shortly."""

    code = "request_in_progress"
    title = "The same request is in progress"


class AnswerNotKept(Conflict):
    """The request with this Idempotency-Key was answered; that answer held a secret and is not
    kept. Look what it made before you ask again with another key."""

    code = "answer_not_kept"
    title = "The answer was not kept"


class ConfigVersionConflict(Conflict):
    """The configuration has changed since the version that was expected; nothing was written."""

    code = "config_version_conflict"
    title = "The configuration has changed"


class TokenNameTaken(Conflict):
    """There is a token of this name."""

    code = "token_name_taken"
    title = "This name is taken"


# --- too much was used ------------------------------------------------------------------


class QuotaExceeded(ServerError):
    """A quota that the server's owner has set is used up: `quota`, `limit`, `used` and, where it
    begins anew, `resets_at` and `Retry-After`. The message was not accepted."""

    code = "quota_exceeded"
    title = "The quota is used up"

    def __init__(self, detail: str, *, retry_after: int = 0, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after or 0


# --- the caller may not -----------------------------------------------------------------


class Forbidden(ServerError):
    """The caller may not do this."""

    code = "forbidden"
    title = "Forbidden"


class OriginNotAllowed(Forbidden):
    """The request comes from a web page of another origin than this server's own."""

    code = "origin_not_allowed"
    title = "This origin may not call"


class ForwardedNotAllowed(Forbidden):
    """`Forwarded` and `X-Forwarded-*` are refused without a token."""

    code = "forwarded_not_allowed"
    title = "A proxy's request needs a token"


class ScopeRequired(Forbidden):
    """The caller lacks the scope that this route needs; `scope` names it."""

    code = "scope_required"
    title = "This needs another scope"


class OtherUser(Forbidden):
    """The caller is a process of another user of this machine and has no token."""

    code = "other_user"
    title = "Another user's process"


class AgentSelfAccess(Forbidden):
    """The caller is the Codex core or a process that it started, and has no token."""

    code = "agent_self_access"
    title = "The agent may not call its own server"


class PeerUnknown(Forbidden):
    """The server can't tell which process calls, and the caller has no token."""

    code = "peer_unknown"
    title = "Not known who calls"


class ElevateRequired(Forbidden):
    """What was asked loosens the sandbox or the approvals beyond what this caller may ask."""

    code = "elevate_required"
    title = "This loosens the sandbox"


class TooManyRequests(ServerError):
    """This caller has as many requests, or event streams, open as it may; `Retry-After` says when
    to try again."""

    code = "too_many_requests"
    title = "Too many at once"
    retry_after = 1


class OutsideRoots(Forbidden):
    """The directory is outside those that this caller may work in (`--root`); or a file or an image
    is outside the conversation's working directory and `--root`."""

    code = "outside_roots"
    title = "Outside the allowed directories"


class FileProtected(Forbidden):
    """The path leads into a Codex home or into what this server keeps: logins, tokens, the log."""

    code = "file_protected"
    title = "Not to be read"


class HostNotAllowed(ServerError):
    """The Host header names another server (protection against DNS rebinding)."""

    code = "host_not_allowed"
    title = "Not this host"


# --- the server can't right now ---------------------------------------------------------


class Unavailable(ServerError):
    """The server can't do this now; `Retry-After` says when to try again."""

    code = "unavailable"
    title = "Not available now"
    retry_after = 5


class CoreUnavailable(Unavailable):
    """The Codex core is starting, restarting, stopped or failed; /health says which."""

    code = "core_unavailable"
    title = "The Codex core is not ready"


class CoreTimeout(Unavailable):
    """The Codex core did not answer in time. The outcome is unknown; look before repeating."""

    code = "core_timeout"
    title = "The Codex core did not answer in time"


class TooManyConnections(Unavailable):
    """As many connections are open as the server, or this caller's address or user, may have."""

    code = "too_many_connections"
    title = "Too many connections"


class LoginIssuerFailed(Unavailable):
    """The login issuer (auth.openai.com) can't be reached by the core, or answers with an error."""

    code = "login_issuer_failed"
    title = "The login issuer did not answer"


class Stopping(Unavailable):
    """The server is shutting down."""

    code = "stopping"
    title = "The server is stopping"


class StorageFull(Unavailable):
    """The event log can't be written (disk full or not writable); nothing was accepted."""

    code = "storage_full"
    title = "The event log can't be written"


class UploadsFull(Unavailable):
    """As many uploads are kept as may be (`max_uploads`), or the disk is full."""

    code = "uploads_full"
    title = "No room for the upload"


class TokensUnusable(Unavailable):
    """The token file can't be read or written; the server's log says why."""

    code = "tokens_unusable"
    title = "The token file can't be used"


class RulesUnusable(Unavailable):
    """The folder or the file of the rules can't be read or written; `detail` says why."""

    code = "rules_unusable"
    title = "The rules can't be used"


class LogDamaged(ServerError):
    """The event log has a part that can't be read. Nothing is accepted until that is mended."""

    code = "log_damaged"
    title = "The event log is damaged"


# --- start-up: never seen over HTTP ------------------------------------------------------


class StartError(ServerError):
    """The server can't start. `exit_code` is what the command exits with."""

    code = "start_failed"
    title = "The server can't start"
    exit_code: ClassVar[int] = 1


class SettingsError(StartError):
    """A setting has a value that is not allowed, or is not known."""

    code = "bad_setting"
    title = "A setting is not valid"
    exit_code = 2


class WebhookSecretUnusable(SettingsError):
    """The file of the webhook's secret is open to others, can't be read, or holds no secret."""

    code = "webhook_secret_unusable"
    title = "The webhook's secret can't be used"


class TokenFileUnusable(SettingsError):
    """The token file is open to others, belongs to someone else, or is damaged."""

    code = "token_file_unusable"
    title = "The token file can't be used"


class HomeInUse(StartError):
    """Another codex-http-server holds this CODEX_HOME."""

    code = "home_in_use"
    title = "Another server holds this Codex home"
    exit_code = 3


class PortTaken(StartError):
    """The port is taken by another program."""

    code = "port_taken"
    title = "The port is taken"
    exit_code = 4


class SocketTaken(PortTaken):
    """The Unix socket is taken by another server."""

    code = "socket_taken"
    title = "The socket is taken"


class HomeNotWritable(StartError):
    """CODEX_HOME, the state folder or the data folder can't be written."""

    code = "home_not_writable"
    title = "A folder is not writable"


class CoreMissing(StartError):
    """The codex binary is not there or can't be run."""

    code = "core_missing"
    title = "The Codex core is not installed"


class NoDaemon(StartError):
    """The setting `core` says to join Codex's own daemon, and there is none to join."""

    code = "no_daemon"
    title = "There is no daemon to join"
    exit_code = 5


class LogUnusable(StartError):
    """The event log is of a newer version, of another home, or not a log of ours."""

    code = "log_unusable"
    title = "The event log can't be used"


# --- the core, seen from inside: turned into one of the above before a caller sees it ----


class CoreError(Exception):
    """The core answered a request with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{code}: {message}")
        self.rpc_code = code
        self.message = message
        self.data = data


class CoreGone(Exception):
    """The connection to the core ended before it answered."""
