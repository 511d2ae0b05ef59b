"""The package holds the page: who installs the wheel needs no Node; little is loaded at first."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.builtpage import BUILT, needs_page
from tests.support.pages import ROOT
from tests.support.server import Site, start

pytestmark = [pytest.mark.core, pytest.mark.timeout(180), needs_page]

UV = Path(sys.executable).with_name("uv")
BUILD = ("build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir")
INSIDE = "codex_http_server/api/page/"
FIRST_LOAD = 500_000  # bytes at most, gzipped
BEGINNING = 5_000  # of what is asked for again with every load: index.html and page.js


def uv(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the uv that `make` uses, offline."""
    command = [str(UV), "--offline", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it."""
    made = tmp_path_factory.mktemp("wheel")
    done = uv(*BUILD, str(made))
    assert done.returncode == 0, done.stderr
    (found,) = made.glob("*.whl")
    return found


def size(names: set[str]) -> int:
    """Bytes of some files of the page, gzipped."""
    return sum(len(gzip.compress((BUILT / name).read_bytes())) for name in names)


def loaded_first() -> set[str]:
    """The files that are there before anything can be seen: what index.html names, what page.js
    loads, and what those import in turn; not what is loaded when it is needed."""
    found: set[str] = set()
    waiting = ["index.html"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += [each for each in _names(name) if each not in found]
    return found


def _names(name: str) -> list[str]:
    text = (BUILT / name).read_text(encoding="utf-8")
    if name == "index.html":
        return re.findall(r'(?:src|href)="/page/([^"]+)"', text)
    static = re.findall(r'(?:from|\bimport)\s*["\'`]\./([^"\'`]+)["\'`]', text)
    dynamic = (
        re.findall(r'\bimport\(["\'`]\./([^"\'`]+)["\'`]\)', text) if name == "page.js" else []
    )
    return [*static, *dynamic]


def test_the_wheel_holds_all_of_the_page(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        packed = {name.removeprefix(INSIDE) for name in names if name.startswith(INSIDE)}
        assert packed == {path.name for path in BUILT.iterdir()}
        for name in packed:
            assert archive.read(INSIDE + name) == (BUILT / name).read_bytes()


def test_a_first_load_is_small() -> None:
    first = loaded_first()
    assert any(name.startswith("app-") for name in first)
    assert any(name.endswith(".css") for name in first)
    assert size({"index.html", "page.js"}) <= BEGINNING
    assert size(first) <= FIRST_LOAD, {name: size({name}) for name in sorted(first)}


def test_the_licences_of_what_is_in_it_are_beside_it_and_there_is_one_react() -> None:
    named = re.findall(r"^## (\S+) - \S+ \(", (BUILT / "licenses.md").read_text(), re.MULTILINE)
    assert {"react", "react-dom", "eventsource-parser"} <= set(named)
    assert len(named) == len(set(named)), "one version of each"


@pytest.fixture
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed into a folder of its own; what it depends on is the tests'."""
    target = tmp_path_factory.mktemp("installed")
    done = uv("pip", "install", "--no-deps", "--target", str(target), str(wheel), cwd=target)
    assert done.returncode == 0, done.stderr
    return target


def test_what_is_installed_serves_the_page_and_needs_no_node(
    installed: Path, site: Site, tmp_path: Path
) -> None:
    mark = installed / INSIDE / "page.js"
    mark.write_text(mark.read_text(encoding="utf-8") + "// installed")  # so that it is this one
    (tmp_path / "nothing").mkdir()
    environment = {"PATH": str(tmp_path / "nothing"), "PYTHONPATH": str(installed)}
    with start(site, environment=environment) as server:
        for name in loaded_first():
            answer = server.client.get(f"/page/{name}")
            assert answer.status_code == 200
            assert answer.content == (installed / INSIDE / name).read_bytes()
        assert server.client.get("/page/page.js").text.endswith("// installed")


def test_a_package_without_the_page_is_not_made(tmp_path: Path) -> None:
    for each in ("pyproject.toml", "README.md", "LICENSE", "scripts"):
        (tmp_path / each).symlink_to(ROOT / each)
    package = tmp_path / "src" / "codex_http_server"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    done = uv(*BUILD, "made", cwd=tmp_path)
    assert done.returncode != 0
    assert "make install" in done.stderr
    assert not list((tmp_path / "made").glob("*.whl"))
