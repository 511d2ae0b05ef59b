"""Each step of a request fails in words of its own; proxies are chosen as the core does."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codex_http_server.doctor import network
from codex_http_server.doctor.network import Unreachable, bounded, proxy_for, reach

ANSWER = (
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nDate: Sun, 22 Nov 2026 16:00:00 GMT\r\n\r\n"
)


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that has one conversation; its port."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            with contextlib.suppress(OSError):
                link, _ = door.accept()
                with link:
                    talk(link)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.close()
        thread.join(5)


class Heard:
    """Answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, link: socket.socket) -> None:
        for answer in self.answers:
            self.asked.append(link.recv(65536).decode("latin-1"))
            link.sendall(answer)


def missed(url: str, **environ: str) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        reach(url, environ)
    assert "secret" not in f"{caught.value.reason} {caught.value.advice}"
    return caught.value


def test_any_answer_will_do_and_its_clock_is_read() -> None:
    heard = Heard(ANSWER)
    with answering(heard) as port:
        found = reach(f"http://127.0.0.1:{port}/v1/models", {})
    assert (found.status, found.date, found.via) == (404, 1795363200.0, None)
    assert heard.asked[0].startswith("GET /v1/models HTTP/1.1\r\n")
    assert "uthorization" not in heard.asked[0]


def test_a_name_that_does_not_exist() -> None:
    error = missed("http://nowhere.invalid/v1")
    assert error.step == "name"
    assert "nowhere.invalid can't be resolved" in error.reason


def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    error = missed(f"http://127.0.0.1:{port}/")
    assert (error.step, "refused" in error.reason) == ("connection", True)


def test_what_takes_the_connection_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "STEP", 0.2)
    done = threading.Event()

    def silent(_: socket.socket) -> None:
        done.wait(10)

    with answering(silent) as port:
        error = missed(f"http://127.0.0.1:{port}/")
        tls = missed(f"https://127.0.0.1:{port}/")  # waits in the backlog: the same silence
        done.set()
    assert (error.step, error.reason) == ("answer", "no answer in 0.2 s")
    assert tls.step == "TLS"


def test_what_is_no_http() -> None:
    with answering(Heard(b"220 smtp.example ready\r\n")) as port:
        assert missed(f"http://127.0.0.1:{port}/").step == "answer"


def test_https_where_plain_http_listens() -> None:
    with answering(Heard(ANSWER)) as port:
        assert missed(f"https://127.0.0.1:{port}/").step == "TLS"


@pytest.mark.parametrize("url", ["ftp://host/", "host:80", "http://", "http://host:x/", "/v1"])
def test_what_is_no_address(url: str) -> None:
    assert missed(url).step == "address"


# --- TLS ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and key for 127.0.0.1, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        done = subprocess.run(
            [*make, *name, "-keyout", str(path), "-out", f"{path}.crt"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl to make a certificate with")
    assert done.returncode == 0, done.stderr
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def over_tls(certificate: Path, talk: Callable[[socket.socket], None]):
    def serve(link: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        with contextlib.suppress(OSError), context.wrap_socket(link, server_side=True) as safe:
            talk(safe)

    return serve


def test_a_certificate_that_nobody_trusts(certificate: Path) -> None:
    with answering(over_tls(certificate, Heard(ANSWER))) as port:
        error = missed(f"https://127.0.0.1:{port}/")
    assert error.step == "TLS"
    assert "is not trusted" in error.reason
    assert "SSL_CERT_FILE" in error.advice


def test_a_ca_that_is_named(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(over_tls(certificate, Heard(ANSWER))) as port:
        environ = {"CODEX_CA_CERTIFICATE": str(certificate)}
        assert reach(f"https://127.0.0.1:{port}/", environ).status == 404
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # which TLS itself reads
    with answering(over_tls(certificate, Heard(ANSWER))) as port:
        assert reach(f"https://127.0.0.1:{port}/", {}).status == 404


# --- proxies --------------------------------------------------------------------------------


def test_http_goes_through_the_proxy_by_its_whole_address() -> None:
    heard = Heard(ANSWER)
    with answering(heard) as port:
        proxy = f"http://me:secret@127.0.0.1:{port}"
        found = reach("http://models.invalid/v1", {"http_proxy": proxy})
    assert heard.asked[0].startswith("GET http://models.invalid/v1 HTTP/1.1\r\n")
    assert found.via == f"http://127.0.0.1:{port}"


def test_https_goes_through_a_tunnel_with_the_proxys_own_login(certificate: Path) -> None:
    heard = Heard(b"HTTP/1.1 200 Connection established\r\n\r\n")

    def tunnel(link: socket.socket) -> None:
        heard(link)
        over_tls(certificate, Heard(ANSWER))(link)

    with answering(tunnel) as port:
        environ = {
            "HTTPS_PROXY": f"http://me:s%65cret@127.0.0.1:{port}",
            "CODEX_CA_CERTIFICATE": str(certificate),
        }
        found = reach("https://127.0.0.1:4/v1", environ)
    assert found.status == 404
    assert heard.asked[0].startswith("CONNECT 127.0.0.1:4 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic bWU6c2VjcmV0" in heard.asked[0]  # me:secret


def test_a_proxy_that_refuses() -> None:
    with answering(Heard(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")) as port:
        proxy = f"http://me:secret@127.0.0.1:{port}"
        error = missed("https://models.invalid/", HTTPS_PROXY=proxy)
    assert error.step == "proxy"
    assert "407 (it wants a user and a password)" in error.reason
    assert "HTTPS_PROXY" in error.advice


def test_a_kind_of_proxy_that_is_not_checked() -> None:
    error = missed("https://models.invalid/", ALL_PROXY="socks5h://me:secret@127.0.0.1:1")
    assert (error.step, "not checked" in error.reason) == ("proxy", True)


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        ("https://a.example/", {}, None),
        ("https://a.example/", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"https_proxy": "p:1"}, "http://p:1"),
        ("https://a.example/", {"HTTP_PROXY": "http://p:1"}, None),
        ("http://a.example/", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://a.example/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "b, .example"}, None),
        ("https://a.example/", {"ALL_PROXY": "http://p:1", "no_proxy": "A.example"}, None),
        ("https://xa.example/", {"ALL_PROXY": "http://p", "NO_PROXY": "a.example"}, "http://p"),
        ("http://10.1.2.3/", {"ALL_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3/", {"ALL_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "http://p"),
        ("http://[::1]:80/", {"ALL_PROXY": "http://p", "NO_PROXY": "::1"}, None),
    ],
)
def test_which_proxy_is_used(url: str, environ: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environ) == proxy


def test_what_can_t_be_cancelled_is_left_alone() -> None:
    done = threading.Event()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        bounded(lambda: done.wait(20), 0.05)
    assert time.monotonic() - began < 5
    done.set()
    assert bounded(lambda: 3, 5) == 3
    with pytest.raises(ZeroDivisionError):
        bounded(lambda: 1 / 0, 5)
