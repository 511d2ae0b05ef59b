"""The fence: what is opened, what is refused, and what is swapped in the moment between."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from codex_http_server.auth import fence as module
from codex_http_server.auth.fence import Fence
from codex_http_server.errors import (
    FileNotThere,
    FileProtected,
    FileUnreadable,
    OutsideRoots,
    ServerError,
)

SECRET = "not for you"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project beside a secret, a home inside it, and links of all kinds."""
    made = tmp_path / "project"
    for folder in ("src/deep", "home/sub"):
        (made / folder).mkdir(parents=True)
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "file").write_text(SECRET)
    (made / "src" / "deep" / "file").write_text("inside")
    (made / "home" / "auth.json").write_text(SECRET)
    os.link(made / "home" / "auth.json", made / "twin")
    links = {
        "near": "src/deep/file",
        "far": "../secret",
        "absolute": str(tmp_path / "secret"),
        "folder": "src/deep",
        "out": "../outer",
        "loop": "loop",
        "dangling": "nothing",
        "dangling-out": "../nothing",
        "to-home": "home",
        "proc": "/proc/self/root",
    }
    for name, target in links.items():
        (made / name).symlink_to(target)
    os.mkfifo(made / "pipe")
    return made


def read(fence: Fence, path: str) -> str:
    with fence.open(path) as opened:
        return os.read(opened.fd, 100).decode() if not opened.is_directory else "/"


def fenced(project: Path) -> Fence:
    secrets = [project / "home", project / "home" / "auth.json", project / "no" / "such"]
    return Fence(str(project), [], secrets)


@pytest.mark.parametrize(
    "path",
    ["src/deep/file", "./src/../src/deep//file", "near", "folder/file", "../project/near",
     "src/deep/../../near", "out/../project/near"],
)  # fmt: skip
def test_what_is_inside_is_opened(project: Path, path: str) -> None:
    assert read(fenced(project), path) == "inside"
    assert read(fenced(project), f"{project}/{path}") == "inside"


