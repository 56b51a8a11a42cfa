# Asks an application what its headers, origins and limits are: by answers of every kind, through its public address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from ansible_collections.bytebot.production.plugins.module_utils.checks import cors, http_headers
from ansible_collections.bytebot.production.plugins.module_utils.checks.cors import PREFLIGHT, REAL, Asked, Origin
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_headers import Page
from ansible_collections.bytebot.production.plugins.module_utils.checks.http_security import (
    CHECKS,
    CORS,
    HEADERS,
    HTTPS,
    LIMIT,
    TESTED_HEADERS,
    TESTED_LIMIT,
    HttpFacts,
    InClear,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rate_limit import LimitFacts, Names
from ansible_collections.bytebot.production.plugins.module_utils.clients.auth_api import Patience
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer, Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.observe_https import doors_of, plain_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_limits import LimitScope, limits_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

PATIENCE_S = 185.0  # three windows of a limit, which is a minute
BROKEN = b'{"broken'  # no JSON at all: an error that changes nothing


@dataclass(frozen=True, slots=True)
class Paths:
    """What is asked, by what it must answer.

    :param ok: answers 2xx to everybody; :param protected: answers 401 to nobody; :param login: takes JSON.
    :param static: a file; :param errors: more that answer an error, as a route that fails with 500 would.
    :param cors: paths asked with origins, one for each group of routes.
    """

    ok: str = "/health/live"
    protected: str = "/api/v1/tasks"
    login: str = "/api/v1/auth/login"
    static: str = "/robots.txt"
    errors: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()
    metrics: str = "/metrics"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked, and what is wanted of it.

    :param origins: those that are allowed; None where they are not known.
    :param door: where users sign in; None where no account is given.
    :param hosts: those that are asked in clear; :param inside: the cluster, where its side doors are looked for.
    :param patience_s: seconds that may be waited in all where asking with many origins meets a limit.
    """

    paths: Paths
    wanted: Wanted
    limits: LimitScope
    origins: tuple[str, ...] | None = None
    accounts: tuple[Account, ...] = ()
    door: Door | None = None
    unasked: str = ""
    only: Collection[str] = ()
    names: Names = field(default_factory=Names)
    hosts: tuple[str, ...] = ()
    inside: Cluster | None = None
    namespace: str = ""
    patience_s: float = PATIENCE_S
    pause: Callable[[float], None] = time.sleep

    def judges(self, *controls: str) -> bool:
        """Whether any of these is judged."""
        return any(control in (self.only or CHECKS.controls) for control in controls)

    @property
    def spoofs(self) -> bool:
        return self.judges(TESTED_LIMIT)


def observe(http: Http, scope: Scope, redactor: Redactor, clients: Callable[[], Http]) -> HttpFacts:
    """Ask what the wanted controls rest on; nothing where ``unasked`` says why not."""
    if scope.unasked:
        return HttpFacts(http.base_url, scope.wanted, origins=scope.origins, unasked=scope.unasked)
    asks_cors = scope.origins is not None and scope.judges(CORS, HEADERS)
    return HttpFacts(
        http.base_url,
        scope.wanted,
        tuple(_pages(http, scope.paths)) if scope.judges(HEADERS, TESTED_HEADERS) else (),
        scope.origins,
        tuple(_origins(http, scope)) if asks_cors else (),
        limits_of(http, scope, redactor, clients) if scope.judges(LIMIT, TESTED_LIMIT) else LimitFacts(),
        _in_clear(http, scope) if scope.judges(HTTPS) else InClear(),
    )


def _in_clear(http: Http, scope: Scope) -> InClear:
    paths = tuple(dict.fromkeys(("/", scope.paths.ok, scope.paths.protected, scope.paths.login, scope.paths.static)))
    plain = tuple(plain_of(http, scope.hosts, paths))
    secure = tuple(
        _page(http_headers.SUCCESS, "GET", http.get(f"https://{host}{scope.paths.ok}")) for host in scope.hosts
    )
    if scope.inside is None:
        return InClear(plain, secure, (), "namespace is not given")
    return InClear(plain, secure, *doors_of(http, scope.inside, scope.namespace, scope.paths.ok))


# ---------------------------------------------------------------------- headers


def _pages(http: Http, paths: Paths) -> Iterator[Page]:
    """Answers of every kind. None of the requests changes anything."""
    lost = f"/nothing-{secrets.token_hex(8)}"
    yield _page(http_headers.SUCCESS, "GET", http.get(paths.ok))
    plain = _plain(http, paths.ok)
    if plain:
        yield _redirect(http, plain)
    yield _page(http_headers.NOT_FOUND, "GET", http.get(lost))
    yield _page(http_headers.UNAUTHORISED, "GET", http.get(paths.protected))
    json = {"Content-Type": "application/json"}
    yield _page(http_headers.ERROR, "POST", http.request("POST", paths.login, headers=json, data=BROKEN))
    yield _page(http_headers.ERROR, "PUT", http.request("PUT", paths.login, headers=json, data=BROKEN))
    for path in paths.errors:
        yield _page(http_headers.ERROR, "GET", http.get(path))
    yield _page(http_headers.STATIC, "GET", http.get(paths.static))


def _redirect(http: Http, url: str) -> Page:
    try:
        answer = http.get(url)
    except InputError as exc:  # the port may not be asked
        return Page(http_headers.REDIRECT, f"GET {url}", problem=exc.sentence)
    page = _page(http_headers.REDIRECT, "GET", answer)
    return replace(page, closed=answer.failure is not None and answer.failure.kind == "refused")


def _plain(http: Http, path: str) -> str:
    """The same without TLS, at the usual port."""
    parts = urlsplit(http.url_of(path))
    return f"http://{parts.hostname}{parts.path}" if parts.scheme == "https" else ""


def _page(kind: str, method: str, answer: Answer) -> Page:
    problem = answer.failure.sentence if answer.failure else ""
    return Page(kind, f"{method} {answer.url}", answer.status, dict(answer.headers), problem)


# ---------------------------------------------------------------------- origins


def _origins(http: Http, scope: Scope) -> Iterator[Asked]:
    patience = Patience(scope.patience_s, sleep=scope.pause)

    def ask(method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """What a limit answers says nothing of origins."""
        return patience.ask(lambda: http.request(method, path, headers=headers))

    for path in scope.paths.cors or (scope.paths.protected, scope.paths.login, scope.paths.ok):
        for origin in cors.origins(scope.origins or ()):
            yield _asked(path, PREFLIGHT, origin, ask("OPTIONS", path, _preflight(origin)))
            yield _asked(path, REAL, origin, ask("GET", path, {"Origin": origin.text}))


def _preflight(origin: Origin) -> dict[str, str]:
    return {
        "Origin": origin.text,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,content-type",
    }


def _asked(path: str, how: str, origin: Origin, answer: Answer) -> Asked:
    problem = answer.failure.sentence if answer.failure else ""
    headers = {
        name: value for name, value in answer.headers.items() if name.startswith("access-control-") or name == "vary"
    }
    return Asked(path, how, origin, answer.status, headers, problem)
