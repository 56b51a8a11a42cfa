# The deployed application keeps to the contract: generated requests, seeded and bounded, and the matrix of the roles.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.integration.conftest import ROOT
from tests.integration.deployed import API, BASE, HOST, ROLES, World, world

EXAMPLES = int(os.environ.get("CONFORMANCE_EXAMPLES", "2"))  # of each operation and mode
BOUNDED = bounds(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
WITHOUT_INPUT = {"GET /health/live", "GET /health/ready", "GET /health/startup", "GET /metrics"}
# An operation on the one desktop takes as long as it is told to wait: its own tests ask it.
ELSEWHERE = {"POST /api/v1/computer-use"}


@pytest.fixture(scope="module")
def there() -> Iterator[World]:
    with world() as made:
        yield made


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The API document as the application's own command prints it; in production it is served nowhere."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "sandbox/app/src")}
    command = [sys.executable, "-m", "bytebot_app", "openapi"]
    done = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_what_is_answered_is_documented(
    there: World, document: dict[str, Any], subtests: pytest.Subtests, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(item) for item in document["paths"].values())
    signed_in = there.as_role("admin")

    def ask(case: Any) -> None:
        ends = case.operation.label in {"POST /api/v1/auth/logout", "POST /api/v1/auth/change-password"}
        headers = {**(there.as_role("admin") if ends else signed_in), "Host": HOST}
        case.call_and_validate(base_url=BASE, session=there.client, headers=headers, checks=CHECKS, timeout=30)

    for operation in operations:
        if operation.label in ELSEWHERE or (mode is GenerationMode.NEGATIVE and operation.label in WITHOUT_INPUT):
            continue
        with subtests.test(operation.label):
            BOUNDED(given(operation.as_strategy(generation_mode=mode))(ask))()


# Method, path, body, and the answers to admin, operator, viewer and api-consumer; everybody else gets 401.
MATRIX: list[tuple[str, str, Any, tuple[int, int, int, int]]] = [
    ("GET", "/tasks", None, (200, 200, 200, 200)),
    ("GET", "/tasks/{task}", None, (200, 200, 200, 200)),
    ("GET", "/tasks/{task}/messages", None, (200, 200, 200, 200)),
    ("POST", "/tasks", {"description": "wait 0 seconds", "teamId": "conformance"}, (201, 201, 403, 201)),
    ("PATCH", "/tasks/{task}", {"priority": "LOW"}, (200, 200, 403, 200)),
    ("POST", "/tasks/{task}/messages", {"content": "wait 0 seconds"}, (201, 201, 403, 201)),
    ("DELETE", "/tasks/{task}", None, (204, 204, 403, 403)),
    ("GET", "/roles", None, (200, 403, 403, 403)),
    ("GET", "/auth/permissions", None, (200, 200, 200, 200)),
    ("POST", "/auth/check-permission", {"permission": "task:read"}, (200, 200, 200, 200)),
]


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: f"{row[0]} {row[1]}")
def test_each_role_may_what_the_matrix_says(there: World, row: tuple[str, str, Any, tuple[int, ...]]) -> None:
    method, path, body, expected = row
    owner = there.as_role("operator")
    later = {"type": "SCHEDULED", "scheduledFor": "2099-01-01T00:00:00Z", "teamId": "conformance"}
    for role, status in zip((*ROLES, ""), (*expected, 401), strict=True):
        task = there.client.post(f"{API}/tasks", json={"description": "later", **later}, headers=owner, timeout=30)
        address = f"{API}{path}".format(task=task.json()["id"])
        who = there.as_role(role) if role else {}
        answer = there.client.request(method, address, json=body, headers=who, timeout=30)
        assert answer.status_code == status, f"{role or 'nobody'}: {answer.text}"


def test_a_session_ends_when_it_is_signed_out(there: World) -> None:
    who = there.as_role("viewer")
    assert there.client.post(f"{API}/auth/logout", headers=who, timeout=30).status_code in (200, 204)
    answer = there.client.get(f"{API}/tasks", headers=who, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "TOKEN_INVALID")


def test_polling_for_live_events_is_refused_in_words(there: World) -> None:
    answer = there.client.get(f"{BASE}/socket.io/", params={"EIO": "4", "transport": "polling"}, timeout=30)
    assert answer.status_code == 400
    assert "websocket" in answer.text
