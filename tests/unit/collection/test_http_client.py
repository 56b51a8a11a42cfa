# Tests of clients/http.py and clients/tls.py against real sockets on 127.0.0.1, with certificates made here.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.clients import tls
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Unreachable
from tests.unit.collection.throwaway_ca import DAY, Authority

NAME = "api.bytebot.test"


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``/echo`` says what was received."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        route = self.path.split("?")[0]
        if route == "/slow":
            time.sleep(0.6)
        if route == "/drip":
            self._drip()
            return
        if route.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.headers["X-Target"])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = {"/big": b"x" * 5000, "/echo": self._echo()}.get(route, b"hello")
        self.send_response(503 if route == "/503" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=1")
        self.end_headers()
        self.wfile.write(body)

    def _echo(self) -> bytes:
        return "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode()

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        for _ in range(20):
            try:
                self.wfile.write(b"x")
                time.sleep(0.1)
            except OSError:
                return

    def log_message(self, *args: object) -> None:
        """Silence."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:
        """A client that hangs up is what many tests are about."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server (TLS where a certificate file is given); its port."""
    with ExitStack() as stack:

        def start(pem: Path | None = None, lowest: ssl.TLSVersion | None = None) -> int:
            server = stack.enter_context(Server(("127.0.0.1", 0), Handler))
            if pem:
                server.socket = _context(pem, lowest).wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            stack.callback(server.shutdown)
            return int(server.server_address[1])

        yield start


def _context(pem: Path, lowest: ssl.TLSVersion | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if lowest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = lowest
    return context


def plain(port: int, **kwargs: object) -> Http:
    return Http(f"http://127.0.0.1:{port}", ["127.0.0.1"], **kwargs)  # type: ignore[arg-type]


def secure(port: int, authority: Authority | None, name: str = NAME) -> Http:
    ca_file = str(authority.file) if authority else ""
    return Http(f"https://{name}:{port}", [name], ca_file=ca_file, resolve={NAME: "127.0.0.1", name: "127.0.0.1"})


# ---------------------------------------------------------------------- answers


def test_an_answer_has_status_headers_body_time_and_address(serve: Serve) -> None:
    answer = plain(serve()).get("/503")
    assert (answer.status, answer.body, answer.headers["content-length"], answer.failure) == (503, "hello", "5", None)
    assert (answer.address, answer.given_address, answer.label) == ("127.0.0.1", False, "HTTP 503")
    assert 0 < answer.elapsed_s < 2 and abs(answer.at - time.time()) < 5


def test_resolve_keeps_the_name_in_host_sni_and_verification(serve: Serve, authority: Authority) -> None:
    port = serve(authority.issue(NAME))
    answer = secure(port, authority).get("/echo")
    assert answer.status == 200, answer.failure
    assert f"Host: {NAME}:{port}" in answer.body
    assert (answer.url, answer.address, answer.given_address) == (f"https://{NAME}:{port}/echo", "127.0.0.1", True)


def test_resolve_works_without_tls(serve: Serve) -> None:
    port = serve()
    answer = Http(f"http://{NAME}:{port}", [NAME], resolve={NAME.upper(): "127.0.0.1"}).get("/echo")
    assert f"Host: {NAME}:{port}" in answer.body


def test_no_cookie_is_kept_and_the_environment_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    http = plain(serve())
    http.get("/")
    assert "Cookie" not in http.get("/echo").body


@pytest.mark.parametrize(
    ("path", "url"),
    [("/a", "http://127.0.0.1:80/a"), ("//evil.test/x", "http://127.0.0.1:80/evil.test/x")],
)
def test_paths_are_joined_to_the_base(path: str, url: str) -> None:
    assert plain(80).url_of(path) == url


# ---------------------------------------------------------------------- failures


def _failure(answer: Answer) -> tuple[str, str]:
    assert answer.failure is not None
    assert (
        answer.status == 0 and answer.failure.sentence.endswith(".") and "object at 0x" not in answer.failure.sentence
    )
    return answer.failure.kind, answer.failure.why


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        ((NAME, -3 * DAY, -DAY), "expired"),
        ((NAME, DAY, 2 * DAY), "not_yet_valid"),
        (("other.bytebot.test", -DAY, DAY), "hostname"),
    ],
)
def test_a_bad_certificate_is_named(
    serve: Serve, authority: Authority, issued: tuple[str, timedelta, timedelta], why: str
) -> None:
    assert _failure(secure(serve(authority.issue(*issued)), authority).get("/")) == ("tls", why)


def test_an_unknown_ca_is_named(serve: Serve, authority: Authority) -> None:
    assert _failure(secure(serve(authority.issue(NAME)), None).get("/")) == ("tls", "unknown_ca")


def test_plain_http_on_a_tls_port_is_a_handshake_failure(serve: Serve, authority: Authority) -> None:
    assert _failure(secure(serve(), authority).get("/")) == ("tls", "handshake")


def test_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert _failure(plain(free.getsockname()[1]).get("/")) == ("refused", "")


def test_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert _failure(Http("http://no.bytebot.test", ["no.bytebot.test"]).get("/")) == ("dns", "")


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_timeout_bounds_the_whole_answer(serve: Serve, path: str) -> None:
    began = time.monotonic()
    assert _failure(plain(serve(), timeout_s=0.3).get(path)) == ("timeout", "")
    assert time.monotonic() - began < 1.5


