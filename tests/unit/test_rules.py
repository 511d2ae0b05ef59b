"""The core's rules as data: what is read, and what is left when one is taken out."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from codex_http_server.engine import rulefiles, rules
from codex_http_server.engine.rulefiles import RuleFiles
from codex_http_server.engine.rules import Rule
from codex_http_server.errors import RuleNotFound, RuleNotRemovable, RulesUnusable

TOUCH = 'prefix_rule(pattern=["touch", "a b\\n"], decision="allow")'
HOST = 'network_rule(host="example.com", protocol="https", decision="deny", justification="no")'
BY_HAND = """\
# what we push to
prefix_rule(
    pattern = ["git", ["push", "fetch"]],
    decision = "prompt",  # ask
    match = [["git", "push", "origin"]],
)
"""


def only(text: str) -> Rule:
    (rule,) = rules.read("default.rules", text.encode())
    return rule


def test_what_the_core_writes_is_data() -> None:
    touch, host = rules.read("default.rules", f"{TOUCH}\n{HOST}\n".encode())
    assert (touch.kind, touch.pattern, touch.decision) == ("prefix", ("touch", "a b\n"), "allow")
    assert (touch.lines, touch.text, touch.why_not) == ((1,), TOUCH, None)
    assert (host.kind, host.host, host.protocol, host.decision, host.justification, host.lines) == (
        ("network", "example.com", "https", "deny", "no", (2,))
    )


def test_what_people_write_is_data_too() -> None:
    rule = only(BY_HAND)
    assert rule.pattern == ("git", ["push", "fetch"])
    assert (rule.decision, rule.lines, rule.why_not) == ("prompt", (2,), None)
    assert rules.without("default.rules", BY_HAND.encode(), rule.id) == b"# what we push to\n"
    assert only('prefix_rule(pattern=["ls"])').decision == "allow"


def test_an_id_stays_with_the_text_and_the_file() -> None:
    later = rules.read("default.rules", f"x = 1\n\n{TOUCH}".encode())[1]
    assert later.id == only(TOUCH).id
    assert rules.read("other.rules", TOUCH.encode())[0].id != later.id


@pytest.mark.parametrize(
    "text",
    [
        'prefix_rule(pattern=["a"]); prefix_rule(pattern=["b"])',
        'if True: prefix_rule(pattern=["a"])',
        'prefix_rule(["a"])',
        "prefix_rule(pattern=words)",
        'prefix_rule(pattern="a")',
        'prefix_rule(pattern=["a", 1])',
        'prefix_rule(pattern=[["a", ["b"]]])',
        'prefix_rule(**{"pattern": ["a"]})',
        "prefix_rule()",
        'network_rule(host="a", protocol="https")',
        'host_executable(name="git", paths=["/usr/bin/git"])',
        'def f():\n    prefix_rule(pattern=["a"])',
        "names = [\n",
        '\ufeffprefix_rule(pattern=["a"])',
        "\0",
        "(" * 5000,
        "x = " + "-" * 100_000 + "1",
        '"""\nprefix_rule(pattern=["a"])\n"""',
    ],
)
def test_what_is_no_rule_by_itself_is_shown_and_can_not_be_taken_out(text: str) -> None:
    found = rules.read("default.rules", text.encode())
    assert found
    assert all(rule.why_not for rule in found)
    assert all(rule.text in text for rule in found)


def test_no_text_that_is_no_utf8_is_taken_for_rules() -> None:
    (rule,) = rules.read("default.rules", TOUCH.encode() + b"\n# \xff\n")
    assert rule.kind == "other"
    assert rule.why_not == "It can't be read as rules: it is not UTF-8. Edit the file."


def test_a_file_with_nothing_in_it_has_no_rules() -> None:
    assert rules.read("default.rules", b"# nothing\n\n") == []


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_every_other_byte_stays(end: bytes) -> None:
    before, after = b"# \xc3\xa4\r\n\r\nx = 1\n", b'prefix_rule(pattern=["b"])' + end
    content = before + TOUCH.encode() + b"  # mine\n" + after + (end and TOUCH.encode() + b" #\n")
    touch = next(rule for rule in rules.read("f", content) if rule.text.endswith("mine"))
    assert touch.why_not is None
    assert rules.without("f", content, touch.id) == content.replace(
        TOUCH.encode() + b"  # mine\n", b""
    )


def test_a_repeated_rule_is_one_and_goes_wholly() -> None:
    text = f"{TOUCH}\nx = 1\n{TOUCH}\n"
    touch = rules.read("f", text.encode())[0]
    assert touch.lines == (1, 3)
    assert rules.without("f", text.encode(), touch.id) == b"x = 1\n"


# --- files ---------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> RuleFiles:
    found = RuleFiles(tmp_path)
    found.folder.mkdir()
    (found.folder / "default.rules").write_text(f"{TOUCH}\n{HOST}\n")
    return found


def test_all_files_of_the_folder_are_read_and_nothing_else(files: RuleFiles) -> None:
    (files.folder / "own.rules").write_text(BY_HAND)
    (files.folder / "notes.txt").write_text(TOUCH)
    (files.folder / "gone.rules").symlink_to(files.folder / "nowhere")
    assert [rule.file for rule in files.read()] == ["default.rules", "default.rules", "own.rules"]
    assert RuleFiles(files.folder).read() == []


def test_a_pipe_a_folder_and_a_huge_file_are_named_and_not_read(files: RuleFiles) -> None:
    os.mkfifo(files.folder / "pipe.rules")
    (files.folder / "folder.rules").mkdir()
    (files.folder / "huge.rules").write_bytes(b"#" * (rulefiles.BYTES + 1))
    why = {rule.file: rule.why_not or "" for rule in files.read()}
    assert "no regular file" in why["pipe.rules"]
    assert "no regular file" in why["folder.rules"]
    assert "bytes" in why["huge.rules"]


def test_what_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("a file")
    with pytest.raises(RulesUnusable, match="can't be read"):
        RuleFiles(tmp_path).read()


def test_a_rule_is_taken_out_of_its_file_which_keeps_its_mode(files: RuleFiles) -> None:
    path = files.folder / "default.rules"
    path.chmod(0o640)
    touch, host = files.read()
    assert files.remove(touch.id) == touch
    assert path.read_text() == f"{HOST}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in files.folder.iterdir()] == ["default.rules"]
    with pytest.raises(RuleNotFound):
        files.remove(touch.id)
    files.remove(host.id)
    assert path.read_text() == ""


def test_a_link_stays_one(files: RuleFiles, tmp_path: Path) -> None:
    kept = (files.folder / "default.rules").rename(tmp_path / "dotfiles.rules")
    (files.folder / "default.rules").symlink_to(kept)
    files.remove(files.read()[0].id)
    assert (files.folder / "default.rules").is_symlink()
    assert kept.read_text() == f"{HOST}\n"


def test_a_read_only_file_is_left_alone(files: RuleFiles) -> None:
    (files.folder / "default.rules").chmod(0o444)
    with pytest.raises(RulesUnusable, match="read-only") as refused:
        files.remove(files.read()[0].id)
    assert str(refused.value.hint).startswith("chmod u+w")
    assert len(files.read()) == 2


def test_what_is_no_rule_by_itself_is_refused(files: RuleFiles) -> None:
    (files.folder / "own.rules").write_text("x = 1")
    with pytest.raises(RuleNotRemovable) as refused:
        files.remove(files.read()[-1].id)
    assert refused.value.extra["file"] == str(files.folder / "own.rules")


def test_a_file_that_another_writer_holds_is_waited_for(
    files: RuleFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    touch = files.read()[0]
    with (files.folder / "default.rules").open("r+") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(rulefiles, "LOCK_WAIT", 0.0)
        with pytest.raises(RulesUnusable, match="another writer"):
            files.remove(touch.id)
    assert files.remove(touch.id) == touch


def test_a_file_that_was_replaced_meanwhile_is_read_again(
    files: RuleFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, written = files.folder / "default.rules", rulefiles._written
    touch = files.read()[0]

    def replaced(target: Path, content: bytes, mode: int) -> Path:
        monkeypatch.setattr(rulefiles, "_written", written)
        other = path.with_suffix(".new")
        other.write_text(f"{TOUCH}\n{BY_HAND}")
        other.replace(path)
        return written(target, content, mode)

    monkeypatch.setattr(rulefiles, "_written", replaced)
    files.remove(touch.id)
    assert path.read_text() == BY_HAND
    assert [each.name for each in files.folder.iterdir()] == ["default.rules"]


def test_two_who_take_the_same_rule_out_are_told_apart(files: RuleFiles) -> None:
    touch, done = files.read()[0], []

    def remove() -> None:
        try:
            done.append(files.remove(touch.id).id)
        except RuleNotFound:
            done.append("not there")

    both = [threading.Thread(target=remove) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join(10)
    assert sorted(done) == sorted([touch.id, "not there"])
