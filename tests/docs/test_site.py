"""The site of the documents is built without a warning, and its links fit it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.pages import ROOT


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """The hooks of the builder, which it loads by their path."""
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "scripts" / "site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    builder = Path(sys.executable).with_name("mkdocs")
    done = subprocess.run(
        [str(builder), "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "guides" / "events.html").read_text(encoding="utf-8")
    assert 'href="../events.html"' in page
    assert 'src="http' not in page, "nothing is fetched from elsewhere"


@pytest.mark.parametrize(
    ("place", "written", "fitted"),
    [
        ("index.md", "[README](../README.md)", "[README](readme.md)"),
        ("guides/events.md", "[types](../events.md#a)", "[types](../events.md#a)"),
        ("readme.md", "[errors](docs/errors.md)", "[errors](errors.md)"),
        ("benchmarks.md", "[docs](../docs/index.md)", "[docs](index.md)"),
        ("concepts/main-path.md", "[sse.py](../../src/codex_http_server/api/sse.py)", "sse.py"),
        ("index.md", "[here](#words) [there](https://a.example/)", "[here](#words) [there](https://a.example/)"),
        ("index.md", "```\n[a](../src/b.py)\n```", "```\n[a](../src/b.py)\n```"),
    ],
)  # fmt: skip
def test_a_link_fits_the_site(hooks: ModuleType, place: str, written: str, fitted: str) -> None:
    assert hooks.fitted(written, place) == fitted
