"""Messages as a careful client sends them: each with a key, again until there is an answer."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.chaos.wire import BROKEN, Address, call, pause

WORKERS: Final = 24
DELIVERY: Final = 90.0  # seconds for the answer to one message
AGAIN: Final = 0.1  # seconds before the next try
LATER: Final = frozenset({503, 504, 507})  # not taken now; the same message may be sent again


@dataclass
class Letter:
    """One message and what is known of it."""

    conversation: str
    text: str
    while_busy: str
    status: int = 0  # of the last answer
    answer: Any = None
    tries: int = 0
    taken_back: int | None = None  # status of the answer to our DELETE
    refusals: list[str] = field(default_factory=list[str])

    @property
    def path(self) -> str:
        """Where it is sent."""
        return f"/conversations/{self.conversation}/messages"

    @property
    def body(self) -> dict[str, str]:
        """What is sent."""
        return {"message": self.text, "while_busy": self.while_busy}


class Office:
    """Sends letters, each in a thread of its own."""

    def __init__(self, address: Address) -> None:
        self.letters: list[Letter] = []
        self.refused: Counter[int] = Counter()
        self._address = address
        self._pool = ThreadPoolExecutor(WORKERS, "letter")
        self._going: list[Future[None]] = []

    def send(self, conversation: str, while_busy: str) -> Letter:
        """Send the next letter."""
        letter = Letter(conversation, f"m{len(self.letters) + 1}", while_busy)
        self.letters.append(letter)
        self._going.append(self._pool.submit(self._deliver, letter))
        return letter

    def ask(self, method: str, path: str, body: Any = None) -> None:
        """Some other request, whatever becomes of it."""
        self._going.append(self._pool.submit(self._once, method, path, body))

    def take_back(self, letter: Letter) -> None:
        """Ask for a letter back that may still wait."""
        self._going.append(self._pool.submit(self._delete, letter))

    def _deliver(self, letter: Letter) -> None:
        end = time.monotonic() + DELIVERY
        while time.monotonic() < end:
            status, answer = self._try("POST", letter.path, letter.body, letter.text)
            letter.tries += 1
            if status and status not in LATER:
                letter.answer, letter.status = answer, status
                return
            if status:
                self.refused[status] += 1
                letter.refusals.append(f"{status} {answer.get('code')} {answer.get('detail')}")
            pause(AGAIN)

    def _try(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        try:
            assert self._address.url
            return call(self._address.url, method, path, body, key)
        except (*BROKEN, AssertionError):
            return 0, None

    def _once(self, method: str, path: str, body: Any) -> None:
        self._try(method, path, body)

    def _delete(self, letter: Letter) -> None:
        submit_id = (letter.answer or {}).get("submit_id", "none")
        path = f"/conversations/{letter.conversation}/queue/{submit_id}"
        letter.taken_back = self._try("DELETE", path)[0]

    def wait(self) -> None:
        """Wait until every letter has its answer."""
        going, self._going = self._going, []
        for each in going:
            each.result(DELIVERY + 30)
        lost = [letter for letter in self.letters if not letter.status]
        assert not lost, f"no answer in {DELIVERY:g} s: {lost}"

    def forget(self, conversations: set[str]) -> None:
        """Empty the letters of conversations that are judged for good."""
        for letter in self.letters:
            if letter.conversation in conversations:
                letter.answer = None

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
