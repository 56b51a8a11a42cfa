# Configuration from the environment; what is invalid keeps the process from starting, with one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from bytebot_app import auth_settings, units
from bytebot_app.auth_settings import AuthSettings
from bytebot_app.http_settings import HttpSettings, http_problems

Port = Annotated[int, Field(ge=1, le=65535)]
_ms, _s, _bytes = (BeforeValidator(parse) for parse in (units.milliseconds, units.seconds, units.size))
_ENCRYPTED = ("require", "verify-ca", "verify-full")
_LENIENT = ("development", "test")


class Settings(AuthSettings, HttpSettings):
    """The variables of the contract's section 3 that this part of the application reads."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False, env_ignore_empty=True)

    node_env: Literal["development", "staging", "production", "test"] = "production"
    port: Port = 3000
    prometheus_metrics_port: Port = 9090
    app_version: str = "1.0.0"
    log_level: Literal["error", "warn", "info", "debug", "verbose"] = "info"
    log_format: Literal["json", "text"] = "json"

    database_url: SecretStr = SecretStr("")
    database_host: str = ""
    database_port: Port = 5432
    database_name: str = ""
    database_user: str = ""
    database_password: SecretStr = SecretStr("")
    database_ssl_mode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    database_ssl_root_cert: str = ""
    database_max_connections: Annotated[int, Field(ge=1, le=100)] = 20
    database_connection_timeout: Annotated[int, _ms, Field(ge=1000, le=60000)] = 10000
    database_idle_timeout: Annotated[int, _ms, Field(ge=1000, le=86400000)] = 600000
    database_max_lifetime: Annotated[int, _ms, Field(ge=60000, le=86400000)] = 1800000

    redis_host: str = ""
    redis_port: Port = 6379
    redis_database: Annotated[int, Field(ge=0, le=15)] = 0
    redis_username: str = ""
    redis_password: SecretStr = SecretStr("")
    redis_key_prefix: Annotated[str, Field(pattern=r"^[\w:.-]*$")] = "bytebot:prod:"
    redis_max_connections: Annotated[int, Field(ge=1, le=1000)] = 50
    redis_max_idle_connections: Annotated[int, Field(ge=0, le=1000)] = 20
    redis_min_idle_connections: Annotated[int, Field(ge=0, le=1000)] = 5
    redis_connection_timeout: Annotated[int, _ms, Field(ge=100, le=60000)] = 2000
    redis_socket_timeout: Annotated[int, _ms, Field(ge=100, le=60000)] = 2000
    redis_max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    redis_retry_delay: Annotated[int, _ms, Field(ge=1, le=10000)] = 100

    jwt_keys_dir: Path = Path("/etc/bytebot/jwt")
    jwt_expires_in: Annotated[int, _s, Field(ge=60, le=86400)] = 900
    jwt_refresh_expires_in: Annotated[int, _s, Field(ge=3600, le=2592000)] = 604800
    bcrypt_rounds: Annotated[int, Field(ge=4, le=16)] = 12

    api_cors_origins: str = ""
    api_cors_credentials: bool = True
    body_parser_limit: Annotated[int, _bytes, Field(ge=1024, le=1073741824)] = 52428800
    graceful_shutdown_timeout: Annotated[int, _ms, Field(ge=1000, le=300000)] = 30000
    shutdown_drain_delay: Annotated[int, _ms, Field(ge=0, le=30000)] = 3000
    enable_swagger: bool = False
    swagger_path: Annotated[str, Field(pattern=r"^/[\w/.-]+$")] = "/api/docs"
    pod_name: str = "bytebot-api"

    bytebot_desktop_base_url: Annotated[str, Field(pattern=r"^(https?://[^/]+)?$")] = ""
    desktop_service_token: SecretStr = SecretStr("")
    # A worker that does not renew its claim for so long is taken for lost, and its task is taken again.
    task_lease: Annotated[int, _ms, Field(ge=1000, le=600000)] = 30000
    task_attempts: Annotated[int, Field(ge=1, le=10)] = 3
    task_timeout: Annotated[int, _ms, Field(ge=1000, le=3600000)] = 300000

    @property
    def cors_origins(self) -> list[str]:
        """The allowed origins."""
        return [origin.strip() for origin in self.api_cors_origins.split(",") if origin.strip()]


class ConfigurationError(Exception):
    """The environment is not usable; the text names the variable."""


def load() -> Settings:
    """Settings that the process can run with, or :class:`ConfigurationError` with every variable that is wrong."""
    settings = read()
    problems = [
        *_database(settings),
        *_origins(settings),
        *auth_settings.problems(settings),
        *http_problems(settings, settings.node_env),
    ]
    if not settings.redis_host:
        problems.append("REDIS_HOST: it is not set")
    if settings.redis_min_idle_connections > settings.redis_max_connections:
        problems.append("REDIS_MIN_IDLE_CONNECTIONS: it is above REDIS_MAX_CONNECTIONS")
    if not settings.enable_authentication and not settings.authentication_off_as:
        problems.append("AUTHENTICATION_OFF_AS: it is not set, though ENABLE_AUTHENTICATION is false")
    if settings.port == settings.prometheus_metrics_port:
        problems.append("PROMETHEUS_METRICS_PORT: it is the same as PORT")
    if problems:
        raise ConfigurationError("; ".join(problems))
    return settings


def read() -> Settings:
    """Settings whose every value is in its range, complete or not."""
    try:
        return Settings()
    except ValidationError as exc:
        # The message only: pydantic would also print the value, which may be a secret.
        problems = [f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in exc.errors(include_input=False)]
        raise ConfigurationError("; ".join(problems)) from None


def _database(settings: Settings) -> list[str]:
    problems = []
    lenient, mode = settings.node_env in _LENIENT, settings.database_ssl_mode
    if url := settings.database_url.get_secret_value():
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres"):
            problems.append("DATABASE_URL: its scheme is not postgresql")
        elif not lenient and parse_qs(parts.query).get("sslmode", [""])[-1] not in _ENCRYPTED:
            problems.append("DATABASE_URL: it has no sslmode of require or stricter")
    else:
        needed = {
            "DATABASE_HOST": settings.database_host,
            "DATABASE_NAME": settings.database_name,
            "DATABASE_USER": settings.database_user,
            "DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        }
        problems += [
            f"{name}: it is not set, and neither is DATABASE_URL" for name, value in needed.items() if not value
        ]
        if mode not in _ENCRYPTED and not lenient:
            problems.append(f"DATABASE_SSL_MODE: {mode} is for development and test only")
    if settings.database_ssl_root_cert and not Path(settings.database_ssl_root_cert).is_file():
        problems.append(f"DATABASE_SSL_ROOT_CERT: there is no file {settings.database_ssl_root_cert}")
    return problems


def _origins(settings: Settings) -> list[str]:
    schemes = ("https",) if settings.node_env in ("production", "staging") else ("https", "http")
    problems = []
    for origin in settings.cors_origins:
        parts = urlsplit(origin)
        if parts.scheme not in schemes or origin != f"{parts.scheme}://{parts.netloc}" or "*" in origin:
            problems.append(f"API_CORS_ORIGINS: {origin!r} is not an origin of scheme {' or '.join(schemes)}")
    return problems
