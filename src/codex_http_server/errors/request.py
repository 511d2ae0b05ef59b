"""The request is wrong: it can't be read, or a part of it is not valid."""

from __future__ import annotations

from codex_http_server.errors.base import ServerError


class BadRequest(ServerError):
    """The request can't be read: bad JSON, a bad query value, a bad header."""

    code = "bad_request"
    title = "The request can't be read"


class BadCursor(BadRequest):
    """`after`, `Last-Event-ID` or a page cursor is not one that this server hands out."""

    code = "bad_cursor"
    title = "Not a cursor of this server"
    advice = "Hand back, unchanged, what an answer of this route gave; or begin anew without it."


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


class NoRepository(Invalid):
    """git can't tell what changed in the working directory: there is no repository, or git does not
    trust it, is not there or does not answer."""

    code = "no_repository"
    title = "No repository to compare with"


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
