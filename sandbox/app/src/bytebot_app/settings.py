# Configuration from the environment; what is invalid keeps the process from starting, with one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """The variables of the contract's section 3 that this part of the application reads."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=False)

    node_env: Literal["development", "staging", "production", "test"] = "production"
    port: Port = 3000
    prometheus_metrics_port: Port = 9090
    app_version: str = "1.0.0"
    log_level: Literal["error", "warn", "info", "debug", "verbose"] = "info"

    database_host: str = "localhost"
    database_port: Port = 5432
    database_name: str = "bytebot_production"
    database_user: str = "bytebot_user"
    database_password: SecretStr = SecretStr("")
    database_ssl_mode: Literal["require", "verify-ca", "verify-full"] = "verify-full"
    database_ssl_root_cert: str = ""
    database_max_connections: Annotated[int, Field(ge=1, le=100)] = 10
    database_connection_timeout: Annotated[int, Field(ge=1000, le=60000)] = 10000

    redis_host: str = "localhost"
    redis_port: Port = 6379
    redis_username: str = "bytebot"
    redis_password: SecretStr = SecretStr("")
    redis_key_prefix: str = "bytebot:prod:"
    redis_timeout: Annotated[int, Field(ge=100, le=60000)] = 2000

    jwt_keys_dir: Path = Path("/etc/bytebot/jwt")
    jwt_issuer: str = "bytebot-api"
    jwt_audience: str = "bytebot-clients"
    jwt_expires_in: Annotated[int, Field(ge=60, le=86400)] = 900
    jwt_refresh_expires_in: Annotated[int, Field(ge=3600, le=2592000)] = 604800
    bcrypt_rounds: Annotated[int, Field(ge=4, le=16)] = 12

    bootstrap_admin_username: str = ""
    bootstrap_admin_password: SecretStr = SecretStr("")

    api_cors_origins: str = ""
    body_parser_limit: Annotated[int, Field(ge=1024)] = 52428800
    graceful_shutdown_timeout: Annotated[int, Field(ge=1000, le=300000)] = 30000
    drain_delay: Annotated[int, Field(ge=0, le=30000)] = 2000
    enable_swagger: bool = False
    swagger_path: str = "/api/docs"
    pod_name: str = "bytebot-api"

    @property
    def cors_origins(self) -> list[str]:
        """The allowed origins."""
        return [origin.strip() for origin in self.api_cors_origins.split(",") if origin.strip()]


class ConfigurationError(Exception):
    """The environment is not usable; the text names the variable."""


def load() -> Settings:
    """The settings, or :class:`ConfigurationError` with every variable that is wrong."""
    try:
        settings = Settings()
    except ValidationError as exc:
        problems = [f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in exc.errors()]
        raise ConfigurationError("; ".join(problems)) from None
    for origin in settings.cors_origins:
        if settings.node_env == "production" and (origin == "*" or not origin.startswith("https://")):
            raise ConfigurationError(f"API_CORS_ORIGINS: {origin} is not an https origin")
    return settings
