# Faults of the application's limits, headers, origins, errors and planted weaknesses, each seen by a visitor.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import secrets
import uuid
from http import HTTPStatus

import redis

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import AUTH, ME, PATIENCE_S, TASKS, Answer, Look, Visitor, planted, unmarked, wrong
from sandbox.faults.fault import Hands
from sandbox.handover import password
from sandbox.host.netns import call_inside

LIVE, NOWHERE = "/health/live", "/nothing-is-here"
LEFT, MOST = "X-RateLimit-Remaining", "X-RateLimit-Limit"
HEADERS = ("Strict-Transport-Security", "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options")
FOREIGN, SUFFIX = "https://elsewhere.example", "https://evil-bytebot.test"
TURNS = 6
MINUTE_MS = 60_000
BROKEN = 500
TRUE_ADDRESS = "198.51.100.7"

# ---------------------------------------------------------------------------- limits


def _left(visitor: Visitor, token: str) -> int:
    return int(visitor.ask("GET", TASKS, token=token).headers[LEFT])


def _not_limited(visitor: Visitor) -> bool:
    return LEFT not in visitor.ask("GET", TASKS, token=visitor.token()).headers


def _counts_repeat(visitor: Visitor) -> bool:
    """Two replicas that count for themselves say the same number twice."""
    with visitor.someone() as one:
        token = visitor.tokens(one.name, one.password)["access_token"]
        return len({_left(visitor, token) for _ in range(TURNS)}) < TURNS


def _begins_below(visitor: Visitor) -> bool:
    """What others ask counts for somebody who has asked nothing yet."""
    with visitor.someone() as one:
        _left(visitor, visitor.token())
        answer = visitor.ask("GET", TASKS, token=visitor.tokens(one.name, one.password)["access_token"])
        return int(answer.headers[LEFT]) < int(answer.headers[MOST]) - 1


def _count_lasts(visitor: Visitor) -> bool:
    """As Redis tells: a count must be gone with its minute."""
    with visitor.someone() as one:
        _left(visitor, visitor.tokens(one.name, one.password)["access_token"])
        s = visitor.hands.settings
        address = visitor.hands.cluster.service_address("cache", "redis")

        def ask() -> int:
            with redis.Redis(
                address, 6379, username=s.redis_user, password=password(s, "redis-password"), decode_responses=True
            ) as client:
                found = list(client.scan_iter(f"*limit:api:*{one.id}"))
                return max((int(client.pttl(key)) for key in found), default=0)

        rest: int = call_inside(s, ask)
        if rest <= 0:
            raise SandboxError("fault", "Redis has no count of a request that was just made")
        return rest > MINUTE_MS


def _forgotten(hands: Hands) -> None:
    """Heal, and forget the counts that would last for an hour."""
    unmarked(hands)
    s = hands.settings
    address = hands.cluster.service_address("cache", "redis")

    def forget() -> None:
        with redis.Redis(address, 6379, username=s.redis_user, password=password(s, "redis-password")) as client:
            for key in client.scan_iter("*limit:*"):
                client.delete(key)

    call_inside(s, forget)


def _spoofed(visitor: Visitor) -> bool:
    """Asked at a pod as the ingress controller asks, which puts the true address behind what a caller claims."""
    s, pod = visitor.hands.settings, visitor.pods()[0]["status"]["podIP"]
    body = json.dumps({"username": f"nobody-{uuid.uuid4().hex[:12]}@bytebot.test", "password": wrong()})

    def left(claimed: str) -> int:
        def ask() -> int:
            connection = http.client.HTTPConnection(pod, 3000, timeout=PATIENCE_S)
            with contextlib.closing(connection):
                headers = {"Content-Type": "application/json", "X-Forwarded-For": f"{claimed}, {TRUE_ADDRESS}"}
                connection.request("POST", f"{AUTH}/login", body, headers)
                return int(connection.getresponse().headers[LEFT])

        return call_inside(s, ask)

    return left(_address()) == left(_address())


def _address() -> str:
    return f"203.0.113.{secrets.randbelow(254) + 1}"


# ---------------------------------------------------------------------------- headers and origins


def _lacks(path: str, *names: str) -> Look:
    return lambda visitor: not [name for name in names if name in visitor.ask("GET", path).headers]


def _only_on_errors(visitor: Visitor) -> bool:
    return _lacks(NOWHERE, *HEADERS)(visitor) and not _lacks(LIVE, *HEADERS)(visitor)


def _says(header: str, text: str) -> Look:
    return lambda visitor: text in (visitor.ask("GET", LIVE).headers[header] or "")


def _lets_in(*origins: str, by: str = "") -> Look:
    """Whether both a preflight and a plain request let these origins in, by name or by what is given."""

    def look(visitor: Visitor) -> bool:
        return all(said == (by or origin) for origin in origins for said in _allowed(visitor, origin))

    return look


def _allowed(visitor: Visitor, origin: str) -> tuple[str | None, ...]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "Authorization",
    }
    answers = visitor.ask("OPTIONS", TASKS, headers=asked), visitor.ask("GET", LIVE, headers={"Origin": origin})
    return tuple(answer.headers["Access-Control-Allow-Origin"] for answer in answers)


def _by_its_end(visitor: Visitor) -> bool:
    return _lets_in(SUFFIX)(visitor) and not _lets_in(FOREIGN)(visitor)


# ---------------------------------------------------------------------------- errors and validation


def _error(visitor: Visitor) -> Answer:
    return visitor.ask("GET", NOWHERE)


