"""The server can't do it right now."""

from __future__ import annotations

from codex_http_server.errors.base import ServerError


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


class SearchUnavailable(Unavailable):
    """The search index can't be used: it is being made anew after a fault, or the SQLite of this
    Python has no full-text search (FTS5). All else works."""

    code = "search_unavailable"
    title = "Search is not available"


class LogDamaged(ServerError):
    """The event log has a part that can't be read. Nothing is accepted until that is mended."""

    code = "log_damaged"
    title = "The event log is damaged"
