"""Files: paths that lead out of a conversation's directory, to secrets, or to what is no file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from codex_http_server.testing.attack.answers import CLOSED, Answer
from codex_http_server.testing.attack.attacks import Verdict, attack, skipped
from codex_http_server.testing.attack.scopes import NONE
from codex_http_server.testing.attack.stage import QUICK, Stage, refuses

REFUSALS: Final = (400, 404, 414, 422)
UP: Final = "../" * 24
OUT: Final = (  # as they stand in the address
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    f"{UP}etc/passwd",
    f"x/{UP}etc/passwd",
    f"./{UP}etc/passwd",
    "..%2f" * 24 + "etc%2fpasswd",
    "%2e%2e/" * 24 + "etc/passwd",
    "..%5c" * 24 + "etc%5cpasswd",
    "..%c0%af" * 24 + "etc/passwd",
    "%252e%252e%252f" * 24 + "etc/passwd",
    "/etc/passwd%00",
    "/etc/passwd%00.png",
    "%00",
    "file:///etc/passwd",
    "~/.ssh/id_rsa",
    "~root/.bashrc",
    "$HOME/.ssh/id_rsa",
    "C:%5cWindows%5cwin.ini",
    "%5c%5c127.0.0.1%5cshare%5cx",
    "/.",
    "/..",
    UP,
    "a/" * 2000,
    "a" * 300,
    "%ed%a0%80",
)
NO_FILES: Final = ("/dev/zero", "/dev/random", "/dev/stdin", "/dev/tty", "/dev/fd/0", "/dev/mem")
SECRET: Final = (
    "/proc/self/environ",
    "/proc/self/mem",
    "/proc/self/fd/0",
    "/proc/self/root/proc/self/environ",
    "/proc/self/task/1/environ",
    f"{UP}proc/self/environ",
    f"{UP}proc/self/cwd/../../../../../proc/self/environ",
)


def _secrets() -> tuple[str, ...]:
    """Where this user's Codex keeps a login, if the server is on this machine."""
    login = str(Path.home() / ".codex" / "auth.json")
    return (*SECRET, quote(login), quote(f"{UP}{login.lstrip('/')}"), ".codex/auth.json")


@attack("Any file of the user can be read, by who may only look at a conversation.")
async def outside_of_the_directory(stage: Stage) -> Verdict:
    where = await _conversation(stage)
    if where is None:
        return skipped("this server has no conversation")
    cases = _cases(stage, where, OUT)
    return await stage.judge(cases, lambda it: refuses(it, *REFUSALS) or _within(it))


@attack("The login, the tokens and the server's environment are files too.")
async def what_is_secret(stage: Stage) -> Verdict:
    where = await _conversation(stage)
    if where is None:
        return skipped("this server has no conversation")
    return await stage.refused(_cases(stage, where, _secrets()), *REFUSALS)


@attack("A device is read for ever, a pipe is waited for, and nobody else is served.")
async def what_is_no_file(stage: Stage) -> Verdict:
    where = await _conversation(stage)
    if where is None:
        return skipped("this server has no conversation")
    cases = _cases(stage, where, NO_FILES)
    return await stage.judge(cases, lambda it: refuses(it, *REFUSALS), wait=2 * QUICK)


async def _conversation(stage: Stage) -> str | None:
    """One to ask about; one that does not exist where this sender sees none; None if there is
    none."""
    found = (await stage.ask(stage.get("/conversations?limit=1"))).json.get("data")
    if found == []:
        return None
    first: object = cast("list[Any]", found)[0] if isinstance(found, list) else None
    return str(cast("dict[str, Any]", first)["id"]) if isinstance(first, dict) else NONE


def _cases(stage: Stage, conversation: str, paths: tuple[str, ...]) -> dict[str, bytes]:
    there = f"/files?conversation_id={conversation}&path="
    return {path[:60] + f" ({len(path)})": stage.get(there + path) for path in paths}


def _within(answer: Answer) -> bool:
    """Read after all, because the conversation works there: its directory may be the root."""
    path = answer.json.get("path") if answer.status != CLOSED else None
    return isinstance(path, str) and not path.startswith("/")