def test_something_else_than_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_say_nonsense, args=(server,), daemon=True)
        thread.start()
        assert _failure(plain(server.getsockname()[1]).get("/")) == ("protocol", "")
        thread.join(2)


def _say_nonsense(server: socket.socket) -> None:
    connection, _peer = server.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_a_hang_up_is_a_failure_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_hang_up, args=(server,), daemon=True)
        thread.start()
        assert _failure(plain(server.getsockname()[1]).get("/"))[0] == "protocol"
        thread.join(2)


def test_a_big_body_is_cut_off(serve: Serve) -> None:
    assert _failure(plain(serve(), body_cap=1000).get("/big")) == ("too_large", "")


# ---------------------------------------------------------------------- the guard


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/",
        "https://api.bytebot.test.evil.test/",
        "https://api.bytebot.test@evil.test/",
        "https://evil.test\\@api.bytebot.test/",
        "https://user:hunter2@api.bytebot.test/",
        "https://api.bytebot.test:8443/",
        "ftp://api.bytebot.test/",
        "https:///nothing",
        "https://api.bytebot.test:port/",
    ],
)
def test_other_urls_are_refused_before_anything_is_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: pytest.fail("a name was resolved"))
    http = Http("https://api.bytebot.test", ["API.bytebot.test.:443"])
    with pytest.raises(InputError) as caught:
        http.request("GET", url) if url.startswith("http") else http.permit(url)
    assert "hunter2" not in caught.value.sentence


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(InputError, match="not in allowed_hosts"):
        Http("https://api.bytebot.test", [])


@pytest.mark.parametrize("entry", ["https://api.bytebot.test", "a/b", "", "a:port", "user@a"])
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(InputError):
        Http("https://api.bytebot.test", ["api.bytebot.test", entry])


def test_redirects_are_not_followed_by_themselves(serve: Serve) -> None:
    answer = plain(serve()).get("/to/", headers={"X-Target": "/echo"})
    assert answer.status == 302


def test_a_followed_redirect_passes_the_guard_too(serve: Serve) -> None:
    http = plain(serve())
    assert http.get("/to/", headers={"X-Target": "/echo"}, follow=1).status == 200
    with pytest.raises(InputError, match=r"evil\.test"):
        http.get("/to/", headers={"X-Target": "http://evil.test/"}, follow=1)


def test_credentials_do_not_follow_to_another_origin(serve: Serve) -> None:
    http, other = plain(serve()), serve()
    target = {"X-Target": f"http://127.0.0.1:{other}/echo", "Authorization": "Bearer x", "Cookie": "a=b"}
    body = http.get("/to/", headers=target, follow=1).body
    assert "X-Target" in body and "Authorization" not in body and "Cookie" not in body


def test_inputs_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ca_file"):
        Http("https://a.test", ["a.test"], ca_file=str(tmp_path / "none"))
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(InputError, match="holds no usable PEM certificate"):
        Http("https://a.test", ["a.test"], ca_file=str(tmp_path / "text"))
    with pytest.raises(InputError, match="timeout"):
        Http("https://a.test", ["a.test"], timeout_s=0)


# ---------------------------------------------------------------------- TLS


def at(port: int, authority: Authority | None = None) -> tls.Server:
    return tls.Server("127.0.0.1", NAME, port, 2.0, str(authority.file) if authority else "")


def test_a_handshake_shows_the_certificate(serve: Serve, authority: Authority) -> None:
    seen = tls.handshake(at(serve(authority.issue(NAME)), authority))
    assert seen.verified and seen.why == "" and seen.protocol == "TLSv1.3" and seen.cipher
    leaf = seen.leaf
    assert (leaf.subject, leaf.issuer, leaf.names) == (f"CN={NAME}", "CN=throw-away CA", (NAME,))
    assert (leaf.key_type, leaf.key_bits) == ("EC", 256) and "SHA256" in leaf.signature and len(leaf.sha256) == 64
    assert datetime.fromisoformat(leaf.not_before) < datetime.now(UTC) < datetime.fromisoformat(leaf.not_after)


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        ((NAME, -DAY, timedelta(hours=-1)), "expired"),
        (("other.bytebot.test", -DAY, DAY), "hostname"),
        ((NAME, -DAY, DAY), "unknown_ca"),
    ],
)
def test_a_certificate_that_does_not_verify_is_still_shown(
    serve: Serve, authority: Authority, issued: tuple[str, timedelta, timedelta], why: str
) -> None:
    trusted = None if why == "unknown_ca" else authority
    seen = tls.handshake(at(serve(authority.issue(*issued)), trusted))
    assert (seen.verified, seen.why, seen.leaf.names) == (False, why, issued[:1]) and seen.reason


def test_old_versions_are_found(serve: Serve, authority: Authority) -> None:
    pem = authority.issue(NAME)
    assert tls.accepted(at(serve(pem, ssl.TLSVersion.TLSv1))) == dict.fromkeys(tls.VERSIONS, True)
    modern = tls.accepted(at(serve(pem, ssl.TLSVersion.TLSv1_2)))
    assert modern == {"TLSv1.0": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}


def test_no_tls_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for look in (tls.handshake, tls.accepted):
            with pytest.raises(Unreachable, match=NAME):
                look(at(port))


def test_plain_http_shows_no_certificate(serve: Serve) -> None:
    with pytest.raises(Unreachable, match="No TLS handshake"):
        tls.handshake(at(serve()))


def test_a_certificate_that_is_none() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        tls.certificate(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
