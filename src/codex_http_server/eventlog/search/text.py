"""What of an item or a conversation is searched, and how its text is prepared. Pure.

SQLite's tokenizer takes what lies between spaces and punctuation as a word. Chinese, Japanese,
Korean, Thai and their neighbours put no spaces between words, or endings behind them; emoji stand
beside letters. So each of these characters is made a word of its own (`split`), in the text and in
what is looked for, and words of several are looked for as a phrase of them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final, Literal, TypeVar, get_args

import msgspec

from codex_http_server.events import ITEM_DISCARDED
from codex_http_server.records import ConversationRecord

T = TypeVar("T")
Kind = Literal["title", "preview", "message", "answer", "command", "output", "file"]
Columns = dict[Kind, str]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ITEMS: Final = ("userMessage", "agentMessage", "plan", "commandExecution", "fileChange")
# Of what was broken off these come again in another item, or were taken back.
TWICE: Final = frozenset({"retried", "replaced", "reverted"})
TEXT_MAX: Final = 100_000  # characters of a message or an answer
OUTPUT_MAX: Final = 8_192  # characters of a command's output: half head, half tail
BREAK, OPEN, CLOSE = "\x1f", "\x02", "\x03"  # between two words; around what was found

_ALONE: Final = (
    "\u00a6\u00a9\u00ae\u00b0\u2100-\u214f\u2190-\u2bff\U0001f000-\U0001faff"  # symbols
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u312f\u3130-\u318f\u31a0-\u31ff\u3200-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
_EDGE: Final = re.compile(f"(?<=[{_ALONE}])(?=[^\\s{BREAK}])|(?<=[^\\s{BREAK}])(?=[{_ALONE}])")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# What a terminal takes for colours, places and titles; it would stick to the word behind it.
_TERMINAL: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[ -/]*[0-~])"
)
_IS_ALONE: Final = re.compile(f"[{_ALONE}]")


class _Part(msgspec.Struct):
    text: str | None = None


class _Message(msgspec.Struct):
    content: list[_Part] = []


class _Answer(msgspec.Struct):
    text: str = ""


class _Command(msgspec.Struct):
    command: str = ""
    aggregatedOutput: str | None = None


class _Change(msgspec.Struct):
    path: str = ""


class _Changes(msgspec.Struct):
    changes: list[_Change] = []


class _Of(msgspec.Struct, frozen=True):
    item: msgspec.Raw = msgspec.Raw(b"{}")


def of_item(kind: str, item_type: str, reason: str | None, data: bytes) -> Columns:
    """What is searched of an ended item, by kind; nothing where that is told again elsewhere, or
    where a newer core gives it another shape."""
    if kind == ITEM_DISCARDED and reason in TWICE:
        return {}
    match item_type:
        case "userMessage":
            parts = [part.text for part in _read(data, _Message).content if part.text]
            found: Columns = {"message": "\n".join(parts)}
        case "agentMessage" | "plan":
            found = {"answer": _read(data, _Answer).text}
        case "commandExecution":
            ran = _read(data, _Command)
            found = {"command": ran.command, "output": _output(ran.aggregatedOutput or "")}
        case "fileChange":
            found = {"file": "\n".join(each.path for each in _read(data, _Changes).changes)}
        case _:
            found = {}
    return _prepared(found)


def of_conversation(record: ConversationRecord) -> Columns:
    """What is searched of a conversation beside its items: its title, and its beginning for as
    long as that is all that is known of it."""
    found: Columns = {"title": record.title or ""}
    if record.untold:
        found["preview"] = record.preview
    return _prepared(found)


def named(record: ConversationRecord) -> str:
    """Changes with what `of_conversation` says."""
    return f"{record.title or ''}\n{record.preview if record.untold else ''}"


def split(text: str) -> str:
    """`text` with a break at either side of each character that is a word of its own."""
    return text if text.isascii() else _EDGE.sub(BREAK, text)


def clean(text: str) -> str:
    """`text` without characters that no one sees; as many as before, composed."""
    return unicodedata.normalize("NFC", _CONTROL.sub(" ", text))


def plain(output: str) -> str:
    """A command's output as a terminal shows it, without colours."""
    return _TERMINAL.sub("", output) if "\x1b" in output else output


def has_word(text: str) -> bool:
    """Whether there is anything in it that is indexed: a letter, a digit, a symbol."""
    return any(each.isalnum() for each in text) or _IS_ALONE.search(text) is not None


def _prepared(found: Columns) -> Columns:
    prepared: Columns = {
        kind: split(clean(text[:TEXT_MAX])) for kind, text in found.items() if text.strip()
    }
    return prepared


def _output(output: str) -> str:
    """Its ends, twice: what is between them need not be read for colours."""
    return _ends(plain(_ends(output, 4 * OUTPUT_MAX)), OUTPUT_MAX)


def _ends(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}\n…\n{text[-half:]}"


def _read(data: bytes, shape: type[T]) -> T:
    """The item of an event in this shape; an empty one, where it has another."""
    try:
        return msgspec.json.decode(msgspec.json.decode(data, type=_Of).item, type=shape)
    except msgspec.MsgspecError:
        empty: Any = shape()
        return empty
