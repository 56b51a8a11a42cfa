# The variables of the HTTP side: limits, time-out, documents, feature flags. Settings has them all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from bytebot_app import units

_ms = BeforeValidator(units.milliseconds)
_Window = Annotated[int, _ms, Field(ge=1000, le=3600000)]
_Most = Annotated[int, Field(ge=1, le=10000)]
_DEVELOPMENT = ("development", "test")


class HttpSettings(BaseSettings):
    """What decides how requests are met before any route sees them."""

    enable_rate_limiting: bool = True
    api_rate_limit_window: _Window = 60000
    api_rate_limit_max_requests: _Most = 100
    auth_rate_limit_window: _Window = 60000
    auth_rate_limit_max_requests: _Most = 5
    task_rate_limit_window: _Window = 60000
    task_rate_limit_max_requests: _Most = 10
    rate_limit_order: Literal["before_auth", "after_auth"] = "before_auth"
    rate_limit_exempt: str = "/health,/metrics"

    security_trusted_proxies: str = "127.0.0.0/8,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
    security_hsts_max_age: Annotated[int, Field(ge=0)] = 31536000
    security_csp_report_uri: str = ""
    security_helmet_enabled: bool = True
    security_helmet_hsts: bool = True
    security_helmet_no_sniff: bool = True
    security_helmet_xss_filter: bool = True
    request_timeout: Annotated[int, _ms, Field(ge=1000, le=300000)] = 30000

    enable_authentication: bool = True
    enable_metrics_collection: bool = True
    enable_health_checks: bool = True
    enable_circuit_breaker: bool = True
    circuit_breaker_failure_threshold: Annotated[int, Field(ge=1, le=1000)] = 5
    circuit_breaker_timeout: Annotated[int, _ms, Field(ge=10, le=600000)] = 60000  # the stores' own are shorter
    circuit_breaker_reset_timeout: Annotated[int, _ms, Field(ge=100, le=600000)] = 30000
    enable_distributed_tracing: bool = False
    jaeger_endpoint: str = ""
    debug_mode: bool = False
    auth_debug: bool = False

    @property
    def exempt_paths(self) -> tuple[str, ...]:
        """Paths that no limit counts, with all that lies below them."""
        return _listed(self.rate_limit_exempt)

    @property
    def trusted_proxies(self) -> tuple[str, ...]:
        """Who may say for whom it asks."""
        return _listed(self.security_trusted_proxies)


def http_problems(settings: HttpSettings, environment: str) -> list[str]:
    """What is wrong in the whole, each with its variable."""
    found = [f"RATE_LIMIT_EXEMPT: {path!r} is not a path" for path in settings.exempt_paths if not path.startswith("/")]
    found += [
        f"SECURITY_TRUSTED_PROXIES: {proxy!r} is no address or network"
        for proxy in settings.trusted_proxies
        if not _is_network(proxy)
    ]
    report = urlsplit(settings.security_csp_report_uri)
    if settings.security_csp_report_uri and (
        report.scheme != "https" or not report.netloc or set(settings.security_csp_report_uri) & set(" ;,\r\n")
    ):
        found.append("SECURITY_CSP_REPORT_URI: it is no https address")
    collector = urlsplit(settings.jaeger_endpoint)
    if settings.jaeger_endpoint and (collector.scheme not in ("http", "https") or not collector.netloc):
        found.append("JAEGER_ENDPOINT: it is no http or https address")
    if settings.enable_distributed_tracing and not settings.jaeger_endpoint:
        found.append("JAEGER_ENDPOINT: it is not set, though ENABLE_DISTRIBUTED_TRACING is true")
    if environment not in _DEVELOPMENT:
        debugging = {"DEBUG_MODE": settings.debug_mode, "AUTH_DEBUG": settings.auth_debug}
        found += [f"{name}: it is for development and test only" for name, on in debugging.items() if on]
        if not settings.enable_authentication:
            found.append("ENABLE_AUTHENTICATION: to switch it off is for development and test only")
    return found


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True
