"""What the demo's script hears and says: results of tools read, patches and answers written."""

import re
from dataclasses import dataclass
from itertools import chain

from codex_http_server.testing.answers import Part, Patch, Pause, Text

_LONGEST_SPEECH_SECONDS = 4.0
_WORD_SECONDS = 0.03
_SHOWN_CHARS = 1500

_EXIT_CODE = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)$", re.MULTILINE)
_OUTPUT = "\nOutput:\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a tool call ended: `exit_code` is None if it did not run, or has not ended yet."""

    exit_code: int | None
    output: str

    @property
    def worked(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.exit_code == 0


def outcome(result: str) -> Outcome:
    """Read what the core's tools answer: a header with the exit code, then the output.

    A refusal has no header; then all of it is the output.
    """
    header, mark, output = result.partition(_OUTPUT)
    if not mark:
        return Outcome(None, result.strip())
    code = _EXIT_CODE.search(header)
    return Outcome(int(code.group(1)) if code else None, output)


def say(text: str) -> Text:
    """A message that streams word by word, slowly enough to be seen, in a few seconds at most."""
    words = re.findall(r"\s*\S+|\s+$", text)
    pause = Pause(min(_WORD_SECONDS, _LONGEST_SPEECH_SECONDS / max(len(words), 1)))
    parts: list[Part] = list(chain.from_iterable((word, pause) for word in words))
    return Text(parts)


def quoted(output: str) -> str:
    """Output as a code block, cut when long; its fence is longer than any run of ticks in it."""
    shown = output.rstrip("\n")
    if not shown:
        return "(no output)"
    if len(shown) > _SHOWN_CHARS:
        shown = shown[:_SHOWN_CHARS] + f"\n… ({len(output) - _SHOWN_CHARS} more characters)"
    ticks = max((len(run) for run in re.findall(r"`{3,}", shown)), default=2) + 1
    fence = "`" * ticks
    return f"{fence}\n{shown}\n{fence}"


def add_file(name: str, content: str) -> Patch:
    """A patch that writes a whole file, over an older one if there is any."""
    lines = "\n".join("+" + line for line in content.splitlines() or [""])
    return _patch(f"*** Add File: {name}\n{lines}")


def append_line(name: str, line: str) -> Patch:
    """A patch that adds lines at the end of a file: a hunk without old lines goes there."""
    lines = "\n".join("+" + one for one in line.splitlines())
    return _patch(f"*** Update File: {name}\n@@\n{lines}")


def replace_in(name: str, content: str, old: str, new: str) -> Patch | None:
    """A patch that replaces `old` in every line of `content` that has it; None if none has."""
    hunks = [
        f"@@\n-{line}\n+{line.replace(old, new)}" for line in content.split("\n") if old in line
    ]
    return _patch("\n".join([f"*** Update File: {name}", *hunks])) if hunks else None


def _patch(body: str) -> Patch:
    return Patch(f"*** Begin Patch\n{body}\n*** End Patch")
