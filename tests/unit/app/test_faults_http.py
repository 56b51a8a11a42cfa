# The faults of the HTTP side: what each does wrong, beside the same question to an application that is right.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app import faults, faults_flow, faults_http, faults_injection
from bytebot_app.api import WRONG, Parts, create_app
from bytebot_app.limits import LocalWindows
from bytebot_app.logs import configure
from bytebot_app.settings import Settings

from .memory import ORIGIN, PASSWORD
from .test_http import EXPECTED, PREFLIGHT
from .test_limits import LIMITS, Clock

TASKS, LOGIN, ME = "/api/v1/tasks", "/api/v1/auth/login", "/api/v1/auth/permissions"
ORIGINS = {"foreign": "https://evil.test", "null": "null", "suffix": "https://evilbytebot.test", "own": ORIGIN}
Made = Callable[..., TestClient]
Seen = Callable[[Made], Any]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def made(settings: Settings, parts: Parts, clock: Clock, written: None, monkeypatch: pytest.MonkeyPatch) -> Made:
    shared = LocalWindows(clock)

    def client(fault: str, address: str = "203.0.113.7", limited: bool = False, **changes: Any) -> TestClient:
        monkeypatch.setenv(faults.MARK, fault)
        wanted = settings.model_copy(update={**(LIMITS if limited else {}), "enable_swagger": False, **changes})
        app = create_app(wanted, replace(parts, windows=shared))

        @app.get("/api/broken")
        async def broken() -> None:
            raise RuntimeError

        return TestClient(app, base_url="https://api.bytebot.test", client=(address, 50000))

    return client


def bearer(client: TestClient, name: str = "operator") -> dict[str, str]:
    answer = client.post(LOGIN, json={"username": f"{name}@bytebot.test", "password": PASSWORD})
    client.cookies.clear()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def both(made: Made, fault: str, seen: Callable[[Callable[..., TestClient]], Any]) -> tuple[Any, Any]:
    """What is seen of a right application, and of a wrong one."""
    return seen(lambda *given, **changes: made("", *given, **changes)), seen(
        lambda *given, **changes: made(fault, *given, **changes)
    )


def burst(client: TestClient, headers: dict[str, str], times: int = 7) -> list[int]:
    return [client.get(TASKS, headers=headers).status_code for _ in range(times)]


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