def _status(body: object, wanted: int, **headers: str) -> Look:
    """Whether a task of this body is answered so; where one is made, it is removed."""

    def look(visitor: Visitor) -> bool:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = visitor.ask("POST", TASKS, body, token=visitor.token(), headers=given)
        if answer.status == HTTPStatus.CREATED:
            visitor.ask("DELETE", f"{TASKS}/{answer.json['id']}", token=visitor.token("admin"))
        return answer.status == wanted

    return look


def _other_id(visitor: Visitor) -> bool:
    given = f"look-{uuid.uuid4()}"
    return visitor.ask("GET", LIVE, headers={"X-Correlation-Id": given}).headers["X-Correlation-Id"] != given


def _other_field(visitor: Visitor) -> bool:
    return "userId" not in visitor.ask("GET", ME, token=visitor.token()).json


NOT_VALID = {"description": 1}
UNKNOWN_FIELD = {"description": "Take a screenshot", "role": "ADMIN"}
PLAIN = '{"description": "Take a screenshot"}'
ENDPOINTS, VALIDATION, ERRORS, API_LIMIT, API_ORIGINS = (
    f"functional_testing.api.{item}" for item in ("endpoints", "validation", "errors", "rate_limit", "cors")
)
DEBUG = "application_configuration.environment.debug_off"
PROTECTED, ORIGINS, LIMITS = (
    f"security_configuration.network.{item}" for item in ("security_headers", "cors", "rate_limit")
)


def _session_kept(visitor: Visitor) -> bool:
    """The login takes over a cookie that was brought to it."""
    brought = "planted-in-the-browser"
    answer = visitor.login(*visitor.account("operator"), Cookie=f"refresh_token={brought}")
    return brought in answer.headers["Set-Cookie"]


FAULTS = (
    planted("rate_limiter_off", "requests are not limited", _not_limited, LIMITS, API_LIMIT),
    planted(
        "rate_limit_per_replica", "each replica counts requests for itself", _counts_repeat,
        LIMITS, API_LIMIT, "security_testing.web.rate_limit",
    ),
    planted("rate_limit_for_all", "all callers share one count", _begins_below, LIMITS, API_LIMIT),
    dataclasses.replace(
        planted("rate_limit_does_not_recover", "who was limited once stays limited", _count_lasts, API_LIMIT),
        heal=_forgotten, mark="",
    ),
    planted("rate_limit_spoofable", "any X-Forwarded-For is believed, so a new address is a new count", _spoofed),
    planted(
        "rate_limit_headers_missing", "answers do not say how many requests are left",
        _not_limited, LIMITS, API_LIMIT,
    ),
    planted(
        "session_fixation", "a cookie that is brought to the login stays the session's", _session_kept,
        "security_testing.web.invalid_auth",
    ),
    planted("security_headers_missing", "answers have no security headers", _lacks(LIVE, *HEADERS), PROTECTED),
    planted(
        "security_headers_missing_on_errors", "errors have no security headers", _only_on_errors,
        PROTECTED, "security_testing.web.headers",
    ),
    planted(
        "csp_unsafe_inline", "the content policy lets in everything",
        _says("Content-Security-Policy", "unsafe-inline"), PROTECTED,
    ),
    planted(
        "hsts_zero", "browsers are told to forget HTTPS", _says("Strict-Transport-Security", "max-age=0"), PROTECTED
    ),
    planted("server_banner", "answers name the server and its version", _says("Server", "1.0.0"), PROTECTED),
    planted(
        "cors_any_origin", "every origin is let in, by a star",
        _lets_in(FOREIGN, "null", by="*"), ORIGINS, API_ORIGINS,
    ),
    planted("cors_reflects_origin", "every origin is let in, by name", _lets_in(FOREIGN, SUFFIX), ORIGINS, API_ORIGINS),
    planted("cors_null_origin", "the origin null is let in", _lets_in("null"), ORIGINS, API_ORIGINS),
    planted(
        "cors_suffix_match", "every origin that ends like an allowed one is let in",
        _by_its_end, ORIGINS, API_ORIGINS,
    ),
    planted(
        "stack_in_errors", "errors show a stack trace",
        lambda visitor: "Traceback" in _error(visitor).text, ERRORS, DEBUG,
    ),
    planted(
        "sql_in_errors", "errors show the database's statement",
        lambda visitor: "SELECT" in _error(visitor).text, ERRORS,
    ),
    planted("errors_as_html", "errors are web pages", lambda visitor: "<html>" in _error(visitor).text, ERRORS),
    planted(
        "invalid_input_500", "a request that is not valid is a 500",
        _status(NOT_VALID, 500), VALIDATION, ENDPOINTS,
    ),
    planted(
        "unknown_fields_accepted", "fields that nobody knows are let pass",
        _status(UNKNOWN_FIELD, 201), VALIDATION, ENDPOINTS,
    ),
    planted(
        "content_type_ignored", "any content type is taken for JSON", _status(PLAIN, 201, Content_Type="text/plain"),
        VALIDATION,
    ),
    planted("correlation_id_replaced", "the answer has another correlation id than the request", _other_id, ERRORS),
    planted("answer_differs_from_document", "an answer has another field than its document", _other_field, ENDPOINTS),
    planted(
        "undocumented_status", "an answer has a status that its document lacks",
        lambda visitor: visitor.ask("GET", TASKS, token=visitor.token()).status == HTTPStatus.PARTIAL_CONTENT,
        ENDPOINTS,
    ),
    planted(
        "endpoint_500", "one route always fails",
        lambda visitor: visitor.ask("GET", f"{TASKS}/models", token=visitor.token()).status >= BROKEN,
        ENDPOINTS,
    ),
    planted(
        "documents_in_production", "the API's documents are served in production",
        lambda visitor: visitor.ask("GET", "/api/docs").status == HTTPStatus.OK, DEBUG,
    ),
)  # fmt: skip
