"""Takes the token out of the environment, for real.

A process shows its first environment to its user for as long as it lives (/proc/<pid>/environ),
whatever it does to its own variables, and the agent's commands run as that user. So a server that
was started with `CODEX_HTTP_TOKEN` starts itself anew without it: same process id, same arguments,
same stdin and stdout. The token goes through a pipe that nobody else has.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import MutableMapping
from typing import Final

from codex_http_server.auth.tokens import ENV_LEAST
from codex_http_server.errors import SettingsError, StartError
from codex_http_server.settings import TOKEN_ENV

PIPE_ENV: Final = f"{TOKEN_ENV}_FD"
MOST: Final = 1024  # characters; a pipe holds more than that without a reader
TOKEN: Final = re.compile(rf"[!-~]{{{ENV_LEAST},{MOST}}}")


def take_token(environ: MutableMapping[str, str]) -> str | None:
    """The token of the environment, which does not hold it any more; None if there is none.

    Does not return where it has to start the process anew. Raises `SettingsError`, `StartError`.
    """
    pipe, token = environ.pop(PIPE_ENV, None), environ.pop(TOKEN_ENV, None)
    if token:
        _check(token)
        if os.name != "posix":
            return token
        _start_anew(token, {**environ})
    return _received(pipe) if pipe else None


def _check(token: str) -> None:
    if not TOKEN.fullmatch(token):
        raise SettingsError(
            f"{TOKEN_ENV} is not a usable token. It takes {ENV_LEAST} to {MOST} characters,"
            " without spaces.",
            hint="Make a good one: openssl rand -base64 32",
            setting=TOKEN_ENV,
        )


def _start_anew(token: str, environ: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, token.encode())
    os.close(writing)
    os.set_inheritable(reading, True)
    try:
        os.execve(sys.executable, sys.orig_argv, environ | {PIPE_ENV: str(reading)})  # noqa: S606
    except OSError as error:
        raise StartError(
            f"The server can't start itself without the token in its environment: {error}.",
            hint=f"Use a token file in place of {TOKEN_ENV}: codex-http-server token create",
        ) from error


def _received(pipe: str) -> str:
    """What the process before this one has left for it."""
    try:
        with os.fdopen(int(pipe), "rb") as reading:
            token = reading.read(MOST + 1).decode()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{PIPE_ENV} is not an open pipe.", setting=PIPE_ENV) from error
    _check(token)
    return token
