# The faults of the application: each changes one path's answer and no other, and without its mark there is none.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from bytebot_app import faults
from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings

PATHS = ("/health/live", "/health/ready", "/health/startup", "/metrics")
Clients = Callable[[str], TestClient]


@pytest.fixture
def faulty(settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Clients:
    def made(fault: str) -> TestClient:
        monkeypatch.setenv(faults.MARK, fault)
        return TestClient(create_app(settings, parts))

    return made


@pytest.mark.parametrize("fault", ["", "no_such_fault"])
def test_no_fault_without_its_mark(faulty: Clients, fault: str) -> None:
    client = faulty(fault)
    assert client.get("/health/live").json()["status"] == "ok"
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_only_its_own_path_answers_otherwise_and_with_200(faulty: Clients, fault: str) -> None:
    client = faulty(fault)
    own, _change = faults.FAULTS[fault][1]()
    for path in PATHS:
        answer = client.get(path)
        assert answer.status_code == 200
        if path not in {own, "/metrics"}:
            assert answer.json()["status"] == "ok"
            assert "error" not in answer.text
            assert "pending" not in answer.text


@pytest.mark.parametrize(
    ("fault", "path", "said"),
    [
        ("live_200_with_error_body", "/health/live", '"status": "error"'),
        ("dependency_down_yet_200", "/health/ready", '"database": {"status": "error"'),
        ("startup_never_completed", "/health/startup", '"database_migrations": "pending"'),
        ("metrics_html_page", "/metrics", "<html>"),
    ],
)
def test_what_it_says(faulty: Clients, fault: str, path: str, said: str) -> None:
    assert said in faulty(fault).get(path).text


def test_metrics_of_a_wrong_type_are_whole(faulty: Clients) -> None:
    answer = faulty("metrics_wrong_content_type").get("/metrics")
    assert answer.headers["content-type"].startswith("text/html")
    assert "http_requests_total" in answer.text


def test_stale_metrics_stay(faulty: Clients) -> None:
    client = faulty("metrics_stale")
    first = client.get("/metrics").text
    client.get("/health/live")
    assert client.get("/metrics").text == first


@pytest.mark.parametrize("fault", faults.FAULTS)
def test_what_a_browser_asks_before_is_answered_as_ever(
    faulty: Clients, settings: Settings, parts: Parts, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    own, _change = faults.FAULTS[fault][1]()
    asks = {"origin": "https://app.bytebot.test", "access-control-request-method": "GET"}
    answer = faulty(fault).options(own, headers=asks)
    monkeypatch.delenv(faults.MARK)
    healthy = TestClient(create_app(settings, parts)).options(own, headers=asks)
    assert (answer.status_code, answer.text) == (healthy.status_code, healthy.text)
