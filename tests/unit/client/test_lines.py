"""Lines of a long answer, however it is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codex_http_server.client.lines import Lines

SPECIAL = "a\u2028b\rc\x0b d\u0085é"  # no line ends of JSON lines


@given(st.lists(st.sampled_from(["", "x", "ü" * 50, SPECIAL])), st.integers(1, 7))
def test_the_lines_are_those_that_were_sent(lines: list[str], step: int) -> None:
    sent = "".join(f"{line}\n" for line in lines).encode()
    parser = Lines()
    found: list[str] = []
    for start in range(0, len(sent), step):
        found += parser.feed(sent[start : start + step])
    assert [*found, *parser.end()] == lines


def test_a_last_line_without_an_end() -> None:
    parser = Lines()
    assert [*parser.feed(b"one\ntw"), *parser.feed(b"o"), *parser.end()] == ["one", "two"]
    assert list(Lines().end()) == []
