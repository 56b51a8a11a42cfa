# Generated requests, good ones and bad ones: what is answered is what the API document says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks

from bytebot_app.api import Parts, create_app
from bytebot_app.settings import Settings

from .memory import PASSWORD

BOUNDED = bounds(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def bad_bodies_are_refused(_ctx: Any, response: Any, case: Any) -> None:
    """Only of bodies: the API does not mind a parameter of a query that it does not know."""
    body = case.meta.components.get(ParameterLocation.BODY)
    assert body is None or not body.mode.is_negative or 400 <= response.status_code < 500


WITHOUT_INPUT = {"GET /health/live", "GET /health/ready", "GET /health/startup", "GET /metrics"}
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    bad_bodies_are_refused,
    checks.unsupported_method,
]


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_what_is_answered_is_documented(
    settings: Settings, parts: Parts, written: None, subtests: pytest.Subtests, mode: GenerationMode
) -> None:
    app = create_app(settings, parts)
    schema = schemathesis.openapi.from_asgi("/api/docs", app)
    client = TestClient(app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(item) for item in app.openapi()["paths"].values())

    def ask(case: Any) -> None:
        # A token for each call: one of the operations ends its session.
        who = {"username": "admin@bytebot.test", "password": PASSWORD}
        token = client.post("/api/v1/auth/login", json=who).json()["access_token"]
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=CHECKS)

    for operation in operations:
        if mode is GenerationMode.NEGATIVE and operation.label in WITHOUT_INPUT:
            continue
        with subtests.test(operation.label):
            BOUNDED(given(operation.as_strategy(generation_mode=mode))(ask))()
