"""Where this server keeps things."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_http_server.errors import HomeNotWritable
from codex_http_server.places import (
    SOCKET_PATH_LIMIT,
    Places,
    places,
    remove_socket,
    socket_folder,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes and links are POSIX")


def of(tmp_path: Path, home: str = "home", data: Path | None = None) -> Places:
    return places(tmp_path / home, data, tmp_path / "state")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A short private folder in place of the user's runtime folder."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_the_folders_are_made_for_this_user_only(tmp_path: Path) -> None:
    made = of(tmp_path, data=tmp_path / "deep" / "data")
    assert [mode(folder) for folder in (made.home, made.state, made.data)] == [0o700] * 3
    assert list(made.state.iterdir()) == []


def test_a_home_that_exists_keeps_its_mode_and_content(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home" / "config.toml").write_text("x")
    made = of(tmp_path)
    assert (mode(made.home), [p.name for p in made.home.iterdir()]) == (0o755, ["config.toml"])


def test_two_names_of_one_home_meet_in_one_place(tmp_path: Path) -> None:
    direct = of(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    assert of(tmp_path, "link") == direct == of(tmp_path, "home/../home")


def test_two_homes_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    one, two = of(tmp_path, "a/.codex"), of(tmp_path, "b/.codex")
    assert len({one.state, two.state, one.runtime, two.runtime}) == 4
    assert one.state.name.startswith("codex-")


def test_only_the_log_moves_with_the_data_folder(tmp_path: Path) -> None:
    here, there = of(tmp_path), of(tmp_path, data=tmp_path / "data")
    assert there.database == tmp_path / "data" / "log.db"
    assert here.database.parent == here.state
    for name in ("server_lock", "discovery", "core_record", "core_output", "protocol_cache"):
        assert getattr(here, name) == getattr(there, name)
        assert getattr(here, name).parent == here.state


@pytest.mark.parametrize("what", ["home", "data", "state"])
def test_a_place_that_is_a_file_is_refused_with_its_name(tmp_path: Path, what: str) -> None:
    (tmp_path / what).write_text("a file")
    with pytest.raises(HomeNotWritable, match=f"{tmp_path / what}.* can't be written") as error:
        of(tmp_path, data=tmp_path / "data")
    assert "--codex-home" in str(error.value.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(HomeNotWritable, match="Permission denied"):
        of(tmp_path)


# --- the runtime folder --------------------------------------------------------------------


def test_a_private_runtime_folder_of_the_user_is_used(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    made = of(tmp_path)
    assert made.runtime.parent == runtime / "codex-http-server"
    assert mode(socket_folder(made.runtime)) == mode(made.runtime.parent) == 0o700
    assert socket_folder(made.runtime) == made.runtime


@pytest.mark.parametrize("why", ["open", "long", "absent", "empty", "link"])
def test_a_runtime_folder_that_will_not_do_is_not_used(
    tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    given = {"long": runtime / ("x" * 60), "absent": runtime / "absent", "link": runtime / "link"}
    (runtime / ("x" * 60)).mkdir(mode=0o700)
    (runtime / "link").symlink_to(runtime)
    if why == "open":
        runtime.chmod(0o755)
    value = "" if why == "empty" else str(given.get(why, runtime))
    monkeypatch.setenv("XDG_RUNTIME_DIR", value)
    assert of(tmp_path).runtime.parent == Path(f"/tmp/codex-http-server-{os.getuid()}")


def test_a_socket_s_path_fits_even_for_the_longest_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep = of(tmp_path, "/".join(["x" * 50] * 10))
    assert len(os.fsencode(deep.runtime / "01234567.sock")) < SOCKET_PATH_LIMIT


@pytest.mark.parametrize("wrong", ["open", "link"])
@pytest.mark.parametrize("which", ["parent", "itself"])
def test_a_socket_folder_that_others_can_enter_is_refused(
    runtime: Path, wrong: str, which: str
) -> None:
    folder = runtime / "app" / "socket"
    victim = folder.parent if which == "parent" else folder
    victim.parent.mkdir(mode=0o700, exist_ok=True)
    if wrong == "open":
        victim.mkdir()
        victim.chmod(0o755)
    else:
        (runtime / "elsewhere").mkdir(mode=0o700)
        victim.symlink_to(runtime / "elsewhere")
    with pytest.raises(HomeNotWritable, match="open to others"):
        socket_folder(folder)


def test_a_socket_folder_that_is_a_file_is_refused(runtime: Path) -> None:
    (runtime / "app").touch()
    with pytest.raises(HomeNotWritable):
        socket_folder(runtime / "app" / "socket")


def test_a_socket_goes_with_its_folder_unless_another_is_in_it(runtime: Path) -> None:
    folder = socket_folder(runtime / "app" / "socket")
    one, two = folder / "1.sock", folder / "2.sock"
    one.touch()
    two.touch()
    remove_socket(one)
    assert [path.name for path in folder.iterdir()] == ["2.sock"]
    remove_socket(two)
    remove_socket(two)
    assert not folder.exists()
