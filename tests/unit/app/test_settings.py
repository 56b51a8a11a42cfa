# Configuration: what is invalid is named, with its variable and never with its value.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bytebot_app.settings import ConfigurationError, Settings, load

GOOD = {
    "DATABASE_HOST": "postgres",
    "DATABASE_NAME": "bytebot_production",
    "DATABASE_USER": "bytebot_user",
    "DATABASE_PASSWORD": "canary-password",
    "REDIS_HOST": "redis",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_good_settings_load_with_the_documented_defaults() -> None:
    settings = load()
    assert (settings.port, settings.prometheus_metrics_port) == (3000, 9090)
    assert (settings.jwt_expires_in, settings.jwt_refresh_expires_in) == (900, 604800)
    assert settings.bcrypt_rounds == 12
    assert settings.database_ssl_mode == "verify-full"


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("JWT_EXPIRES_IN", "15m", "jwt_expires_in", 900),
        ("JWT_EXPIRES_IN", "900", "jwt_expires_in", 900),
        ("JWT_REFRESH_EXPIRES_IN", "7d", "jwt_refresh_expires_in", 604800),
        ("DATABASE_CONNECTION_TIMEOUT", "30s", "database_connection_timeout", 30000),
        ("DATABASE_CONNECTION_TIMEOUT", "10000", "database_connection_timeout", 10000),
        ("BODY_PARSER_LIMIT", "50mb", "body_parser_limit", 52428800),
        ("API_RATE_LIMIT_WINDOW", "15m", "api_rate_limit_window", 900000),
        ("REQUEST_TIMEOUT", "30s", "request_timeout", 30000),
        ("RATE_LIMIT_EXEMPT", ",", "exempt_paths", ()),
        ("RATE_LIMIT_EXEMPT", "/health, /metrics", "exempt_paths", ("/health", "/metrics")),
    ],
)
def test_units_are_understood(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, expected: object
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(load(), field) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "http"),
        ("PORT", "9090"),
        ("NODE_ENV", "prod"),
        ("LOG_LEVEL", "loud"),
        ("DATABASE_MAX_CONNECTIONS", "101"),
        ("DATABASE_CONNECTION_TIMEOUT", "999"),
        ("DATABASE_CONNECTION_TIMEOUT", "2m"),
        ("DATABASE_PASSWORD", ""),
        ("DATABASE_SSL_MODE", "disable"),
        ("DATABASE_SSL_ROOT_CERT", "/no/such/file"),
        ("DATABASE_URL", "mysql://user:canary-password@host/db"),
        ("DATABASE_URL", "postgresql://user:canary-password@host/db"),
        ("DATABASE_URL", "postgresql://user:canary-password@host/db?sslmode=prefer"),
        ("REDIS_HOST", ""),
        ("JWT_EXPIRES_IN", "soon"),
        ("API_CORS_ORIGINS", "*"),
        ("API_CORS_ORIGINS", "http://app.bytebot.com"),
        ("API_CORS_ORIGINS", "https://app.bytebot.com/path"),
        ("SWAGGER_PATH", "docs"),
        ("API_RATE_LIMIT_MAX_REQUESTS", "0"),
        ("API_RATE_LIMIT_WINDOW", "999"),
        ("API_RATE_LIMIT_WINDOW", "2h"),
        ("AUTH_RATE_LIMIT_MAX_REQUESTS", "many"),
        ("TASK_RATE_LIMIT_WINDOW", "-1"),
        ("RATE_LIMIT_ORDER", "never"),
        ("RATE_LIMIT_EXEMPT", "health"),
        ("SECURITY_TRUSTED_PROXIES", "10.0.0.0/8,proxy.local"),
        ("SECURITY_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("SECURITY_CSP_REPORT_URI", "http://reports.test/"),
        ("SECURITY_CSP_REPORT_URI", "https://reports.test/; default-src *"),
        ("REQUEST_TIMEOUT", "10m"),
        ("ENABLE_RATE_LIMITING", "perhaps"),
        ("ENABLE_AUTHENTICATION", "false"),
        ("JAEGER_ENDPOINT", "jaeger-collector:14268"),
        ("REDIS_MIN_IDLE_CONNECTIONS", "51"),
        ("CIRCUIT_BREAKER_FAILURE_THRESHOLD", "0"),
        ("DEBUG_MODE", "true"),
        ("AUTH_DEBUG", "true"),
    ],
)
def test_each_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load()
    named = "PROMETHEUS_METRICS_PORT" if (name, value) == ("PORT", "9090") else name
    assert named in str(caught.value)
    assert "canary-password" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_breaker_has_the_documented_numbers() -> None:
    settings = load()
    numbers = (settings.circuit_breaker_failure_threshold, settings.circuit_breaker_timeout)
    assert (*numbers, settings.circuit_breaker_reset_timeout) == (5, 60000, 30000)


def test_debugging_is_for_development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "development")
    monkeypatch.setenv("DEBUG_MODE", "true")
    assert load().debug_mode


def test_an_encrypted_url_replaces_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_HOST")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@host/db?sslmode=require")
    assert load().database_host == ""


def test_a_process_with_a_wrong_variable_ends_with_one_sentence() -> None:
    source = str(Path(__file__).parents[3] / "sandbox/app/src")
    done = subprocess.run(
        [sys.executable, "-m", "bytebot_app", "serve"],
        env={**GOOD, "PORT": "99999", "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("The configuration is not valid: PORT: ")
    assert done.stderr.count("\n") == 1


def test_tracing_needs_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENABLE_DISTRIBUTED_TRACING", "true")
    with pytest.raises(ConfigurationError, match="JAEGER_ENDPOINT: it is not set"):
        load()
    monkeypatch.setenv("JAEGER_ENDPOINT", "http://jaeger-collector:14268/api/traces")
    assert load().enable_distributed_tracing


def test_authentication_can_be_off_in_development_and_needs_an_account_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "development")
    monkeypatch.setenv("ENABLE_AUTHENTICATION", "false")
    with pytest.raises(ConfigurationError, match="AUTHENTICATION_OFF_AS: it is not set"):
        load()
    monkeypatch.setenv("AUTHENTICATION_OFF_AS", "admin@bytebot.test")
    assert not load().enable_authentication
