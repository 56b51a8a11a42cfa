# The faults of the HTTP side: what each does wrong, beside the same question to an application that is right.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from bytebot_app.logs import configure

from .memory import ORIGIN, PASSWORD, Clock
from .test_http import PREFLIGHT
from .wrong import LOGIN, ME, TASKS, Made, bearer, both, burst

ORIGINS = {"foreign": "https://evil.test", "null": "null", "suffix": "https://evilbytebot.test", "own": ORIGIN}

# ---------------------------------------------------------------------------- limits


def test_rate_limiter_off(made: Made) -> None:
    client = made("rate_limiter_off", limited=True)
    assert set(burst(client, bearer(client), 20)) == {200}
    assert "X-RateLimit-Limit" not in client.get(TASKS).headers


def test_rate_limit_per_replica(made: Made) -> None:
    one, two = (made("rate_limit_per_replica", limited=True) for _ in range(2))
    mine = bearer(one)
    assert burst(one, mine) == burst(two, mine) == [200] * 6 + [429]


def test_rate_limit_for_all(made: Made) -> None:
    client = made("rate_limit_for_all", limited=True)
    mine, other = bearer(client), bearer(client, "other")
    burst(client, mine)
    assert burst(client, other, 1) == [429]


def test_rate_limit_does_not_recover(made: Made, clock: Clock) -> None:
    client = made("rate_limit_does_not_recover", limited=True)
    mine = bearer(client)
    burst(client, mine)
    clock.now += int(client.get(TASKS, headers=mine).headers["Retry-After"]) + 1
    assert burst(client, mine, 1) == [429]


@pytest.mark.parametrize(("fault", "last"), [("", 429), ("rate_limit_spoofable", 401)])
def test_rate_limit_spoofable(made: Made, fault: str, last: int) -> None:
    client = made(fault, limited=True)
    wrong = {"username": "viewer@bytebot.test", "password": "wrong"}
    found = [
        client.post(LOGIN, json=wrong, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(6)
    ]
    assert found == [401] * 5 + [last]


def test_rate_limit_headers_missing(made: Made) -> None:
    client = made("rate_limit_headers_missing", limited=True)
    mine = bearer(client)
    assert burst(client, mine)[-1] == 429
    names = {name.lower() for name in client.get(TASKS, headers=mine).headers}
    assert not [name for name in names if "ratelimit" in name or name == "retry-after"]


def test_session_fixation(made: Made) -> None:
    def cookie(client: Callable[..., TestClient]) -> str:
        given = {"username": "operator@bytebot.test", "password": PASSWORD}
        answer = client().post(LOGIN, json=given, headers={"Cookie": "refresh_token=brought"})
        return str(answer.headers["set-cookie"].partition(";")[0])

    right, wrong = both(made, "session_fixation", cookie)
    assert (right == "refresh_token=brought", wrong) == (False, "refresh_token=brought")


def test_endpoint_500(made: Made) -> None:
    def status(client: Callable[..., TestClient]) -> int:
        one = client()
        return one.get(f"{TASKS}/models", headers=bearer(one)).status_code

    assert both(made, "endpoint_500", status) == (200, 500)


# ---------------------------------------------------------------------------- headers and origins


@pytest.mark.parametrize(
    ("fault", "path", "header", "said"),
    [
        ("security_headers_missing", "/health/live", "X-Frame-Options", None),
        ("security_headers_missing", "/nothing", "Strict-Transport-Security", None),
        ("security_headers_missing_on_errors", "/nothing", "Content-Security-Policy", None),
        ("security_headers_missing_on_errors", "/health/live", "X-Frame-Options", "DENY"),
        ("csp_unsafe_inline", "/health/live", "Content-Security-Policy", "default-src * 'unsafe-inline' 'unsafe-eval'"),
        ("hsts_zero", "/health/live", "Strict-Transport-Security", "max-age=0"),
        ("server_banner", "/health/live", "Server", "bytebot/1.0.0"),
        ("server_banner", "/nothing", "X-Powered-By", "Express"),
    ],
)
def test_headers(made: Made, fault: str, path: str, header: str, said: str | None) -> None:
    assert made(fault).get(path).headers.get(header) == said


def allowed(client: TestClient, origin: str) -> set[str | None]:
    preflight = client.options(TASKS, headers={"Origin": origin, **PREFLIGHT})
    plain = client.get("/health/live", headers={"Origin": origin})
    return {answer.headers.get("access-control-allow-origin") for answer in (preflight, plain)}


@pytest.mark.parametrize(
    ("fault", "admitted"),
    [
        ("", {"own"}),
        ("cors_any_origin", set(ORIGINS)),
        ("cors_reflects_origin", {"foreign", "suffix", "own"}),
        ("cors_null_origin", {"null", "own"}),
        ("cors_suffix_match", {"suffix", "own"}),
    ],
)
def test_origins(made: Made, fault: str, admitted: set[str]) -> None:
    client = made(fault)
    for name, origin in ORIGINS.items():
        said = "*" if fault == "cors_any_origin" else origin
        assert allowed(client, origin) == ({said} if name in admitted else {None}), name


# ---------------------------------------------------------------------------- errors and validation


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("stack_in_errors", "Traceback (most recent call last)"),
        ("sql_in_errors", "SELECT id"),
        ("errors_as_html", "<html>"),
    ],
)
@pytest.mark.parametrize("path", ["/nothing", TASKS, "/api/broken"])
def test_errors(made: Made, fault: str, said: str, path: str) -> None:
    right, wrong = both(made, fault, lambda client: client().get(path))
    assert right.status_code == wrong.status_code
    assert said in wrong.text
    assert said not in right.text
    assert wrong.headers["content-type"].startswith("text/html") == (fault == "errors_as_html")


