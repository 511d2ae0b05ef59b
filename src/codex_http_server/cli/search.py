"""`codex-http-server search`: find conversations, and what was said in them.

Owns how hits are shown. Exit codes: 0 something was found, 1 nothing was, 2 a wrong option, 3 the
server can't be reached or refused, 130 Ctrl-C.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from codex_http_server.cli.cleaning import clean
from codex_http_server.cli.options import takes
from codex_http_server.cli.reaching import Url, asking
from codex_http_server.client import Client, SearchHit
from codex_http_server.settings import Flags

PAGE: Final = 100  # hits; the server's most
MOST: Final = 10_000  # hits of one search
TITLE: Final = 70  # characters shown of a title


class Kind(StrEnum):
    """Where something is found."""

    TITLE = "title"
    PREVIEW = "preview"
    MESSAGE = "message"
    ANSWER = "answer"
    COMMAND = "command"
    OUTPUT = "output"
    FILE = "file"


@takes("codex_home")
def search(
    *,
    flags: Flags,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WORD",
            help="Words that must all be there; begin* is what begins like that.",
        ),
    ],
    kind: Annotated[
        list[Kind] | None,
        typer.Option(
            "--kind",
            "-k",
            metavar="KIND",
            help=f"Where: {', '.join(Kind)}; may be given again. Left out: all but command and"
            " output.",
        ),
    ] = None,
    conversation: Annotated[
        list[str] | None,
        typer.Option("--conversation", metavar="ID", help="Only in this one; may be given again."),
    ] = None,
    working_directory: Annotated[
        Path | None,
        typer.Option(
            "--working-directory",
            "-C",
            metavar="DIRECTORY",
            help="Only in conversations of this directory.",
        ),
    ] = None,
    archived: Annotated[
        bool | None,
        typer.Option("--archived/--no-archived", help="Only in archived ones, or only in others."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=MOST, help="So many at most.")
    ] = 20,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print each hit as a line of JSON.")
    ] = False,
    url: Url = None,
) -> None:
    """Find conversations, and what was said in them.

    Titles come first, then what is newest. A phrase stands in quotes that the
    shell leaves alone: codex-http-server search '"garden wall"'.

    On a terminal each hit is two lines. Else it is one, with tabs between: the
    conversation's id, the kind, when (UTC), the title, and the text around.

    Exit code: 0 something was found, 1 nothing was, 2 the command was typed wrongly, 3 the server
    can't be reached or refused. A token is taken from $CODEX_HTTP_TOKEN.
    """
    wanted: dict[str, Any] = {
        "q": " ".join(words),
        "kind": kind,
        "conversation": conversation,
        "working_directory": working_directory and str(working_directory.resolve()),
        "archived": archived,
    }
    with asking(flags, url) as client:
        found = list(islice(_found(client, wanted, limit), limit + 1))
    shown = _as_json if as_json else _for_people if sys.stdout.isatty() else _plain
    for hit in found[:limit]:
        typer.echo(shown(hit))
    if not found:
        typer.echo("Nothing was found.", err=True)
    elif len(found) > limit:
        typer.echo(f"There is more. --limit {min(5 * limit, MOST)} shows more of it.", err=True)
    raise typer.Exit(0 if found else 1)


def _found(client: Client, wanted: dict[str, Any], limit: int) -> Iterator[SearchHit]:
    """The hits, page after page, one more than are shown; says so where the index lacks some."""
    cursor, told = None, False
    while True:
        params = {**wanted, "limit": min(limit + 1, PAGE), "cursor": cursor}
        page = client.request("GET", "/search", params=params)
        if not page["complete"] and not told:
            told = True
            typer.echo("The index is still being made: more may be found later.", err=True)
        yield from page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _as_json(hit: SearchHit) -> str:
    return json.dumps(hit)


def _plain(hit: SearchHit) -> str:
    parts = [hit["conversation_id"], hit["kind"], hit["at"], _title(hit), hit["snippet"]["text"]]
    return "\t".join(_in_line(part) for part in parts)


def _for_people(hit: SearchHit) -> str:
    at = datetime.fromisoformat(hit["at"]).astimezone()
    title = _title(hit)
    short = title if len(title) <= TITLE else f"{title[: TITLE - 1]}…"
    head = typer.style(_in_line(short), bold=True)
    away = " · archived" if hit["archived"] else ""
    return (
        f"{head}\n  {hit['conversation_id']} · {hit['kind']} · {at:%Y-%m-%d %H:%M}{away}"
        f"\n  {_marked(hit)}\n"
    )


def _marked(hit: SearchHit) -> str:
    """The text around, what was found in it made bold."""
    snippet = hit["snippet"]
    text, at, parts = snippet["text"], 0, list[str]()
    for match in snippet["matches"]:
        parts.append(_in_line(text[at : match["start"]]))
        parts.append(typer.style(_in_line(text[match["start"] : match["end"]]), bold=True))
        at = match["end"]
    whole = "".join([*parts, _in_line(text[at:])]).strip()
    return f"{'… ' * snippet['cut_before']}{whole}{' …' * snippet['cut_after']}"


def _title(hit: SearchHit) -> str:
    return hit["title"] or hit["preview"] or "(no title)"


def _in_line(text: str) -> str:
    """Without line ends and tabs, and safe to show."""
    return clean(re.sub(r"\s", " ", text))