def test_the_directory_itself_may_be_a_link(project: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(project)
    fence = Fence(str(tmp_path / "alias"), [])
    assert read(fence, "near") == "inside"
    assert read(fence, "") == read(fence, ".") == "/"
    with fence.open("near") as opened:
        assert fence.shown(opened.path) == "src/deep/file"
    with fence.open("") as opened:
        assert fence.shown(opened.path) == "."


def test_roots_are_read_too(project: Path, tmp_path: Path) -> None:
    fence = Fence(str(project), [tmp_path / "outer", tmp_path / "no-such"])
    assert read(fence, "out/file") == SECRET
    with fence.open("out/file") as opened:
        assert fence.shown(opened.path) == str(tmp_path / "outer" / "file")


@pytest.mark.parametrize(
    "path",
    ["..", "../secret", "far", "absolute", "out", "out/file", "out/none", "dangling-out", "/",
     "/etc/passwd", "//etc/passwd", "../nothing", "../project2", "proc", "proc/etc", "/dev/zero",
     "src/../../secret", "../outer/file"],
)  # fmt: skip
def test_what_is_outside_is_refused_and_nothing_is_said_of_it(project: Path, path: str) -> None:
    with pytest.raises(OutsideRoots) as refused:
        read(fenced(project), path)
    assert refused.value.detail == f"{path!r} is outside what can be read of this conversation."


@pytest.mark.parametrize(
    "path", ["home", "home/auth.json", "home/sub", "home/none", "twin", "to-home/auth.json"]
)
def test_what_is_secret_is_refused_by_any_name(project: Path, path: str) -> None:
    with pytest.raises(FileProtected):
        read(fenced(project), path)


@pytest.mark.parametrize("path", ["none", "src/none/none", "near/none", "dangling", "loop/x", "~"])
def test_what_is_not_there(project: Path, path: str) -> None:
    with pytest.raises(FileNotThere):
        read(fenced(project), path)


@pytest.mark.parametrize("path", ["loop", "pipe", "src\0", "\ud800", "x" * 300])
def test_what_can_not_be_read(project: Path, path: str) -> None:
    with pytest.raises(FileUnreadable):
        read(fenced(project), path)


def test_a_pipe_with_a_waiting_writer_is_left_alone(project: Path) -> None:
    opened: list[int] = []
    writer = threading.Thread(
        target=lambda: opened.append(os.open(project / "pipe", os.O_WRONLY)), daemon=True
    )
    writer.start()
    with pytest.raises(FileUnreadable):
        read(fenced(project), "pipe")
    assert not opened, "the writer was let go on"
    reader = os.open(project / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer.join(10)
    os.close(opened.pop())
    os.close(reader)


def test_a_socket_is_no_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)  # its path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
        with pytest.raises(FileUnreadable):
            read(fenced(project), "sock")


def test_nothing_stays_open(project: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("near", "src", "far", "home/auth.json", "none", "loop", "pipe", "twin", "/", "\0"):
        try:
            read(fenced(project), path)
        except ServerError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(("name", "into"), [("src", "../outer"), ("src/deep", "../../outer")])
def test_a_folder_that_is_swapped_after_the_look_is_not_followed(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, into: str
) -> None:
    """The moment between: resolved as a folder, a link out when it is opened."""
    (project.parent / "outer" / "deep").mkdir()
    (project.parent / "outer" / "deep" / "file").write_text(SECRET)
    real = os.path.realpath

    def swapped(path: str | Path) -> str:
        found = real(path)
        if found.endswith("src/deep/file"):
            (project / name).rename(project / "away")
            (project / name).symlink_to(into)
        return found

    fence = fenced(project)
    monkeypatch.setattr(module.os.path, "realpath", swapped)
    with pytest.raises((FileNotThere, FileUnreadable)):
        read(fence, "src/deep/file")


@pytest.mark.parametrize("put", ["link", "pipe", "hard link"])
def test_a_file_that_is_swapped_after_it_was_looked_at_is_not_read(
    project: Path, monkeypatch: pytest.MonkeyPatch, put: str
) -> None:
    """The last moment: a file when it is looked at, another thing when it is opened."""
    look, file, secret = os.stat, project / "src/deep/file", project.parent / "secret"

    def swapped(path: str, **given: Any) -> os.stat_result:
        info = look(path, **given)
        if path == "file":
            file.unlink()
            {
                "link": lambda: file.symlink_to(secret),
                "pipe": lambda: os.mkfifo(file),
                "hard link": lambda: os.link(secret, file),
            }[put]()
        return info

    monkeypatch.setattr(module.os, "stat", swapped)
    with pytest.raises(FileUnreadable):
        read(fenced(project), "src/deep/file")


def test_a_race_is_never_won(project: Path) -> None:
    """A folder that is a link out half of the time is read inside or not at all."""
    fence, stop = fenced(project), threading.Event()
    (project / "a").mkdir()
    (project / "a" / "file").write_text("inside")
    (project / "b").symlink_to("../outer")

    def swap() -> None:
        while not stop.is_set():
            for old, new in (("a", "c"), ("b", "a"), ("a", "b"), ("c", "a")):
                (project / old).rename(project / new)

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    seen: set[str] = set()
    try:
        for _ in range(4000):
            try:
                seen.add(read(fence, "a/file"))
            except ServerError as error:
                seen.add(error.code)
    finally:
        stop.set()
        thread.join(10)
    assert "inside" in seen
    assert SECRET not in seen
    assert len(seen) > 1, "nothing was swapped in between"


def test_where_folders_can_not_be_opened_the_path_is_judged(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr(module, "BY_HAND", False)
    assert read(fenced(project), "near") == "inside"
    for path in ("far", "out/file", "/etc/passwd", "../nothing"):
        with pytest.raises(OutsideRoots):
            read(fenced(project), path)
    for path in ("home/auth.json", "twin", "home/none"):
        with pytest.raises(FileProtected):
            read(fenced(project), path)
    with pytest.raises(FileUnreadable):
        read(fenced(project), "pipe")
    with pytest.raises(FileNotThere):
        read(fenced(project), "none")
