# What a request may say: everything else is a documented 4xx that names its fields, and never a 5xx.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings

TASKS = "/api/v1/tasks"
JSON = {"Content-Type": "application/json"}
HOSTILE = (
    '\'; DROP TABLE "Task"; --',
    "1' OR '1'='1",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %>",
    "$(id) `id` ; id | id",
    "../../../../etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "\u202e\ufeff\U0001f4a3 %00 %0d%0aSet-Cookie:a=b",
    "${jndi:ldap://127.0.0.1/a}",
)


def refused(answer: Any, status: int, code: str) -> Any:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    return answer.json()["error"]["details"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{}", "description"),
        ('{"description": ""}', "description"),
        ('{"description": "  "}', "description"),
        ('{"description": 1}', "description"),
        ('{"description": null}', "description"),
        ('{"description": ["a"]}', "description"),
        ('{"description": "a", "priority": "HIGHEST"}', "priority"),
        ('{"description": "a", "priority": "high"}', "priority"),
        ('{"description": "a", "curious": 1}', "curious"),
        ('{"description": "a", "createdBy": "somebody"}', "createdBy"),
        ('{"description": "a", "\\ud800": 1}', "body"),
        ('{"description": "\\ud800"}', "description"),
        ('{"description": "a\\u0000b"}', "description"),
        ('{"description": NaN}', "description"),
        ('{"description": "a"', "body"),
        ("[]", "body"),
        ("null", "body"),
        ("", "body"),
        ("[" * 3000, "body"),
        ("\ufeff{}", "description"),
        ('{"description": "a", "' + "k" * 500 + '": 1}', "k" * 100),
    ],
)
def test_each_wrong_body_names_its_field(
    client: TestClient, as_user: Callable[..., dict[str, str]], body: str, field: str
) -> None:
    answer = client.post(TASKS, content=body.encode(), headers={**JSON, **as_user()})
    details = refused(answer, 400, "VALIDATION_FAILED")
    assert field in [item["field"] for item in details]
    assert all(item.keys() == {"field", "message"} and item["message"] for item in details)


def test_bytes_that_are_no_text_are_refused(client: TestClient, as_user: Callable[..., dict[str, str]]) -> None:
    answer = client.post(TASKS, content=b'{"description": "\xff\xfe"}', headers={**JSON, **as_user()})
    assert refused(answer, 400, "VALIDATION_FAILED")[0]["field"] == "body"


@pytest.mark.parametrize("query", ["page=0", "page=x", "limit=101", "status=DONE", "page=" + "9" * 5000, "limit=1e3"])
def test_each_wrong_query_names_its_parameter(
    client: TestClient, as_user: Callable[..., dict[str, str]], query: str
) -> None:
    details = refused(client.get(f"{TASKS}?{query}", headers=as_user()), 400, "VALIDATION_FAILED")
    assert [item["field"] for item in details] == [query.partition("=")[0]]


@pytest.mark.parametrize("path", ["%00", "%ff", "..%2f..", "1' OR '1'='1", "a" * 3000, "%F0%9F%92%A3"])
def test_an_odd_id_is_not_found(client: TestClient, as_user: Callable[..., dict[str, str]], path: str) -> None:
    assert client.get(f"{TASKS}/{path}", headers=as_user()).status_code == 404


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_as_it_was(
    client: TestClient, as_user: Callable[..., dict[str, str]], text: str
) -> None:
    headers = as_user()
    before = client.post(TASKS, json={"description": "innocent"}, headers=headers).json()
    made = client.post(TASKS, json={"description": text, "model": text}, headers=headers)
    assert made.status_code == 201
    found = client.get(f"{TASKS}/{made.json()['id']}", headers=headers)
    assert (found.json()["description"], found.json()["model"]) == (text, text)
    assert found.headers["content-type"] == "application/json"
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert client.get(f"{TASKS}/{before['id']}", headers=headers).json()["description"] == "innocent"
    assert client.get(TASKS, params={"status": text}, headers=headers).status_code == 400
    login = client.post("/api/v1/auth/login", json={"username": text, "password": text})
    assert login.status_code == 401
    assert text not in login.text


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "", "x" * 999])
def test_another_type_of_body_is_a_415(client: TestClient, as_user: Callable[..., dict[str, str]], kind: str) -> None:
    answer = client.post(TASKS, content=b'{"description": "a"}', headers={"Content-Type": kind, **as_user()})
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_long_body_is_a_413_with_and_without_its_length(
    client: TestClient, as_user: Callable[..., dict[str, str]]
) -> None:
    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 1000] * 5

    headers = {**JSON, **as_user()}
    refused(client.post(TASKS, content=b"x" * 4097, headers=headers), 413, "PAYLOAD_TOO_LARGE")
    refused(client.post(TASKS, content=chunks(), headers=headers), 413, "PAYLOAD_TOO_LARGE")
    lying = {**headers, "Content-Length": "10"}
    assert client.post(TASKS, content=b"x" * 4097, headers=lying).status_code in {400, 413}


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "Content-Type", "x-correlation-id", "Origin", "User-Agent"]
)
@pytest.mark.parametrize("said", ["\xff\xfe", "a" * 5000, "Bearer", "Bearer \xe9", "refresh_token=\xff;;=;", "-1"])
def test_odd_headers_are_never_a_500(client: TestClient, name: str, said: str) -> None:
    for method, path in (("GET", TASKS), ("POST", "/api/v1/auth/refresh"), ("POST", TASKS), ("OPTIONS", TASKS)):
        answer = client.request(method, path, headers={name: said.encode("latin-1")})
        assert 400 <= answer.status_code < 500
        assert answer.json()["error"]["code"]


def slow(settings: Settings, parts: Parts) -> FastAPI:
    app = create_app(settings.model_copy(update={"request_timeout": 50}), parts)

    @app.get("/api/slow")
    async def forever() -> None:
        await asyncio.Event().wait()

    return app


def test_what_takes_too_long_is_given_up(settings: Settings, parts: Parts, written: None) -> None:
    with TestClient(slow(settings, parts)) as client:
        answer = client.get("/api/slow")
        refused(answer, 503, "SERVICE_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_body_that_does_not_arrive_is_a_408(settings: Settings, parts: Parts, written: None) -> None:
    app, sent = slow(settings, parts), []

    async def receive() -> dict[str, Any]:
        if received:
            await asyncio.Event().wait()
        received.append(True)
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    received: list[bool] = []
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/auth/login", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")], "client": ("203.0.113.7", 1), "scheme": "https",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b'"REQUEST_TIMEOUT"' in sent[1]["body"]
