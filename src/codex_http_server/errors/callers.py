"""Who calls is not known, or may not."""

from __future__ import annotations

from codex_http_server.errors.base import ServerError


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
