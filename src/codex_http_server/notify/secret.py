"""The secret that webhooks are signed with: a file that only we can read, made when there is none.

The form and the signature are those of Standard Webhooks (standardwebhooks.com), so that receivers
find a library for it. The other side is `codex_http_server.client.verify_webhook`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from codex_http_server.errors import WebhookSecretUnusable

PREFIX: Final = "whsec_"
LEAST, MOST = 24, 64  # bytes of a key, as the standard has it
FILE_MAX: Final = 1024


def load(path: Path) -> bytes:
    """The key in a file, which is made first if it is not there. Raises `WebhookSecretUnusable`."""
    with contextlib.suppress(FileExistsError):
        _make(path)
    try:
        with path.open("rb") as file:
            if os.name != "nt" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise _unusable(path, "can be read by others", f"chmod 600 {path}")
            text = file.read(FILE_MAX).decode("ascii", "replace")
    except OSError as error:
        raise _unusable(path, f"can't be read: {error.strerror}") from error
    try:
        return parse(text)
    except ValueError as error:
        raise _unusable(path, f"is not usable: {error}") from None


def parse(text: str) -> bytes:
    """The key in a secret as it is written down. Raises ValueError."""
    try:
        key = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError(f"it is not {PREFIX} and base64") from None
    if not LEAST <= len(key) <= MOST:
        raise ValueError(f"a key has {LEAST} to {MOST} bytes, this one {len(key)}")
    return key


def spell(key: bytes) -> str:
    """A key as it is written down."""
    return PREFIX + base64.b64encode(key).decode()


def sign(key: bytes, notice_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((notice_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise
    except OSError as error:
        raise _unusable(path, f"can't be made: {error.strerror}") from error
    with os.fdopen(held, "w") as file:
        file.write(spell(secrets.token_bytes(32)) + "\n")
        file.flush()
        os.fsync(held)


def _unusable(path: Path, what: str, hint: str | None = None) -> WebhookSecretUnusable:
    usual = f"{PREFIX} and {LEAST} to {MOST} bytes in base64, in a file of mode 0600."
    return WebhookSecretUnusable(f"The webhook's secret {path} {what}.", hint=hint or usual)