@pytest.mark.parametrize(
    ("fault", "body", "kind", "right", "wrong"),
    [
        ("invalid_input_500", '{"description": 1}', "application/json", 400, 500),
        ("unknown_fields_accepted", '{"description": "a", "role": "ADMIN"}', "application/json", 400, 201),
        ("unknown_fields_accepted", '{"description": 1}', "application/json", 400, 400),
        ("content_type_ignored", '{"description": "a"}', "text/plain", 415, 201),
    ],
)
def test_validation(made: Made, fault: str, body: str, kind: str, right: int, wrong: int) -> None:
    def seen(client: Callable[..., TestClient]) -> int:
        one = client()
        headers = {**bearer(one), "Content-Type": kind}
        status: int = one.post(TASKS, content=body, headers=headers).status_code
        return status

    assert both(made, fault, seen) == (right, wrong)


def test_correlation_id_replaced(made: Made) -> None:
    right, wrong = both(
        made,
        "correlation_id_replaced",
        lambda client: (
            client().get("/health/live", headers={"x-correlation-id": "find-me"}).headers["x-correlation-id"]
        ),
    )
    assert right == "find-me" != wrong


def test_correlation_id_not_logged(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")
    for fault in ("", "correlation_id_not_logged"):
        client = made(fault)
        answer = client.get("/nothing", headers={"x-correlation-id": "find-me"})
        assert answer.headers["x-correlation-id"] == "find-me"
        assert ("find-me" in capsys.readouterr().out) == (not fault)
        assert client.get("/nothing").headers["x-correlation-id"]


def test_answer_differs_from_document(made: Made) -> None:
    def seen(client: Callable[..., TestClient]) -> bool:
        one = client()
        schema = one.app.openapi()["components"]["schemas"]["Permissions"]  # type: ignore[attr-defined]
        return set(schema["required"]) <= set(one.get(ME, headers=bearer(one)).json())

    assert both(made, "answer_differs_from_document", seen) == (True, False)


def test_undocumented_status(made: Made) -> None:
    def seen(client: Callable[..., TestClient]) -> bool:
        one = client()
        documented = one.app.openapi()["paths"][TASKS]["get"]["responses"]  # type: ignore[attr-defined]
        return str(one.get(TASKS, headers=bearer(one)).status_code) in documented

    assert both(made, "undocumented_status", seen) == (True, False)


def test_documents_in_production(made: Made) -> None:
    assert both(made, "documents_in_production", lambda client: client().get("/api/docs").status_code) == (404, 200)
