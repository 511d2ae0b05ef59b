"""The pages that users read, and the fenced blocks in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@dataclass(frozen=True)
class Snippet:
    """One fenced block: where it stands, and what it says."""

    page: str
    number: int  # among the blocks of its language on the page, from 1
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def text(path: Path) -> str:
    """A page as it is."""
    return path.read_text(encoding="utf-8")


def name(path: Path) -> str:
    """A page's path from the root of the repository."""
    return str(path.relative_to(ROOT))


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text(path), re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text(path), flags=re.MULTILINE | re.DOTALL)


def snippets(language: str) -> list[Snippet]:
    """The blocks of one language on all pages."""
    return [
        Snippet(name(path), number, block)
        for path in PAGES
        for number, block in enumerate(blocks(path, language), 1)
    ]
