"""What is told, how it is signed, what waits: without a server."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_http_server.client import WebhookRefused, verify_webhook
from codex_http_server.clock import now_ms
from codex_http_server.errors import WebhookSecretUnusable
from codex_http_server.events import Event, raw
from codex_http_server.notify import courier as couriers
from codex_http_server.notify import secret
from codex_http_server.notify.command import Command
from codex_http_server.notify.courier import Courier
from codex_http_server.notify.marks import Marks
from codex_http_server.notify.notices import KINDS, Notice, notice_of
from codex_http_server.notify.telling import Outcome, Told
from codex_http_server.settings.table import NOTICES

KEY = bytes(range(32))


def event(position: int, kind: str = "turn/completed", **more: Any) -> Event:
    given: dict[str, Any] = {
        "seq": position, "position": position, "conversation_id": "c", "turn_id": "t",
        "item_id": None, "type": kind, "item_type": None, "text": None, "status": "completed",
        "synthetic": None, "at_ms": now_ms(), "core": "", "data": raw({}), "log_tag": "log",
    }  # fmt: skip
    return Event(**given | more)


def headers(body: bytes, at: float | None = None) -> dict[str, str]:
    stamp = int(time.time() if at is None else at)
    return {
        "Webhook-Id": "log-1",
        "Webhook-Timestamp": str(stamp),
        "Webhook-Signature": "v1,bm9uZQ== " + secret.sign(KEY, "log-1", stamp, body),
    }


def test_the_settings_know_what_is_told() -> None:
    assert NOTICES == KINDS


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of the Standard Webhooks specification's reference libraries.
    key = secret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = secret.sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_signed_is_taken_and_nothing_else() -> None:
    words = secret.spell(KEY)
    assert verify_webhook(headers(b'{"a":1}'), b'{"a":1}', words) == {"a": 1}
    with pytest.raises(WebhookRefused, match="signature"):
        verify_webhook(headers(b'{"a":1}'), b'{"a":2}', words)
    with pytest.raises(WebhookRefused, match="signature"):
        verify_webhook(headers(b"{}"), b"{}", secret.spell(bytes(32)))
    with pytest.raises(WebhookRefused, match="old"):
        verify_webhook(headers(b"{}", time.time() - 400), b"{}", words)
    with pytest.raises(WebhookRefused, match="webhook-id"):
        verify_webhook({}, b"{}", words)
    with pytest.raises(WebhookRefused, match="checked"):
        verify_webhook(headers(b"{}"), b"{}", "whsec_!")


def test_a_secret_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "state" / "webhook.secret"
    key = secret.load(path)
    assert secret.load(path) == key
    assert secret.parse(secret.spell(key)) == key
    path.write_text("whsec_" + "A" * 8)
    with pytest.raises(WebhookSecretUnusable, match="24 to 64 bytes"):
        secret.load(path)


def test_what_others_did_long_ago_and_other_types_are_not_told() -> None:
    kinds = frozenset(KINDS)
    assert notice_of(event(1), kinds)
    assert notice_of(event(1, synthetic="history"), kinds) is None
    assert notice_of(event(1, "turn/started"), kinds) is None
    assert notice_of(event(1), kinds - {"turn/completed"}) is None


class Log:
    """As much of an event log as a courier looks at."""

    log_tag = "log"
    last_position = 0

    async def conversation(self, conversation_id: str) -> None:
        del conversation_id

    async def read_all(self, after: int, limit: int) -> list[Event]:
        del limit
        return [event(n) for n in range(after + 1, self.last_position + 1)]


class Telling(Marks):
    """Marks that say when one was written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.written = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, name: str, log_tag: str, position: int) -> None:
        super().put(name, log_tag, position)
        self._loop.call_soon_threadsafe(self.written.set)


class Slow:
    """A receiver that waits until it is let go."""

    name = "slow"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.told: list[int] = []
        self.wanted = asyncio.Semaphore(0)

    async def tell(self, notice: Notice, body: bytes) -> Told:
        del body
        await self.go.wait()
        self.told.append(notice.position)
        self.wanted.release()
        return Told(Outcome.TOLD, "yes")

    async def close(self) -> None:
        """It holds nothing."""


@pytest.mark.asyncio
async def test_past_the_bound_the_oldest_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "WAITING", 10)
    slow = Slow()
    log: Any = Log()
    marks = Telling(tmp_path / "marks")
    one = Courier(slow, log, marks, frozenset(KINDS))
    running = asyncio.create_task(one.run())
    await asyncio.wait_for(marks.written.wait(), 10)  # from then on it listens
    one.push([event(n) for n in range(1, 100)])
    assert one.view.dropped == 89
    dropped, waiting = one.view.dropped, one.view.waiting
    slow.go.set()
    for _ in range(waiting):
        await asyncio.wait_for(slow.wanted.acquire(), 10)
    assert slow.told[-10:] == list(range(90, 100))
    assert dropped == one.view.dropped
    running.cancel()
    await asyncio.wait({running})
    log.last_position = 101  # two more happened while nobody listened
    assert Marks(tmp_path / "marks").get("slow", "log") in (98, 99)
    again = Courier(slow, log, Marks(tmp_path / "marks"), frozenset(KINDS))
    running = asyncio.create_task(again.run())
    while slow.told[-2:] != [100, 101]:
        await asyncio.wait_for(slow.wanted.acquire(), 10)
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.asyncio
async def test_a_command_that_does_not_end_is_killed_with_what_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(child.pid))\n"
        "child.wait()"
    )
    slow = Command([sys.executable, "-c", program], os.environ, "/home", seconds=2)
    told = await slow.tell(Notice("1", 1, "test", 0), b"{}")
    assert told.outcome is Outcome.REFUSED
    assert "killed" in told.detail
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid.read_text())).wait(10)


@pytest.mark.asyncio
async def test_what_can_not_be_run_is_said() -> None:
    missing = Command(["/no/such/program"], os.environ, "/home")
    assert "can't be started" in (await missing.tell(Notice("1", 1, "test", 0), b"{}")).detail
    loud = Command([sys.executable, "-c", "print('x' * 10**6); exit(2)"], os.environ, "/home")
    told = await loud.tell(Notice("1", 1, "test", 0), b"{}")
    assert told.detail.startswith("exit code 2: xxx")
    assert len(told.detail) < 3000
