# The faults of time, memory, metrics and logs, the planted weaknesses, and what holds for all faults.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from bytebot_app import faults_flow, faults_injection
from bytebot_app.fault_layer import Answer
from bytebot_app.layers import WRONG
from bytebot_app.logs import configure

from .test_http import EXPECTED
from .wrong import LOGIN, TASKS, Made, bearer, both

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


def test_what_users_meet_is_what_the_metrics_tell(made: Made, slept: list[float]) -> None:
    client = made("error_spike")
    assert [client.get(TASKS).status_code for _ in range(10)].count(500) == 2
    told = client.get("/metrics").text
    (counted,) = re.findall(r'bytebot_api_requests_total\{.*status_code="500"\} (\S+)', told)
    assert float(counted) == 2
    made("latency_250ms_added").get(TASKS)
    assert slept == [0.25]


def test_what_grows_with_the_age_of_a_process(slept: list[float]) -> None:
    """``performance_drift`` and ``error_drift``."""
    assert {"performance_drift", "error_drift"} <= set(WRONG)
    now = [0.0]
    slower, failing = faults_flow._slower_and_slower(lambda: now[0]), faults_flow._more_and_more_fail(lambda: now[0])
    assert slower.before is not None
    assert failing.before is not None
    failed = []
    for age in (0, 20, 40, 1000):
        now[0] = age
        asyncio.run(slower.before({"path": TASKS}, b""))  # type: ignore[arg-type]
        answers = [asyncio.run(failing.before({"path": TASKS}, b"")) for _ in range(100)]  # type: ignore[arg-type]
        failed.append(sum(isinstance(one, Answer) for one in answers))
    assert slept == [0.0, 0.2, 0.4, 1.0]
    assert failed == pytest.approx([0, 20, 40, 40], abs=1)
    assert asyncio.run(failing.before({"path": "/health/live"}, b"")) == b""  # type: ignore[arg-type]


def test_half_of_answers_fail(made: Made) -> None:
    client = made("half_of_answers_fail")
    assert [client.get(TASKS).status_code for _ in range(4)] == [401, 500, 401, 500]
    assert {client.get("/health/ready").status_code for _ in range(4)} == {200}


def test_memory_leak() -> None:
    fault = faults_flow.FAULTS["memory_leak"][1]()
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


def listed(made: Made, fault: str, text: str) -> Any:
    def asked(client: Callable[..., TestClient]) -> Any:
        one = client()
        return one.get(TASKS, params={"status": text}, headers=bearer(one))

    return both(made, fault, asked)


@pytest.mark.parametrize(("text", "number"), [("x' OR '7'='7", 1), ("x' AND '7'='8", 0)])
def test_sql_injection_boolean(made: Made, text: str, number: int) -> None:
    right, wrong = listed(made, "sql_injection_boolean", text)
    assert (right.status_code, wrong.status_code, len(wrong.json())) == (400, 200, number)


def test_sql_injection_union(made: Made) -> None:
    right, wrong = listed(made, "sql_injection_union", "x' UNION SELECT 'ab'||'cd' -- ")
    assert ("abcd" in right.text, "abcd" in wrong.text) == (False, True)


def test_xss_stored(made: Made) -> None:
    def seen(client: Callable[..., TestClient]) -> str:
        one = client()
        task = one.post(TASKS, json={"description": "<svg id=x>"}, headers=bearer(one)).json()["id"]
        answer = one.get(f"{TASKS}/{task}", headers=bearer(one))
        assert "<svg id=x>" in answer.text
        return str(answer.headers["content-type"].partition(";")[0])

    assert both(made, "xss_stored", seen) == ("application/json", "text/html")


def test_xss_header(made: Made) -> None:
    right, wrong = listed(made, "xss_header", "x\r\nX-Look: here")
    assert (right.headers.get("x-look"), wrong.headers.get("x-look")) == (None, "here")


def test_server_side_request_forgery(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("bytebot_app.faults_injection._fetched", asked.append)
    listed(made, "server_side_request_forgery", "http://192.0.2.1:8080/look")
    assert asked == ["http://192.0.2.1:8080/look"]


# ---------------------------------------------------------------------------- all of them


def test_each_fault_has_a_test() -> None:
    text = "".join(one.read_text(encoding="utf-8") for one in Path(__file__).parent.glob("test_faults_*.py"))
    assert not [name for name in WRONG if f'"{name}"' not in text]
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in WRONG)


@pytest.mark.parametrize("fault", sorted(set(WRONG) - {"answers_slow", "answers_stall"}))
def test_a_fault_leaves_a_deployment_alive(made: Made, fault: str) -> None:
    client = made(fault)
    for path in ("/health/live", "/health/ready", "/health/startup"):
        assert client.get(path).json()["status"] == "ok"
    headers = client.get("/health/live").headers
    if "headers" not in fault and fault not in {"hsts_zero", "csp_unsafe_inline"}:
        assert {name: headers[name] for name in EXPECTED} == EXPECTED
