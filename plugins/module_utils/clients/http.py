# The one place that imports requests: ask allowed hosts over verified TLS, and say exactly how an attempt failed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.clients.silence import Silence
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, LibraryMissing

BODY_CAP = 4 * 1024 * 1024  # bytes; a large metrics page has one, everything else that is asked far less
CHUNK = 64 * 1024
SUCCESS = range(200, 300)  # RFC 9110, 15.3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = "bytebot.production (deployment checklist)"
_PORTS = {"http": 80, "https": 443}
# X509_V_ERR_* of OpenSSL's x509_vfy.h, as far as they have an everyday word
_TLS_WHY = {
    9: "not_yet_valid",
    10: "expired",
    18: "unknown_ca",  # self-signed
    19: "unknown_ca",  # self-signed in the chain
    20: "unknown_ca",  # issuer not found locally
    21: "unknown_ca",  # chain not complete
    23: "revoked",
    62: "hostname",
    64: "hostname",  # an address that the certificate does not name
}
_WHY_WORDS = {
    "not_yet_valid": "its certificate is not valid yet",
    "expired": "its certificate has expired",
    "unknown_ca": "its certificate is not signed by a trusted CA (or an intermediate certificate is missing)",
    "revoked": "its certificate is revoked",
    "hostname": "its certificate is for another name",
    "handshake": "the TLS handshake failed",
    "certificate": "its certificate does not verify",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why no answer came.

    :param kind: ``dns``, ``refused``, ``unreachable``, ``timeout``, ``tls``, ``protocol`` or ``too_large``.
    :param why: for ``tls``: ``expired``, ``not_yet_valid``, ``hostname``, ``unknown_ca``, ``revoked``, ``certificate``
        (does not verify for another reason) or ``handshake``; else empty.
    :param sentence: the reason for a person, with the library's own words.
    """

    kind: str
    sentence: str
    why: str = ""

    @property
    def label(self) -> str:
        """A short name, for counting attempts."""
        return f"{self.kind} {self.why}".strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's outcome: an HTTP answer, or why there is none (``status`` is 0 then).

    :param url: what was asked last (redirects are followed only where asked for).
    :param headers: by name in lower case.
    :param at: Unix time when the outcome was known.
    :param address: the address that was connected to, where it is known.
    :param given_address: whether the address comes from the input ``resolve`` and not from DNS.
    """

    url: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    elapsed_s: float = 0.0
    at: float = 0.0
    address: str = ""
    given_address: bool = False
    failure: Failure | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the answer is one of success."""
        return self.status in SUCCESS

    @property
    def label(self) -> str:
        """A short name of the outcome, for counting attempts."""
        return self.failure.label if self.failure else f"HTTP {self.status}"


class Http:
    """Asks one application. Only allowed hosts are asked, and every certificate is verified."""

    def __init__(
        self,
        base_url: str,
        allowed_hosts: Collection[str],
        *,
        ca_file: str = "",
        resolve: Mapping[str, str] | None = None,
        timeout_s: float = 5.0,
        body_cap: int = BODY_CAP,
        certificate: tuple[str, str] | None = None,
        silence: Silence | None = None,
    ) -> None:
        """Check the inputs; nothing is sent yet.

        :param silence: what is known of servers that do not answer in time, shared by clients that ask the same ones;
            one of these is then not asked for a while. None to ask always, as where the time-outs are what counts.

        :param resolve: addresses by host name, as ``curl --resolve``.
        :param certificate: files of a client certificate and its key, for servers that ask for one.
        :param body_cap: bytes of a body to read at most.
        """
        check_ca_file(ca_file)
        if timeout_s <= 0:
            raise InputError(f"timeout: {timeout_s} is not a positive number of seconds.")
        self.base_url = base_url.rstrip("/")
        self._allowed = frozenset(_allowed(entry) for entry in allowed_hosts)
        self.resolve = {_plain(name): address for name, address in (resolve or {}).items()}
        self._timeout_s, self._body_cap, self.ca_file, self._silence = timeout_s, body_cap, ca_file, silence
        self._session = _session(self.resolve, ca_file)
        self._session.cert = certificate
        self.permit(base_url)

    def url_of(self, path: str) -> str:
        """A path under the base URL; a full URL stays as it is."""
        if path.lower().startswith(("http://", "https://")):
            return path
        return f"{self.base_url}/{path.lstrip('/')}"

    def permit(self, url: str) -> None:
        """Refuse an URL that must not be asked, before anything is sent."""
        parts = _split(url)
        host, port = _plain(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, 0)
        if parts.scheme not in _PORTS or not host:
            raise InputError(f"{_bare(url)!r} is not an http or https URL with a host.")
        if parts.username is not None or parts.password is not None:
            raise InputError(f"The URL of {host} carries credentials; give them by the module's own inputs.")
        if not self._allowed & {(host, 0), (host, port)}:
            names = ", ".join(sorted(name for name, _port in self._allowed)) or "empty"
            raise InputError(
                f"{host} (port {port}) is not in allowed_hosts ({names}), so it is not asked. "
                "Add it (in the inventory: bytebot_allowed_hosts) if the system is yours to probe."
            )

    def get(self, path: str, *, headers: Mapping[str, str] | None = None, follow: int = 0) -> Answer:
        """GET a path or URL; see :meth:`request`."""
        return self.request("GET", path, headers=headers, follow=follow)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | Iterable[bytes] | None = None,
        follow: int = 0,
    ) -> Answer:
        """Send one request. A failure to get an answer is an :class:`Answer` too, not an exception.

        :param follow: redirects of a GET or HEAD to follow at most; each target must be an allowed host.
        """
        sent = dict(headers or {})
        answer = self._once(method, self.url_of(path), sent, json, data)
        while follow > 0 and method in ("GET", "HEAD") and answer.status in REDIRECTS and "location" in answer.headers:
            target = urljoin(answer.url, answer.headers["location"])
            if _origin(target) != _origin(answer.url):  # credentials are for the origin they were given for
                sent = {name: value for name, value in sent.items() if name.lower() not in ("authorization", "cookie")}
            answer, follow = self._once(method, target, sent, None, None), follow - 1
        return answer

    def _once(self, method: str, url: str, headers: Mapping[str, str], json: Any, data: Any) -> Answer:
        import requests

        self.permit(url)
        try:
            prepared = self._session.prepare_request(
                requests.Request(method, url, headers=dict(headers), json=json, data=data)
            )
        except (requests.RequestException, ValueError) as exc:
            raise InputError(f"{_bare(url)!r} cannot be asked: {exc}.") from exc
        url = str(prepared.url)
        self.permit(url)  # as the library understands it: this is what it connects to
        given = self.resolve.get(_plain(urlsplit(url).hostname or ""), "")
        if self._silence and (missed := self._silence.missed(_origin(url))):
            failure = Failure(
                "timeout", f"{_place(url, given)} missed {missed} requests in a row; it was not asked again."
            )
            return Answer(url, at=time.time(), address=given, given_address=bool(given), failure=failure)
        answer = self._sent(prepared, url, given)
        if self._silence:
            timed_out = answer.failure is not None and answer.failure.kind == "timeout"
            self._silence.heard(_origin(url), urlsplit(url).path, timed_out=timed_out)
        return answer

    def _sent(self, prepared: Any, url: str, given: str) -> Answer:
        import requests

        began = time.monotonic()
        try:
            with self._session.send(prepared, stream=True, timeout=self._timeout_s, allow_redirects=False) as response:
                address = given or _peer(response)
                body = self._body(response, began + self._timeout_s)
        except (requests.RequestException, OSError, http.client.HTTPException, ValueError, _urllib3_error()) as exc:
            return Answer(
                url,
                elapsed_s=time.monotonic() - began,
                at=time.time(),
                address=given,
                given_address=bool(given),
                failure=failure_of(exc, url, given, self._timeout_s),
            )
        return Answer(
            url,
            response.status_code,
            {name.lower(): value for name, value in response.headers.items()},
            body,
            time.monotonic() - began,
            time.time(),
            address,
            bool(given),
        )

    def _body(self, response: Any, deadline: float) -> str:
        """The body as text, within the cap and the request's whole time (the socket's time-out is per read only)."""
        raw = b""
        for chunk in _chunks(response.raw):
            raw += chunk
            if len(raw) > self._body_cap:
                raise _TooLargeError(self._body_cap)
            if time.monotonic() > deadline:
                raise TimeoutError("the body did not end in time")
        return raw.decode("utf-8", "replace")


def check_ca_file(path: str) -> None:
    """Refuse a CA file that cannot be used; else each handshake would fail, and the server seem to be at fault."""
    if not path:
        return
    try:
        ssl.create_default_context(cafile=path)
    except FileNotFoundError as exc:
        raise InputError(f"ca_file: there is no file {path}. Give the PEM file of the CA to trust.") from exc
    except OSError as exc:
        raise InputError(f"ca_file: {path} holds no usable PEM certificate ({_words(exc)}).") from exc


class _TooLargeError(OSError):
    """The body is longer than what is read."""


def _chunks(raw: Any) -> Iterator[bytes]:
    """What has arrived, as it arrives (``read`` would wait for a full chunk, and so outlast the deadline)."""
    while chunk := raw.read1(CHUNK, decode_content=True):
        yield chunk


def _session(resolve: Mapping[str, str], ca_file: str) -> Any:
    try:
        import requests
        from requests.adapters import HTTPAdapter
    except ImportError as exc:
        raise LibraryMissing("requests", str(exc)) from exc

    class Resolving(HTTPAdapter):
        """Connects to a given address, while SNI, verification and Host keep the name."""

        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            attributes: Any = super().build_connection_pool_key_attributes(request, verify, cert)
            host_params, pool_kwargs = attributes
            name = str(host_params["host"])
            address = resolve.get(_plain(name))
            if not address:
                return attributes
            return {**host_params, "host": address}, {**pool_kwargs, "server_hostname": name}

        def add_headers(self, request: Any, **kwargs: Any) -> None:
            super().add_headers(request, **kwargs)
            request.headers.setdefault("Host", urlsplit(request.url).netloc)

    session = requests.Session()
    session.trust_env = False  # no proxy, netrc or CA bundle that the environment happens to name
    session.cookies.set_policy(_no_cookies())  # an answer must not depend on what was asked before
    session.headers.update({"User-Agent": USER_AGENT})
    if ca_file:
        session.verify = ca_file
    for scheme in ("http://", "https://"):
        session.mount(scheme, Resolving(max_retries=0))
    return session


def _no_cookies() -> Any:
    from http.cookiejar import DefaultCookiePolicy

    return DefaultCookiePolicy(allowed_domains=[])


def _urllib3_error() -> type[Exception]:
    import urllib3

    return urllib3.exceptions.HTTPError  # reading a body raises these bare


def _peer(response: Any) -> str:
    sock = getattr(getattr(response.raw, "connection", None), "sock", None)
    try:
        return str(sock.getpeername()[0]) if sock else ""
    except OSError:
        return ""


# ---------------------------------------------------------------------- URLs


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        int(parts.port or 0)  # raises ValueError where it is no port
    except ValueError as exc:
        raise InputError(f"{_bare(url)!r} is not a usable URL: {exc}.") from exc
    return parts


def shown_url(url: str) -> str:
    """An URL for summaries and evidence: a query is named but not shown, since it may carry a token."""
    return _bare(url.partition("#")[0]) + ("?…" if "?" in url else "")


def _bare(url: str) -> str:
    """An URL for an error text: without what may hold a secret."""
    scheme, mark, rest = url.split("?", 1)[0].rpartition("://")
    return (scheme + mark + rest.rpartition("@")[2])[:200]


def _plain(host: str) -> str:
    return host.lower().rstrip(".").strip("[]")


def _allowed(entry: str) -> tuple[str, int]:
    """An entry of ``allowed_hosts`` as host and port, where 0 stands for every port."""
    parts = _split(f"//{entry.strip()}")
    if not parts.hostname or "/" in entry or parts.username is not None:
        raise InputError(f"allowed_hosts: {entry!r} is not a host name (or host:port).")
    return _plain(parts.hostname), parts.port or 0


def _origin(url: str) -> tuple[str, str, int]:
    parts = _split(url)
    return parts.scheme, _plain(parts.hostname or ""), parts.port or _PORTS.get(parts.scheme, 0)


# ---------------------------------------------------------------------- failures


def failure_of(exc: BaseException, url: str, given: str, timeout_s: float) -> Failure:
    """Why no answer came of a request to an URL, by what was raised."""
    host = _place(url, given)
    causes = list(causes_of(exc))
    for cause in causes:
        found = _known(cause, host, timeout_s)
        if found:
            return found
    return Failure("protocol", f"{host} did not answer in HTTP: {_words(causes[-1])}.")


def _place(url: str, given: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}" + (f" (at {given})" if given else "")


def _known(cause: BaseException, host: str, timeout_s: float) -> Failure | None:
    if isinstance(cause, ssl.SSLError):
        why = tls_why(cause)
        return Failure("tls", f"{host}: {_WHY_WORDS[why]} ({_words(cause)}).", why)
    if isinstance(cause, _TooLargeError):
        return Failure("too_large", f"{host} sent a body longer than the {cause.args[0]} bytes that are read.")
    if isinstance(cause, TimeoutError):
        return Failure("timeout", f"{host} did not answer within {timeout_s:g} s.")
    return _of_system(cause, host) if isinstance(cause, OSError) else None


def _of_system(cause: OSError, host: str) -> Failure | None:
    if isinstance(cause, socket.gaierror):
        return Failure("dns", f"The name of {host} does not resolve: {_words(cause)}.")
    if isinstance(cause, ConnectionRefusedError):
        return Failure("refused", f"{host} refuses connections: nothing listens there.")
    if cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM):
        return Failure("unreachable", f"{host} cannot be reached: {_words(cause)}.")
    return None


def tls_why(exc: ssl.SSLError) -> str:
    """The everyday word for a TLS error, a key of the table above."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return _TLS_WHY.get(exc.verify_code, "certificate")
    return "handshake"


def causes_of(exc: BaseException) -> Iterator[BaseException]:
    """An exception and all that it wraps, innermost first: the libraries bury the system's error in layers."""
    seen: list[BaseException] = []
    queue: list[Any] = [exc]
    while queue:
        one = queue.pop(0)
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            queue += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return iter(seen[::-1])


def _words(exc: BaseException) -> str:
    text = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
    if isinstance(exc, ssl.SSLCertVerificationError):
        text = exc.verify_message or text
    return (" ".join(str(text).split()) or type(exc).__name__)[:200].rstrip(".")
