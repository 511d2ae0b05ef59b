"""codex-http-server: the Codex coding agent behind plain HTTP."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("codex-http-server")
except PackageNotFoundError:  # a source tree that was not installed
    __version__ = "0.0.0"
