"""A webhook: one signed POST for each notice."""

from __future__ import annotations

import time
from typing import Final

import httpx

from codex_http_server.notify.notices import Notice
from codex_http_server.notify.secret import sign
from codex_http_server.notify.telling import Outcome, Told

SECONDS: Final = 10.0  # for a whole answer
WAIT_MAX: Final = 3600.0  # seconds that a receiver may put us off with Retry-After
BUSY: Final = frozenset({408, 425, 429})


class Webhook:
    """Tells `url`. Redirects are not followed: where notices go stands in the settings alone."""

    name = "webhook"

    def __init__(self, url: str, key: bytes, version: str) -> None:
        self._url = url
        self._key = key
        self._client = httpx.AsyncClient(
            timeout=SECONDS,
            follow_redirects=False,
            headers={
                "User-Agent": f"codex-http-server/{version}",
                "Content-Type": "application/json",
            },
        )

    async def tell(self, notice: Notice, body: bytes) -> Told:
        """Send it. 2xx: told. 408, 425, 429, 5xx and no answer: again. All else: refused."""
        try:
            status, after = await self._post(notice, body)
        except httpx.HTTPError as error:
            return Told(Outcome.AGAIN, f"no answer: {type(error).__name__}")
        if 200 <= status < 300:
            return Told(Outcome.TOLD, f"HTTP {status}")
        if status in BUSY or status >= 500:
            return Told(Outcome.AGAIN, f"HTTP {status}", after)
        return Told(Outcome.REFUSED, f"HTTP {status}")

    async def _post(self, notice: Notice, body: bytes) -> tuple[int, float]:
        """The status, and the seconds of Retry-After. What else the answer holds is not read."""
        now = int(time.time())
        headers = {
            "webhook-id": notice.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(self._key, notice.id, now, body),
        }
        async with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
            return answer.status_code, _after(answer.headers.get("retry-after", ""))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


def _after(text: str) -> float:
    """Whole seconds of a Retry-After; a date, which nobody's clock agrees on, counts as none."""
    return min(float(text), WAIT_MAX) if text.isdecimal() else 0.0
