# What the chart tells the application: every variable is one that it reads, and the values are the documented ones.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml

from bytebot_app.http_settings import http_problems
from bytebot_app.settings import Settings
from sandbox.settings import load

SETTINGS = load()
HELM = SETTINGS.bin / "helm"
pytestmark = pytest.mark.skipif(not HELM.exists(), reason="rendering the chart needs helm, which the sandbox builds")


def rendered(*options: str) -> subprocess.CompletedProcess[str]:
    command = [HELM, "template", "bytebot", "sandbox/chart", "--show-only", "templates/configmap.yaml", *options]
    return subprocess.run(command, cwd=SETTINGS.checkout, text=True, capture_output=True, check=False)


def told(*options: str) -> Settings:
    """The settings as a pod reads them, less what comes from Secrets."""
    data: dict[str, Any] = yaml.safe_load(rendered(*options).stdout)["data"]
    assert not {name for name in data if name.lower() not in Settings.model_fields}
    return Settings(**{name.lower(): value for name, value in data.items() if value})


def test_the_defaults_are_the_documented_ones() -> None:
    settings, plain = told(), Settings()
    for name in Settings.model_fields:
        if "rate_limit" in name or name.startswith(("security_helmet", "enable_")):
            assert getattr(settings, name) == getattr(plain, name), name
    assert http_problems(settings, settings.node_env) == []


def test_the_sandbox_is_more_generous_and_still_limits() -> None:
    settings = told("--values", "sandbox/values.yaml")
    assert settings.enable_rate_limiting
    assert (settings.api_rate_limit_max_requests, settings.auth_rate_limit_max_requests) == (6000, 600)
    assert http_problems(settings, settings.node_env) == []


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("security.rateLimiting.enabled=false", "enable_rate_limiting", False),
        ("security.rateLimiting.windowMs=900000", "api_rate_limit_window", 900000),
        ("security.rateLimiting.login.max=3", "auth_rate_limit_max_requests", 3),
        ("security.rateLimiting.tasks.windowMs=1000", "task_rate_limit_window", 1000),
        ("security.rateLimiting.order=after_auth", "rate_limit_order", "after_auth"),
        ("security.rateLimiting.exempt={/metrics}", "exempt_paths", ("/metrics",)),
        ("security.rateLimiting.exempt=null", "exempt_paths", ()),
        ("security.helmet.hsts=false", "security_helmet_hsts", False),
        ("circuitBreaker.enabled=false", "enable_circuit_breaker", False),
        ("env.REQUEST_TIMEOUT=10s", "request_timeout", 10000),
    ],
)
def test_each_value_arrives(option: str, name: str, value: object) -> None:
    options = ("--set-json", "security.rateLimiting.exempt=[]") if option.endswith("=null") else ("--set", option)
    assert getattr(told(*options), name) == value


@pytest.mark.parametrize(
    "option",
    [
        "security.rateLimiting.max=0",
        "security.rateLimiting.windowMs=1",
        "security.rateLimiting.order=never",
        "security.rateLimiting.exempt={health}",
        "security.rateLimiting.burst=1",
        "security.helmet.hsts=perhaps",
        "env.API_RATE_LIMIT_WINDOW=1000",
        "env.ENABLE_RATE_LIMITING=false",
        "env.SECURITY_HELMET_HSTS=false",
    ],
)
def test_what_the_application_would_not_take_is_refused(option: str) -> None:
    assert rendered("--set", option).returncode != 0
