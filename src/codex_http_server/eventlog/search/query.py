"""What somebody looks for, as an FTS5 expression. Pure.

Whatever is typed is words: nothing of it is an operator but "quotes" around a phrase and a * at
the end of a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from codex_http_server.eventlog.search.text import Kind, clean, has_word, split

_PART: Final = re.compile(r'"([^"]*)("?)(\*?)|([^\s"]+)')


class Word(NamedTuple):
    """A word or a phrase; `begins`: what begins like this will do."""

    text: str
    begins: bool


def parse(text: str, *, prefix: bool) -> list[Word]:
    """The words of a query that can be found at all. `prefix`: the last one is still typed."""
    parts = [_word(found) for found in _PART.finditer(clean(text))]
    if prefix and parts:
        parts[-1] = parts[-1]._replace(begins=True)
    return [word for word in parts if has_word(word.text)]


def _word(found: re.Match[str]) -> Word:
    phrase, _, star, single = found.groups()
    if single is None:
        return Word(phrase, bool(star))
    return Word(single.rstrip("*"), single.endswith("*"))


def expression(words: Sequence[Word], kinds: Sequence[Kind]) -> str:
    """The rows that have all the words in columns of these kinds."""
    all_of = " AND ".join(f'"{split(word.text)}"{" *" if word.begins else ""}' for word in words)
    return f"{{{' '.join(kinds)}}} : ({all_of})"
