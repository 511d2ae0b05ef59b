"""One HTTP request without a library, step by step, so that a failure says at which step.

Owns the steps (name, connection, proxy, TLS, answer), each bounded by `STEP` s, and how a proxy
is chosen from the environment. Sends no credentials, but to the proxy that they are for.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from codex_http_server import __version__
from codex_http_server.doctor.results import bare

STEP: Final = 5.0  # seconds
PORTS: Final = {"http": 80, "https": 443}
CA_FILES: Final = ("CODEX_CA_CERTIFICATE", "SSL_CERT_FILE")  # in the core's own order

Step = Literal["address", "name", "connection", "proxy", "TLS", "answer"]


class Unreachable(Exception):
    """A step that failed, why, and what to do."""

    def __init__(self, step: Step, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.step = step
        self.reason = reason
        self.advice = advice


@dataclass(frozen=True)
class Reached:
    """An answer: its status, its clock if it shows one, ours at that moment, the proxy used."""

    status: int
    date: float | None
    at: float
    via: str | None


class _Target(NamedTuple):
    parts: SplitResult
    host: str
    port: int


def reach(url: str, environ: Mapping[str, str]) -> Reached:
    """GET `url` as the core would. Any HTTP answer will do. Raises `Unreachable`."""
    target = _target(url)
    proxy = proxy_for(url, environ)
    link = _through(target, proxy) if proxy else _connect(target.host, target.port)
    with contextlib.closing(link):
        if target.parts.scheme == "https":
            link = _tls(link, target.host, environ)
        with contextlib.closing(link):
            found = _ask(link, target, whole=bool(proxy) and target.parts.scheme == "http")
    status, date = found
    return Reached(status, date, time.time(), bare(proxy).rstrip("/") if proxy else None)


def _target(url: str) -> _Target:
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = urlsplit(""), 0
    if not (port and parts.hostname and parts.scheme in PORTS):
        reason = f"{bare(url)} is not an http or https address"
        raise Unreachable("address", reason, "Correct it where it is set.")
    return _Target(parts, parts.hostname, port)


# --- proxies --------------------------------------------------------------------------------


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy that the environment names for this URL; None for a direct connection."""
    parts = urlsplit(url)
    if _direct(parts.hostname or "", _either(environ, "no_proxy")):
        return None
    found = _either(environ, f"{parts.scheme}_proxy") or _either(environ, "all_proxy")
    return found if not found or "://" in found else f"http://{found}"


def _either(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name) or environ.get(name.upper()) or None


def _direct(host: str, exceptions: str | None) -> bool:
    entries = [entry.strip().lower().lstrip(".") for entry in (exceptions or "").split(",")]
    return any(entry and _fits(host.lower(), entry) for entry in entries)


def _fits(host: str, entry: str) -> bool:
    if entry in ("*", host) or host.endswith("." + entry):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _through(target: _Target, proxy: str) -> socket.socket:
    """A connection to the proxy; for https, to the target through it."""
    if urlsplit(proxy).scheme != "http":  # socks, and TLS inside TLS
        reason = f"{bare(proxy)} is a kind of proxy that is not checked here"
        raise Unreachable("proxy", reason, "Try it with curl; the core may well be able to.")
    link: socket.socket | None = None
    try:
        there = _target(proxy)
        link = _connect(there.host, there.port)
        if target.parts.scheme == "https":
            _tunnel(link, target, there.parts)
    except Unreachable as error:
        if link is not None:
            link.close()
        advice = "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY."
        reason = f"{bare(proxy)}: {error.step}: {error.reason}"
        raise Unreachable("proxy", reason, advice) from error
    return link


def _tunnel(link: socket.socket, target: _Target, proxy: SplitResult) -> None:
    where = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"CONNECT {where}:{target.port} HTTP/1.1", f"Host: {where}:{target.port}"]
    if proxy.username:
        login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    status = _exchange(link, lines, "CONNECT").status
    if status != 200:
        wants = " (it wants a user and a password)" if status == 407 else ""
        raise Unreachable("proxy", f"it refuses with {status}{wants}", "")


# --- steps ----------------------------------------------------------------------------------


def _connect(host: str, port: int) -> socket.socket:
    end = time.monotonic() + STEP
    reason = "no address"
    for family, kind, protocol, _, address in _addresses(host, port):
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(max(0.1, end - time.monotonic()))
            link.connect(address)
            link.settimeout(STEP)
        except OSError as error:
            link.close()
            reason = _why(error)
        else:
            return link
    raise Unreachable(
        "connection",
        f"{host} port {port}: {reason}",
        "Does it run, does a firewall stand between? Behind a proxy, set HTTPS_PROXY.",
    )


def _addresses(host: str, port: int) -> list[Any]:
    try:
        return bounded(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM), STEP)
    except (OSError, UnicodeError) as error:
        raise Unreachable(
            "name",
            f"{host} can't be resolved: {_why(error)}",
            "Check the network and the name server; behind a proxy, set HTTPS_PROXY.",
        ) from error


def bounded(work: Callable[[], Any], seconds: float) -> Any:
    """`work()`, which can't be cancelled, in a thread that is left alone when time is up.

    Raises TimeoutError, and what `work` raises.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.extend((True, work()))
        except Exception as error:  # noqa: BLE001 # raised again below
            outcome.extend((False, error))

    thread = threading.Thread(target=run, name="doctor-step", daemon=True)
    thread.start()
    thread.join(seconds)
    if len(outcome) < 2:
        raise TimeoutError(f"no answer in {seconds:g} s")
    worked, value = outcome
    if not worked:
        raise value
    return value


def _tls(link: socket.socket, host: str, environ: Mapping[str, str]) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context()  # reads SSL_CERT_FILE and SSL_CERT_DIR itself
        own = environ.get(CA_FILES[0])
        if own:
            context.load_verify_locations(own)
        return context.wrap_socket(link, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        link.close()
        named = ", ".join(name for name in CA_FILES if environ.get(name))
        raise Unreachable(
            "TLS",
            f"the certificate of {host} is not trusted: {error.verify_message}",
            "A proxy that looks into TLS has a CA of its own: name its file in SSL_CERT_FILE"
            f" for the server{f' (now set: {named})' if named else ''}.",
        ) from error
    except OSError as error:
        link.close()
        advice = "Is it https that listens there? Check the base URL and the proxy."
        raise Unreachable("TLS", f"{host}: {_why(error)}", advice) from error


def _ask(link: socket.socket, target: _Target, *, whole: bool) -> tuple[int, float | None]:
    path = target.parts.path or "/"
    netloc = target.parts.netloc.rpartition("@")[2]
    lines = [
        f"GET {f'http://{netloc}' if whole else ''}{path} HTTP/1.1",
        f"Host: {netloc}",
        f"User-Agent: codex-http-server/{__version__}",
        "Accept: */*",
        "Connection: close",
    ]
    answer = _exchange(link, lines, "GET")
    return answer.status, _seconds(answer.headers.get("Date"))


class _Answer(NamedTuple):
    status: int
    headers: Any


def _exchange(link: socket.socket, lines: list[str], method: str) -> _Answer:
    with _answering():
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with contextlib.closing(HTTPResponse(link, method=method)) as answer:
            answer.begin()
            return _Answer(answer.status, answer.headers)


@contextlib.contextmanager
def _answering() -> Generator[None]:
    try:
        yield
    except (OSError, HTTPException) as error:
        advice = "It takes connections but does not speak HTTP in time."
        raise Unreachable("answer", _why(error), advice) from error


def _seconds(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer in {STEP:g} s"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)
