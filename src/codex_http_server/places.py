"""Where this server keeps things: one state folder and one short runtime folder per home.

Everything is found from the *real path* of CODEX_HOME, so that two names of one home meet in
one lock. Owns paths and their creation; knows no content.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from codex_http_server.errors import HomeNotWritable

APP: Final = "codex-http-server"
SOCKET_PATH_LIMIT: Final = 107  # bytes in sockaddr_un.sun_path, without the final zero


@dataclass(frozen=True)
class Places:
    """The folders of one Codex home."""

    home: Path
    state: Path
    data: Path
    runtime: Path

    @property
    def server_lock(self) -> Path:
        """Held by the one server of this home, for as long as it lives."""
        return self.state / "server.lock"

    @property
    def discovery(self) -> Path:
        """Where clients on this machine find the running server (mode 0600)."""
        return self.state / "server.json"

    @property
    def tokens(self) -> Path:
        """Where tokens are kept, as hashes, unless `--token-file` names another place."""
        return self.state / "tokens.json"

    @property
    def webhook_secret(self) -> Path:
        """What webhooks are signed with, unless `--webhook-secret-file` names another place."""
        return self.state / "webhook.secret"

    @property
    def page_codes(self) -> Path:
        """One-time codes for the page, as hashes: who can write here may open it (0700)."""
        return self.state / "page-codes"

    @property
    def core_lock(self) -> Path:
        """Held by the keeper of this home's core, for as long as it lives."""
        return self.state / "core.lock"

    @property
    def core_record(self) -> Path:
        """The core of this home and its keeper, written before the core is used."""
        return self.state / "core.json"

    @property
    def joined_record(self) -> Path:
        """The daemon that this home's server was joined to last."""
        return self.state / "joined.json"

    @property
    def core_output(self) -> Path:
        """What the core prints."""
        return self.state / "core.log"

    @property
    def login_record(self) -> Path:
        """The login that is pending in this home's core, by the core's id of it."""
        return self.state / "login.id"

    @property
    def protocol_cache(self) -> Path:
        """What the comparison of the core's protocol found, by binary."""
        return self.state / "protocol.json"

    @property
    def notify_marks(self) -> Path:
        """How far webhook and command were told of the event log."""
        return self.data / "notify.json"

    @property
    def uploads(self) -> Path:
        """Images that were sent for messages."""
        return self.data / "uploads"

    @property
    def database(self) -> Path:
        """The event log."""
        return self.data / "log.db"


def places(home: Path, data_dir: Path | None, state_root: Path | None = None) -> Places:
    """Make the folders of `home` and say where they are.

    The home itself is made too (0700), as Codex does. `state_root` stands for the platform's
    state folder (the demo has its own). Raises `HomeNotWritable`.
    """
    _folder(home, "CODEX_HOME")
    found = locate(home, data_dir, state_root)
    _folder(found.state, "the state folder")
    if data_dir:
        _folder(data_dir, "the data folder")
    return found


def locate(home: Path, data_dir: Path | None, state_root: Path | None = None) -> Places:
    """Where the folders of `home` are or would be. Makes nothing."""
    real = home.resolve()
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    root = state_root or Path(platformdirs.user_state_path(APP, appauthor=False))
    state = root / f"{real.name.lstrip('.') or 'home'}-{digest}"
    return Places(real, state, (data_dir or state).resolve(), _runtime() / digest)


def _folder(path: Path, what: str) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise HomeNotWritable(
            f"{what} {path} can't be written: {error.strerror or error}.",
            hint="Give this user write access, or choose another folder with --codex-home"
            " or --data-dir.",
        ) from error


def _runtime() -> Path:
    """A short folder that only this user can enter: socket paths end at 107 bytes."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if given and _private(Path(given)) and len(os.fsencode(given)) < 60:
        return Path(given) / APP
    uid = os.getuid() if hasattr(os, "getuid") else 0
    # Not TMPDIR, which may be long: macOS gives 49 bytes of it.
    base = "/tmp" if os.name == "posix" else tempfile.gettempdir()  # noqa: S108
    return Path(base) / f"{APP}-{uid}"


def socket_folder(runtime: Path) -> Path:
    """Make the runtime folder, private to this user. Raises `HomeNotWritable` if it is not."""
    for folder in (runtime.parent, runtime):
        with contextlib.suppress(FileExistsError):  # a file in the way: refused below
            folder.mkdir(mode=0o700, exist_ok=True)
        if not _private(folder):
            raise HomeNotWritable(
                f"The runtime folder {folder} belongs to someone else or is open to others.",
                hint="Remove it, or set XDG_RUNTIME_DIR to a folder of your own (mode 0700).",
            )
    return runtime


def remove_socket(path: Path) -> None:
    """Remove a socket, and its folder if nothing else is in it."""
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def _private(folder: Path) -> bool:
    try:
        info = folder.lstat()
    except OSError:
        return False
    if os.name != "posix":
        return stat.S_ISDIR(info.st_mode)
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and not info.st_mode & 0o077