# ---------------------------------------------------------------------------- time, memory, metrics, logs


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting."""
    found: list[float] = []

    async def sleep(seconds: float, *_more: Any) -> None:
        found.append(seconds)

    for module in (faults_flow, faults_injection):
        monkeypatch.setattr(module, "asyncio", type("Waiting", (), {"sleep": staticmethod(sleep)}))
    return found


def test_answers_slow(made: Made, slept: list[float]) -> None:
    assert made("answers_slow").get("/health/ready").status_code == 200
    assert slept == [0.25]


def test_answers_stall(slept: list[float]) -> None:
    for now in (100.5, 101.9, 102.0, 109.9, 110.0):
        fault = faults_flow._stalls(lambda now=now: now)  # type: ignore[misc]
        assert fault.before is not None
        for path in ("/health/live", TASKS):
            asyncio.run(fault.before({"path": path}, b""))  # type: ignore[arg-type]
    assert [round(seconds, 3) for seconds in slept] == [1.5, 0.1, 2.0]
    assert "answers_stall" in faults_flow.FAULTS


def test_half_of_answers_fail(made: Made) -> None:
    client = made("half_of_answers_fail")
    assert [client.get(TASKS).status_code for _ in range(4)] == [401, 500, 401, 500]
    assert {client.get("/health/ready").status_code for _ in range(4)} == {200}


def test_memory_leak() -> None:
    fault = faults_flow.FAULTS["memory_leak"]()
    assert fault.before is not None
    for _ in range(3):
        asyncio.run(fault.before({}, b""))  # type: ignore[arg-type]
    kept = next(cell.cell_contents for cell in fault.before.__closure__)  # type: ignore[attr-defined]
    assert sum(map(len, kept)) == 3 * 64 * 1024


def families(client: TestClient) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
    return {name: float(number) for name, number in lines}


def test_business_metrics_frozen(made: Made) -> None:
    client = made("business_metrics_frozen")
    client.get(TASKS)
    first = families(client)
    client.get(TASKS)
    second = families(client)
    changed = {name for name in second if first.get(name) != second[name]}
    assert not [name for name in changed if name.startswith("bytebot_")]
    assert [name for name in changed if name.startswith("http_requests_total")]


def test_business_metrics_missing(made: Made) -> None:
    found = families(made("business_metrics_missing"))
    assert found
    assert not [name for name in found if name.startswith(("bytebot_", "auth_", "active_sessions"))]


@pytest.mark.parametrize(("fault", "levels"), [("", {"warn", "info"}), ("debug_lines", {"warn", "info", "debug"})])
def test_debug_lines(made: Made, fault: str, levels: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")
    client = made(fault)
    client.post(LOGIN, json={"username": "a", "password": "b"})
    client.get("/health/live")
    assert {json.loads(line)["level"] for line in capsys.readouterr().out.splitlines()} == levels


def test_logs_as_text(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")  # bound to the output of this phase of the test
    made("logs_as_text").get(TASKS)
    last = capsys.readouterr().out.splitlines()[-1]
    with pytest.raises(ValueError, match=r"Extra data|Expecting value"):
        json.loads(last)


def test_secrets_in_the_log(made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "1.2.3", "test")
    monkeypatch.setenv("DATABASE_PASSWORD", "canary-password")
    made("password_printed_at_start")
    assert "canary-password" in capsys.readouterr().out
    made("token_in_log").get(TASKS, headers={"Authorization": "Bearer canary-token"})
    assert "canary-token" in capsys.readouterr().out
    made("").get(TASKS, headers={"Authorization": "Bearer canary-token"})
    assert "canary" not in capsys.readouterr().out


# ---------------------------------------------------------------------------- injection


def made_task(client: Callable[..., TestClient], text: str) -> Any:
    one = client()
    return one.post(TASKS, json={"description": text}, headers=bearer(one))


def test_sql_injection_error(made: Made) -> None:
    right, wrong = both(made, "sql_injection_error", lambda client: made_task(client, "it's"))
    assert (right.status_code, wrong.status_code) == (201, 500)
    assert "unterminated quoted string" in json.loads(wrong.text)["error"]["message"]
    assert made_task(lambda: made("sql_injection_error"), "it''s").status_code == 201


@pytest.mark.parametrize(
    ("fault", "text", "seconds"),
    [
        ("sql_injection_time", "'; SELECT pg_sleep(3); --", 3.0),
        ("sql_injection_time", "x' AND SLEEP(2) AND '1'='1", 2.0),
        ("sql_injection_time", "asleep", None),
        ("command_injection_time", "a; sleep 3", 3.0),
        ("command_injection_time", "$(sleep 99)", 10.0),
        ("command_injection_time", "pg_sleep(3)", None),
        ("", "'; SELECT pg_sleep(3); -- ; sleep 3", None),
    ],
)
def test_waiting_injections(made: Made, slept: list[float], fault: str, text: str, seconds: float | None) -> None:
    assert made_task(lambda: made(fault), text).status_code == 201
    assert slept == ([] if seconds is None else [seconds])


def test_template_injection(made: Made) -> None:
    right, wrong = both(
        made, "template_injection", lambda client: made_task(client, "{{1337*7}}").json()["description"]
    )
    assert (right, wrong) == ("{{1337*7}}", "9359")


def test_path_traversal(made: Made) -> None:
    def seen(client: Callable[..., TestClient]) -> bool:
        one = client()
        return "root:x:0:0" in one.get(TASKS, params={"status": "../../../etc/passwd"}, headers=bearer(one)).text

    assert both(made, "path_traversal", seen) == (False, True)


def test_input_reflected_as_html(made: Made) -> None:
    canary = "<script>canary()</script>"

    def seen(client: Callable[..., TestClient]) -> tuple[bool, str]:
        one = client()
        answer = one.get(TASKS, params={"status": canary}, headers=bearer(one))
        return canary in answer.text, answer.headers["content-type"].partition(";")[0]

    assert both(made, "input_reflected_as_html", seen) == ((False, "application/json"), (True, "text/html"))


# ---------------------------------------------------------------------------- all of them


def test_each_fault_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in WRONG if f'"{name}"' not in text]
    assert len(WRONG) == sum(len(part.FAULTS) for part in (faults_http, faults_flow, faults_injection))
    assert not set(WRONG) & set(faults.FAULTS)
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in WRONG)


@pytest.mark.parametrize("fault", sorted(set(WRONG) - {"answers_slow", "answers_stall"}))
def test_a_fault_leaves_a_deployment_alive(made: Made, fault: str) -> None:
    client = made(fault)
    for path in ("/health/live", "/health/ready", "/health/startup"):
        assert client.get(path).json()["status"] == "ok"
    headers = client.get("/health/live").headers
    if "headers" not in fault and fault not in {"hsts_zero", "csp_unsafe_inline"}:
        assert {name: headers[name] for name in EXPECTED} == EXPECTED
