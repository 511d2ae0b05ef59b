"""What the scripted model does in one response: a tuple of steps.

Nothing here does I/O. `responses` turns steps into the bytes of the Responses API and
`provider` sends them. A step that shapes the whole answer (`Headers`, `Fail`) stands first.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Arguments: TypeAlias = Mapping[str, object]


class Gate:
    """A place where the provider stops until the test lets it go on; it stays open after that.

    A gate stands among the steps or among the parts of a `Text`. The provider waits at most
    60 s (`provider.GATE_SECONDS`), then cuts the stream and says so in `Provider.failures`.
    """

    def __init__(self, name: str = "gate") -> None:
        self.name = name
        self.reached = threading.Event()
        self._lock = threading.Lock()
        self._open = False
        self._listeners: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return f"Gate({self.name!r})"

    def open(self) -> None:
        """Let the provider go on, now and whenever it comes here again. Any thread may call it."""
        with self._lock:
            self._open = True
            listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener()

    def wait_reached(self, timeout: float = 10.0) -> None:
        """Return once the provider stands at the gate; TimeoutError after `timeout` seconds."""
        if not self.reached.wait(timeout):
            raise TimeoutError(f"the provider did not reach {self!r} within {timeout} s")

    def when_open(self, listener: Callable[[], None]) -> None:
        """Call `listener` once when the gate opens, or at once if it is open already."""
        with self._lock:
            if not self._open:
                self._listeners.append(listener)
                return
        listener()


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait `seconds` before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection here, without an end to the message or to the response."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Send nothing more until the gate opens or the caller leaves, then cut the connection.

    As the first step it comes straight after the HTTP headers.
    """

    gate: Gate


@dataclass(frozen=True, slots=True)
class Failed:
    """End the stream with a `response.failed` event, e.g. `Failed("server_error", "try again")`."""

    code: str
    message: str


Part: TypeAlias = str | Gate | Pause | Drop | Silence | Failed


@dataclass(frozen=True, slots=True)
class Text:
    """One assistant message.

    A string is cut into deltas of `chunk` characters. A sequence is taken as it stands: each
    string is one delta, and a gate, a pause or an abrupt end may come between two of them.
    """

    content: str | Sequence[Part]
    chunk: int = 16


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A reasoning item: one summary part, and raw text where the model shows it."""

    summary: str
    raw: str = ""
    chunk: int = 16


@dataclass(frozen=True, slots=True)
class Command:
    """Run `cmd` in the core's shell (`exec_command`).

    `yield_ms` is how long the model waits before the command goes to the background;
    `escalate` asks to leave the sandbox, with `justification` as the reason shown to people.
    Only with `tty` does the command read what `WriteStdin` sends; without, its input is empty.
    """

    cmd: str
    yield_ms: int | None = None
    workdir: str | None = None
    escalate: bool = False
    justification: str = ""
    tty: bool = False


@dataclass(frozen=True, slots=True)
class WriteStdin:
    """Send characters to a command that runs in the background, or poll it with none."""

    session_id: int
    chars: str = ""
    yield_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """Change files: the text of one `*** Begin Patch` … `*** End Patch` (`apply_patch`)."""

    patch_text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """Call any function tool by name."""

    name: str
    arguments: Arguments = field(default_factory=dict[str, object])
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts that the end of the response reports; `total` is input + output."""

    input: int = 100
    cached: int = 40
    output: int = 20
    reasoning: int = 5


@dataclass(frozen=True, slots=True)
class Headers:
    """HTTP headers of the answer, such as `x-codex-primary-used-percent`."""

    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an HTTP error in place of a stream; `body` None gives a plain JSON error."""

    status: int
    body: Mapping[str, object] | str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


Act: TypeAlias = Text | Reasoning | Command | WriteStdin | Patch | ToolCall
Step: TypeAlias = Act | Gate | Pause | Drop | Silence | Failed | Usage | Headers | Fail


def pieces(text: str, size: int) -> list[str]:
    """Cut text into pieces of `size` characters, the last one shorter; "" gives none."""
    if size < 1:
        raise ValueError("size must be at least 1")
    return [text[start : start + size] for start in range(0, len(text), size)]
