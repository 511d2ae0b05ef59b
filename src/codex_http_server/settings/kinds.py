"""The kinds of values that settings take: each turns text into a value, or says why not.

Owns the spelling of values (`16MiB`, `https://app.example`). Knows no setting by name and
not where a text came from. Every `parse` raises ValueError; its message may be empty where
`allowed` says enough.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
Texts = tuple[str, ...]

NUMBER = re.compile(r"\d+(\.\d+)?")
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.IGNORECASE)
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?")
QUOTA = re.compile(
    r"(conversation|token|day)\.(turns|minutes|tokens)\s*=\s*(\d{1,15}(?:\.\d{1,6})?)"
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
UNITS = {"": 1, "b": 1} | {
    spelling: base**power
    for power, letter in enumerate("kmg", start=1)
    for base, spelling in ((1024, letter + "ib"), (1000, letter + "b"))
}
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[T]):
    """How one kind of value is read and named; `many` kinds take several, comma-separated, and
    a `flag` needs no value on the command line."""

    parse: Callable[[str], T]
    allowed: str
    metavar: str
    show: Callable[[T], str] = str
    many: bool = False
    flag: bool = False


def parse_flag(text: str) -> bool:
    """Yes or no, in the spellings that are used for them."""
    if text.lower() not in (*YES, *NO):
        raise ValueError
    return text.lower() in YES


def choice(*words: str) -> Kind[str]:
    """One of `words`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError
        return text.lower()

    return Kind(parse=parse, allowed=f"one of {', '.join(words)}", metavar="|".join(words))


def whole(low: int, high: int) -> Kind[int]:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return Kind(parse=parse, allowed=f"a whole number from {low} to {high}", metavar="NUMBER")


def amount(unit: str, low: float, high: float) -> Kind[float]:
    """A number of `unit`, fractions too, from `low` to `high`."""

    def parse(text: str) -> float:
        if not NUMBER.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError
        return float(text)

    allowed = f"a number of {unit} from {low:g} to {high:g}"
    return Kind(parse=parse, allowed=allowed, metavar=unit.upper(), show=lambda n: f"{n:g}")


def words(*known: str) -> Kind[Texts]:
    """Some of `known`, between commas."""

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(f"{text!r} is none of them")
        return text

    return several(parse, allowed=f"some of {', '.join(known)}", metavar="NAME")


def optional(kind: Kind[T]) -> Kind[T | None]:
    """The same, where no value means that it is worked out later."""

    def show(value: T | None) -> str:
        return "" if value is None else kind.show(value)

    return Kind(parse=kind.parse, allowed=kind.allowed, metavar=kind.metavar, show=show)


def size(low: int, high: int) -> Kind[int]:
    """A number of bytes, with or without a unit (`16MiB`, `500kB`)."""

    def parse(text: str) -> int:
        match = SIZE.fullmatch(text)
        unit = UNITS.get(match[2].lower()) if match else None
        if match is None or unit is None:
            raise ValueError
        count = math.floor(float(match[1]) * unit)
        if not low <= count <= high:
            raise ValueError
        return count

    allowed = (
        f"bytes from {show_size(low)} to {show_size(high)}, as a number or with a unit "
        "(KiB, MiB, GiB, kB, MB, GB)"
    )
    return Kind(parse=parse, allowed=allowed, metavar="BYTES", show=show_size)


def show_size(count: int) -> str:
    """The shortest exact spelling of a number of bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        if count and count % UNITS[unit.lower()] == 0:
            return f"{count // UNITS[unit.lower()]}{unit}"
    return str(count)


def several(item: Callable[[str], str], *, allowed: str, metavar: str) -> Kind[Texts]:
    """Any number of items between commas, each read by `item`; doubles are dropped."""

    def parse(text: str) -> Texts:
        parts = (part.strip() for part in text.split(","))
        return tuple(dict.fromkeys(item(part) for part in parts if part))

    return Kind(parse=parse, allowed=allowed, metavar=metavar, show=", ".join, many=True)


def parse_path(text: str) -> Path:
    """A path, `~` expanded. Raises ValueError for an unknown `~user`."""
    if "\0" in text:
        raise ValueError("a path can't hold a zero byte")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def parse_listen(text: str) -> Path:
    """`unix:PATH`; the path."""
    scheme, _, path = text.partition(":")
    if scheme != "unix" or not path:
        raise ValueError
    return parse_path(path.removeprefix("//"))


def parse_paths(text: str) -> tuple[Path, ...]:
    """Paths between commas."""
    parts = (part.strip() for part in text.split(","))
    return tuple(dict.fromkeys(parse_path(part) for part in parts if part))


def parse_host(text: str) -> str:
    """An address to listen on, without brackets: an IP address or a host name."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if is_ip(bare) or NAME.fullmatch(text):
        return bare
    raise ValueError


