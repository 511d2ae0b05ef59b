"""What of our environment a core may see: an allow-list, so that no secret of ours gets in.

Pure. A command that the agent runs inherits the core's environment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

ALLOWED: Final = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "TMPDIR", "TEMP", "TMP",
        "LANG", "LANGUAGE",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        "http_proxy", "https_proxy", "all_proxy", "no_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE",
        "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME",
        # Windows programs do not start without these
        "SYSTEMROOT", "SYSTEMDRIVE", "COMSPEC", "PATHEXT", "WINDIR", "APPDATA", "LOCALAPPDATA",
        "USERPROFILE", "USERNAME", "PROGRAMDATA", "PROGRAMFILES",
    }
)  # fmt: skip


def core_environment(ours: Mapping[str, str], home: str, extra: Collection[str]) -> dict[str, str]:
    """The environment of a core on `home`: allowed names, `LC_*`, `CODEX_*`, and `extra`.

    `CODEX_HTTP_*` is this server's own configuration, tokens included, and never passes.
    """
    allowed = {name: value for name, value in ours.items() if may_pass(name, extra)}
    return allowed | {"CODEX_HOME": home}


def may_pass(name: str, extra: Collection[str]) -> bool:
    """Whether the core gets this variable."""
    if name.startswith("CODEX_HTTP_"):
        return False
    return name in ALLOWED or name in extra or name.startswith(("LC_", "CODEX_"))
