"""What a secret looks like, wherever it turns up. Pure.

Owns the marks. A mark is looked for by a text that each secret of its kind contains, and then by
its whole form: a first look at a megabyte takes a millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from codex_http_server.testing.tokens import SECRET_MARK, encode

# A tail of a JSON Web Token's payload may be all that is left of it.
_PAYLOAD = encode(f'{{"mark":"{SECRET_MARK}"'.encode())


class Mark(NamedTuple):
    """One kind of secret: a text that it contains, its whole form, and how it is called."""

    start: str
    form: re.Pattern[str]
    kind: str


def _ours(prefix: str, kind: str) -> Mark:
    return Mark(prefix, re.compile(prefix + r"[A-Za-z0-9_-]{43}"), kind)


MARKS = (
    # Whatever the login issuer hands out: tokens, codes, keys (testing/tokens.py).
    Mark(SECRET_MARK, re.compile(SECRET_MARK), "a secret of the login issuer"),
    Mark(_PAYLOAD[:16], re.compile(_PAYLOAD[:24]), "a part of a token of the login issuer"),
    _ours("cht_", "a token"),
    _ours("chs_", "a ticket"),
    _ours("chp_", "a page's secret"),
    _ours("chc_", "a page's code"),
    Mark("whsec_", re.compile(r"whsec_[A-Za-z0-9+/]{32}"), "a webhook's secret"),
    Mark("sk-", re.compile(r"(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{16,}"), "an API key"),
    Mark("eyJ", re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*"), "a JSON Web Token"),
)


def secrets_in(text: str) -> Iterator[str]:
    """The kinds of secrets that `text` contains, each once; never the secrets themselves."""
    for mark in MARKS:
        place = text.find(mark.start)
        if place >= 0 and mark.form.search(text, max(0, place - 1)):
            yield mark.kind