def parse_host_name(text: str) -> str:
    """A name as it stands in a Host header, without port; IPv6 in brackets."""
    bare = parse_host(text).lower()
    return f"[{bare}]" if ":" in bare else bare


def parse_origin(text: str) -> str:
    """An exact origin as browsers send it: lower case, no default port, no path."""
    if text in ("*", "null"):
        raise ValueError(f"{text!r} would let any page in: name each origin")
    match = ORIGIN.fullmatch(text.lower())
    if match is None:
        raise ValueError("no path, no trailing slash")
    scheme, host = match[1], match[2]
    port = int(match[3] or DEFAULT_PORTS.get(scheme, 1))
    if host.startswith("[") and not is_ip(host[1:-1]):
        raise ValueError("not an IPv6 address")
    if not 0 < port < 65536:
        raise ValueError("no such port")
    plain = match[3] is None or port == DEFAULT_PORTS.get(scheme)
    return f"{scheme}://{host}" if plain else f"{scheme}://{host}:{port}"


def parse_webhook(text: str) -> str:
    """An address that notices are sent to: over TLS, or on this machine."""
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not (is_ip(host) or NAME.fullmatch(host)):
        raise ValueError
    if not 0 < (parts.port or 80) < 65536:
        raise ValueError("no such port")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("no user name, no password, no fragment: the secret signs it")
    if parts.scheme == "http" and not _is_here(host):
        raise ValueError("http would be read on its way: use https")
    return text


def _is_here(host: str) -> bool:
    """Whether a host is this machine by its name alone."""
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


def parse_command(text: str) -> Texts:
    """A program and its arguments, quoted as in a shell, which does not run it."""
    words = tuple(shlex.split(text))
    if not words or "\0" in text:
        raise ValueError
    return words


def parse_variable(text: str) -> str:
    """The name of an environment variable that the core may be given."""
    if not VARIABLE.fullmatch(text):
        raise ValueError
    # The core runs commands; what steers this server, its token above all, is not for them.
    if text.upper().startswith("CODEX_HTTP_"):
        raise ValueError("CODEX_HTTP_* is never given to the core")
    return text


def parse_quota(text: str) -> str:
    """One quota: `day.tokens=5000000`."""
    match = QUOTA.fullmatch(text.lower().replace("_", ""))
    if match is None:
        raise ValueError(f"{text!r} is no quota")
    limit = float(match[3])
    if limit <= 0 or (match[2] != "minutes" and limit != int(limit)):
        raise ValueError(f"{text!r}: turns and tokens are whole, and all are more than 0")
    return f"{match[1]}.{match[2]}={match[3]}"


def parse_quotas(text: str) -> Texts:
    """Quotas between commas, each named once."""
    found = _QUOTAS.parse(text)
    names = [each.split("=")[0] for each in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{min(twice)} is given twice")
    return found


def is_ip(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def show_path(path: Any) -> str:
    """A path, or nothing where it is worked out later."""
    return "" if path is None else str(path)


PATH: Kind[Any] = Kind(parse=parse_path, allowed="a path", metavar="PATH", show=show_path)
LISTEN: Kind[Any] = Kind(
    parse=parse_listen,
    allowed="unix: and the path of a socket",
    metavar="unix:PATH",
    show=show_path,
)
PATHS: Kind[tuple[Path, ...]] = Kind(
    parse=parse_paths,
    allowed="paths",
    metavar="PATH",
    show=lambda paths: ", ".join(map(str, paths)),
    many=True,
)
FLAG = Kind(
    parse=parse_flag,
    allowed="true or false",
    metavar="",
    show=lambda on: "on" if on else "off",
    flag=True,
)
HOST = Kind(parse=parse_host, allowed="an IP address or a host name", metavar="ADDRESS")
HOST_NAMES = several(parse_host_name, allowed="host names without scheme and port", metavar="HOST")
ORIGINS = several(
    parse_origin, allowed="exact origins, scheme://host or scheme://host:port", metavar="ORIGIN"
)
WEBHOOK: Kind[Any] = Kind(
    parse=parse_webhook,
    allowed="an https address, or an http one of this machine",
    metavar="URL",
    show=show_path,
)
COMMAND: Kind[Texts] = Kind(
    parse=parse_command,
    allowed="a program and its arguments, quoted as in a shell",
    metavar="COMMAND",
    show=shlex.join,
)
VARIABLES = several(parse_variable, allowed="names of environment variables", metavar="NAME")
_QUOTAS = several(
    parse_quota,
    allowed="SCOPE.KIND=LIMIT, SCOPE conversation, token or day, KIND turns, minutes or tokens",
    metavar="QUOTA",
)
QUOTAS = dataclasses.replace(_QUOTAS, parse=parse_quotas)
