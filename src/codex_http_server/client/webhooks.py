"""The receiving side of webhooks: whether one comes from this server, and is fresh."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from codex_http_server.client.errors import WebhookRefused

TOLERANCE: Final = 300.0  # seconds that the two clocks may be apart


def verify_webhook(
    headers: Mapping[str, str], body: bytes, secret: str, *, tolerance: float = TOLERANCE
) -> Any:
    """The JSON of a webhook, once its signature is found right.

    `headers` as they came, `body` byte for byte, `secret` as `codex-http-server notify secret`
    prints it. Raises `WebhookRefused`; answer such a request with 401. The same `webhook-id` may
    come twice.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        name, stamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
        age = abs(time.time() - int(stamp))
        key = base64.b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except KeyError as error:
        raise WebhookRefused(f"It has no header {error.args[0]}.") from None
    except (ValueError, binascii.Error) as error:
        raise WebhookRefused(f"It can't be checked: {error}.") from None
    if age > tolerance:
        raise WebhookRefused(f"It is {age:.0f} s old, or from the future.")
    digest = hmac.new(key, b".".join((name.encode(), stamp.encode(), body)), hashlib.sha256)
    wanted = b"v1," + base64.b64encode(digest.digest())
    if not any(hmac.compare_digest(wanted, each.encode()) for each in signatures):
        raise WebhookRefused("Its signature is not of this secret.")
    return msgspec.json.decode(body)
