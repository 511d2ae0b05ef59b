"""Directories that a caller may start work in: where a path leads, not how it is spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_http_server.auth.callers import LOCAL, TOKENLESS, Caller, Scope
from codex_http_server.auth.roots import inside, roots_of

HIGH = Caller("token:a", "token", TOKENLESS | {Scope.ELEVATE})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`root/inner`, a link out of it, a link within it, and a neighbour whose name begins alike."""
    made = tmp_path / "root"
    (made / "inner").mkdir(parents=True)
    (tmp_path / "root2").mkdir()
    (made / "out").symlink_to(tmp_path / "root2")
    (made / "within").symlink_to(made / "inner")
    (made / "loop").symlink_to(made / "loop")
    return made


@pytest.mark.parametrize(
    "path",
    ["", "/", "/inner", "/inner/", "/inner/..", "/within", "/none/at/all", "/../root", "/loop"],
)
def test_what_leads_inside(root: Path, path: str) -> None:
    assert inside(f"{root}{path}", [root])
    assert inside(f"{root}{path}", [Path("/no/such/root"), root])


@pytest.mark.parametrize(
    "path",
    ["2", "/..", "/out", "/out/none", "/../root2", "/inner/../../root2", "/within/../..", "x"],
)
def test_what_leads_outside(root: Path, path: str) -> None:
    assert not inside(f"{root}{path}", [root])


def test_a_root_that_is_not_there_holds_nothing(root: Path) -> None:
    assert not inside(str(root), [])
    assert not inside("/no/such/root/x", [Path("/no/such/root")])


def test_everything_is_below_the_root_of_all(root: Path) -> None:
    assert inside(str(root), [Path("/")])


def test_whom_the_roots_hold() -> None:
    given = [Path("/a")]
    for here in (True, False):
        assert roots_of(HIGH, given, here=here) is None
        assert roots_of(LOCAL, given, here=here) == given
    assert roots_of(LOCAL, [], here=True) is None
    assert roots_of(LOCAL, [], here=False) == [Path.home()]
