"""The core's rules as data: which statements a `.rules` file has, and the file without one. Pure.

The files are Starlark, of which all that the core writes itself, and most that people write, reads
the same as Python. Owns what counts as one statement: what shares a line with another is none, so
that nothing is ever cut out of a line. Knows no files; `rulefiles.py` has them.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

Kind = Literal["prefix", "network", "session", "other"]

_KINDS: Final[dict[str, Kind]] = {"prefix_rule": "prefix", "network_rule": "network"}
_NEEDED: Final = {"prefix": ("pattern",), "network": ("host", "protocol", "decision")}
_FREE: Final = "It is more than a rule by itself: edit the file."
_SHARED: Final = "It shares a line with something else: edit the file."
_UNREAD: Final = "It can't be read as rules: {}. Edit the file."


class Rule(msgspec.Struct, frozen=True):
    """A statement of a file, or, without a file, what holds for a session. `lines` is where it
    begins, more than once where it is repeated; `pattern` is a command word by word, a list where
    one of several words fits; `why_not` says why it can't be taken out by itself."""

    id: str
    kind: Kind
    file: str | None
    lines: tuple[int, ...]
    text: str
    decision: str | None = None
    pattern: tuple[str | list[str], ...] | None = None
    host: str | None = None
    protocol: str | None = None
    justification: str | None = None
    why_not: str | None = None


def read(file: str, content: bytes) -> list[Rule]:
    """The rules of a file, in order, repeated ones once. What is no rule is `other`; a file that
    can't be read is one of these."""
    try:
        source = _Source(file, content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [unread(file, content, _said(error))]
    found: dict[str, Rule] = {}
    for rule in map(source.rule, source.nodes):
        known = found.get(rule.id)
        at = known.lines if known else ()
        found[rule.id] = msgspec.structs.replace(rule, lines=(*at, *rule.lines))
    return list(found.values())


def without(file: str, content: bytes, rule_id: str) -> bytes:
    """The file without a rule, wherever it is repeated; every other byte as it was. The rule is
    one of `read` that has no `why_not`."""
    source = _Source(file, content)
    gone = {
        number for node in source.nodes if source.rule(node).id == rule_id for number in _span(node)
    }
    return b"".join(line for number, line in enumerate(source.lines, 1) if number not in gone)


def unread(file: str, content: bytes, reason: str) -> Rule:
    """A file of which nothing more is known than its text."""
    text = content.decode(errors="replace")
    why = _UNREAD.format(reason)
    return Rule(_id(file, text), "other", file, (1,), text, why_not=why)


def _said(error: Exception) -> str:
    """What is wrong, and where, in a line."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"line {error.lineno}: {error.msg}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "it is too odd"


class _Source:
    """A file and its statements. Raises as `ast.parse`."""

    def __init__(self, file: str, content: bytes) -> None:
        self.file = file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes: the core judges them
            self.nodes = ast.parse(content.decode()).body
        self.lines = content.splitlines(keepends=True)
        self._on_line = Counter(number for node in self.nodes for number in _span(node))

    def rule(self, node: ast.stmt) -> Rule:
        """A statement as a rule."""
        text = b"".join(self.lines[number - 1] for number in _span(node)).decode().rstrip("\r\n")
        place = (_id(self.file, text), self.file, (node.lineno,), text)
        name, said = _call(node)
        kind = _KINDS.get(name, "other")
        if any(type(said.get(each)) not in (str, list) for each in _NEEDED.get(kind, ())):
            kind = "other"
        if kind == "other":
            return _of(place, kind, {}, _FREE)
        alone = all(self._on_line[number] == 1 for number in _span(node))
        return _of(place, kind, said, None if alone and _is_whole(node, self.lines) else _SHARED)


def _of(
    place: tuple[str, str, tuple[int, ...], str], kind: Kind, said: dict[str, Any], why: str | None
) -> Rule:
    rule_id, file, lines, text = place
    pattern: Any = said.get("pattern")
    decision = said.get("decision", "allow" if kind == "prefix" else None)
    return Rule(
        rule_id,
        kind,
        file,
        lines,
        text,
        decision=_text(decision),
        pattern=None if pattern is None else tuple(pattern),
        host=_text(said.get("host")),
        protocol=_text(said.get("protocol")),
        justification=_text(said.get("justification")),
        why_not=why,
    )


def _call(node: ast.stmt) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of a plain call with plain values; else nothing."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return "", {}
    call = node.value
    if not isinstance(call.func, ast.Name) or call.args:
        return "", {}
    try:
        said = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
    except (ValueError, TypeError, RecursionError):
        return "", {}
    return (call.func.id, said) if _is_pattern(said.get("pattern", [""])) else ("", {})


def _is_pattern(value: Any) -> bool:
    """Whether it is a list of words and of lists of words."""
    return isinstance(value, list) and all(
        isinstance(word, str) or _is_choice(word) for word in cast(list[Any], value)
    )


def _is_choice(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast(list[Any], value))


def _is_whole(node: ast.stmt, lines: Sequence[bytes]) -> bool:
    """Whether nothing but spaces stands before it on its lines, and a comment at most after it."""
    before = lines[node.lineno - 1][: node.col_offset]
    after = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def _span(node: ast.stmt) -> range:
    """The lines that it stands on."""
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _id(file: str, text: str) -> str:
    return hashlib.sha256(f"{file}\0{text}".encode(errors="replace")).hexdigest()[:16]
