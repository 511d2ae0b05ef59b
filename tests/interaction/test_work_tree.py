"""What changed in the working directory; and that no program of the repository is run for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.codes import refused
from tests.support.gitrepo import git, make_repository
from tests.support.server import Server
from tests.support.shared import server_at

pytestmark = pytest.mark.core


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server_at(tmp_path_factory.mktemp("tree")) as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    make_repository(folder)
    return folder


def diff(server: Server, folder: Path) -> Any:
    here = server.conversation(working_directory=str(folder))
    return server.get(f"/conversations/{here}/diff?of=work_tree")


def test_staged_unstaged_and_untracked_changes_are_there(server: Server, repository: Path) -> None:
    (repository / "file.txt").write_text("changed\n")
    (repository / "staged.txt").write_text("staged\n")
    git(repository, "add", "staged.txt")
    (repository / "new ü.txt").write_text("new\nlines")
    (repository / "ignored.txt").write_text("no\n")
    (repository / ".gitignore").write_text("ignored.txt\n")
    (repository / "binary").write_bytes(b"\xff\xfe\0")
    (repository / "link").symlink_to("/etc/passwd")
    found = diff(server, repository)
    assert found["of"] == "work_tree"
    assert found["head"] == git(repository, "rev-parse", "HEAD")
    assert found["untracked"] == [".gitignore", "binary", "link", "new ü.txt"]
    for line in ("-two", "+changed", "+staged", "+new", "+lines", "\\ No newline at end of file"):
        assert f"\n{line}\n" in found["diff"]
    assert "b/new ü.txt\n@@ -0,0 +1,2 @@" in found["diff"]
    assert "Binary files /dev/null and b/binary differ" in found["diff"]
    assert "Binary files /dev/null and b/link differ" in found["diff"]
    assert "+no\n" not in found["diff"]
    assert "root:" not in found["diff"]
    assert found["truncated"] is False
    (repository / "patch").write_text(found["diff"])  # git itself can read it
    assert "new ü.txt" in git(
        repository, "-c", "core.quotePath=false", "apply", "--numstat", "patch"
    )


def test_a_clean_one_has_none_and_one_without_a_commit_has_all(
    server: Server, repository: Path, tmp_path: Path
) -> None:
    assert diff(server, repository)["diff"] == ""
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    (empty / "a.txt").write_text("a\n")
    git(empty, "add", "a.txt")
    found = diff(server, empty)
    assert found["head"] is None
    assert "+a\n" in found["diff"]


def test_only_what_lies_below_the_working_directory(server: Server, repository: Path) -> None:
    below = repository / "below"
    below.mkdir()
    (below / "in.txt").write_text("in\n")
    (repository / "out.txt").write_text("out\n")
    found = diff(server, below)
    assert found["untracked"] == ["in.txt"]
    assert "out" not in found["diff"]


def test_a_large_one_is_cut(server: Server, repository: Path) -> None:
    (repository / "file.txt").write_text("line of a large file\n" * 100_000)
    found = diff(server, repository)
    assert found["truncated"] is True
    assert len(found["diff"].encode()) <= 1024 * 1024


def test_where_there_is_no_repository_that_is_said(server: Server, tmp_path: Path) -> None:
    here = server.conversation(working_directory=str(tmp_path))
    answer = server.client.get(f"/conversations/{here}/diff?of=work_tree")
    assert "not a git repository" in refused(answer, 422, "no_repository")["detail"]


@pytest.mark.parametrize(
    ("settings", "attributes"),
    [
        (["core.fsmonitor={}"], ""),
        (["diff.external={}"], ""),
        (["diff.evil.command={}"], "diff=evil"),
        (["diff.evil.textconv={}"], "diff=evil"),
        (["filter.evil.clean={}", "filter.evil.required=true"], "filter=evil"),
        (["filter.evil.process={}"], "filter=evil"),
        (["core.pager={}", "pager.diff=true"], ""),
        (["core.hooksPath=.hooks"], ""),
    ],
)
def test_no_program_of_the_repository_is_run(
    server: Server, repository: Path, tmp_path: Path, settings: list[str], attributes: str
) -> None:
    ran, evil = tmp_path / "ran", tmp_path / "evil"
    evil.write_text(f"#!/bin/sh\ntouch {ran}\nexec cat\n")
    evil.chmod(0o755)
    hooks = repository / ".hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        os.link(evil, hooks / hook)
    (repository / "file.txt").write_text("changed\n")
    for setting in settings:
        name, _, value = setting.rpartition("=")
        git(repository, "config", name, value.format(evil))
    if attributes:
        (repository / ".gitattributes").write_text(f"* {attributes}\n")
    found = diff(server, repository)
    assert "+changed\n" in found["diff"]
    assert not ran.exists()
