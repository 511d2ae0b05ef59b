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


class CoreRefused(Invalid):
    """The Codex core refused what was asked; `detail` has its reason."""

    code = "core_refused"
    title = "The Codex core refused this"


class DecisionNotOffered(Invalid):
    """The core does not offer this decision; `offered` names those that it does."""

    code = "decision_not_offered"
    title = "This decision is not offered"


class NotJson(ServerError):
    """A request with a body must be `Content-Type: application/json`."""

    code = "not_json"
    title = "The body must be JSON"


class TooLarge(ServerError):
    """The body is larger than the server's `max_body`."""

    code = "body_too_large"
    title = "The body is too large"


class BodyTimeout(ServerError):
    """The body did not arrive in time."""

    code = "body_timeout"
    title = "The body did not arrive in time"


class MessageTooLarge(ServerError):
    """A message is at most 1,048,576 characters (the limit of the Codex core)."""

    code = "message_too_large"
    title = "The message is too large"


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


class ItemNotFound(NotFound):
    """There is no such item in this turn."""

    code = "item_not_found"
    title = "No such item"


class MessageNotFound(NotFound):
    """There is no message with this id waiting in the conversation's queue."""

    code = "message_not_found"
    title = "No such message in the queue"


class ApprovalNotFound(NotFound):
    """There is no approval with this id in the conversation."""

    code = "approval_not_found"
    title = "No such approval"


# --- it does not fit the present state --------------------------------------------------


class Conflict(ServerError):
    """The request does not fit the present state."""

    code = "conflict"
    title = "Conflict"


class ConversationBusy(Conflict):
    """A turn is running and the message asked to be rejected in that case."""

    code = "conversation_busy"
    title = "A turn is running"


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


class ApprovalEnded(Conflict):
    """The approval has ended already; `resolution` says who decided what, when and why."""

    code = "approval_ended"
    title = "The approval has ended"


class QueueFull(Conflict):
    """The conversation's queue holds as many messages as it may."""

    code = "queue_full"
    title = "The queue is full"


class KeyReused(Conflict):
    """The Idempotency-Key was used before, with another body."""

    code = "idempotency_key_reused"
    title = "This Idempotency-Key belongs to another request"


class RequestInProgress(Conflict):
    """A request with this Idempotency-Key is still being worked on; try again shortly."""

    code = "request_in_progress"
    title = "The same request is in progress"


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
    """`Forwarded` and `X-Forwarded-*` are refused where no proxy is configured."""

    code = "forwarded_not_allowed"
    title = "No proxy is configured"


class ScopeRequired(Forbidden):
    """The caller lacks the scope that this route needs; `scope` names it."""

    code = "scope_required"
    title = "This needs another scope"


class ElevateRequired(Forbidden):
    """What was asked loosens the sandbox or the approvals beyond what this caller may ask."""

    code = "elevate_required"
    title = "This loosens the sandbox"


class HostNotAllowed(ServerError):
    """The Host header names another server (protection against DNS rebinding)."""

    code = "host_not_allowed"
    title = "Not this host"


# --- the server can't right now ---------------------------------------------------------


class Unavailable(ServerError):
    """The server can't do this now; `Retry-After` says when to try again."""

    code = "unavailable"
    title = "Not available now"
    retry_after: ClassVar[int] = 5


class CoreUnavailable(Unavailable):
    """The Codex core is starting, restarting, stopped or failed; /health says which."""

    code = "core_unavailable"
    title = "The Codex core is not ready"


class CoreTimeout(Unavailable):
    """The Codex core did not answer in time. The outcome is unknown; look before repeating."""

    code = "core_timeout"
    title = "The Codex core did not answer in time"


class Stopping(Unavailable):
    """The server is shutting down."""

    code = "stopping"
    title = "The server is stopping"


class StorageFull(Unavailable):
    """The event log can't be written (disk full or not writable); nothing was accepted."""

    code = "storage_full"
    title = "The event log can't be written"


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


class HomeNotWritable(StartError):
    """CODEX_HOME, the state folder or the data folder can't be written."""

    code = "home_not_writable"
    title = "A folder is not writable"


class CoreMissing(StartError):
    """The codex binary is not there or can't be run."""

    code = "core_missing"
    title = "The Codex core is not installed"


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
