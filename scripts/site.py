"""Hooks of the site's builder: pages that stand outside docs/ join it, and links fit the site.

In the repository a page links to what it speaks of, sources included. On the site a link to a
page goes to that page; a link to anything else in the repository is left as its words.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
JOINED = {  # a file of the repository: its place on the site
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "openapi.json": "openapi.json",
}
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Let the pages outside docs/ join."""
    for name, place in JOINED.items():
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let each link of a page fit the site."""
    del config, files
    return fitted(markdown, page.file.src_uri)


def fitted(markdown: str, place: str) -> str:
    """The page at `place` of the site, with links that fit there; what is fenced stays."""
    parts = FENCE.split(markdown)
    fences = [*FENCE.findall(markdown), ""]
    return "".join(_links(part, place) + fence for part, fence in zip(parts, fences, strict=True))


def _links(text: str, place: str) -> str:
    return LINK.sub(lambda found: _link(found["words"], found["target"], place), text)


def _link(words: str, target: str, place: str) -> str:
    path, _, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return f"[{words}]({target})"
    there = _on_site(posixpath.normpath(posixpath.join(posixpath.dirname(_source(place)), path)))
    if there is None:
        return words
    way = posixpath.relpath(there, posixpath.dirname(place) or ".")
    return f"[{words}]({way}{'#' if anchor else ''}{anchor})"


def _source(place: str) -> str:
    """The file of the repository that stands at a place of the site."""
    joined = {place: name for name, place in JOINED.items()}
    return joined.get(place, f"docs/{place}")


def _on_site(source: str) -> str | None:
    """Where a file of the repository stands on the site, if it does."""
    if source in JOINED:
        return JOINED[source]
    return source.removeprefix("docs/") if source.startswith("docs/") and "." in source else None
