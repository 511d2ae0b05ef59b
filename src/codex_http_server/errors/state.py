"""The request does not fit the present state, or a quota."""

from __future__ import annotations

from typing import Any

from codex_http_server.errors.base import ServerError


class Conflict(ServerError):
    """The request does not fit the present state."""

    code = "conflict"
    title = "Conflict"


class ConversationBusy(Conflict):
    """A turn is running, or messages wait for one: the message asked to be rejected in that case,
    or what was asked for needs a conversation at rest; `turn_id` may name the turn."""

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


class MessageReverted(Conflict):
    """The message with this `Idempotency-Key` went into a turn that was taken back (`turn_id`); it
    is neither sent again nor answered with that turn. Another key sends it again."""

    code = "message_reverted"
    title = "The message was taken back"


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


class QuotaExceeded(ServerError):
    """A quota that the server's owner has set is used up: `quota`, `limit`, `used` and, where it
    begins anew, `resets_at` and `Retry-After`. The message was not accepted."""

    code = "quota_exceeded"
    title = "The quota is used up"

    def __init__(self, detail: str, *, retry_after: int = 0, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after or 0
