# The metrics that this part of the application can truthfully move.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TASK_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Metrics:
    """All series of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        route = ("method", "endpoint", "status_code")
        self.http = Counter("http_requests_total", "HTTP requests", ("method", "route", "code"), registry=self.registry)
        self.api = Counter("bytebot_api_requests_total", "Requests to the API", route, registry=self.registry)
        self.seconds = Histogram(
            "http_request_duration_seconds", "Seconds per request", ("method", "route"), registry=self.registry
        )
        self.milliseconds = Histogram(
            "http_request_duration_ms",
            "Milliseconds per request",
            ("method", "route"),
            buckets=(5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000),
            registry=self.registry,
        )
        self.tasks = Counter("bytebot_tasks_total", "Tasks", ("status", "type", "user_id"), registry=self.registry)
        self.logins = Counter("auth_attempts_total", "Sign-in attempts", ("status",), registry=self.registry)
        self.connections = Gauge("bytebot_database_connections_active", "Open connections", registry=self.registry)
        self.connections_max = Gauge("bytebot_database_connections_max", "Size of the pool", registry=self.registry)
        for status in ("success", "failure"):
            self.logins.labels(status)

    def text(self) -> bytes:
        """Everything in the text exposition format 0.0.4."""
        return generate_latest(self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.http.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)
        self.milliseconds.labels(method, route).observe(seconds * 1000)
        if route.startswith("/api/"):
            self.api.labels(method, route, str(status)).inc()
