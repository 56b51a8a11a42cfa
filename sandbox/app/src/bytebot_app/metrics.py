# The metrics that this part of the application can truthfully move.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from bytebot_app import runtime
from bytebot_app.security import RISK

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
TASK_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)
_MILLISECOND_BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000)
_SIZE_BUCKETS = (100, 1000, 10_000, 100_000, 1_000_000, 10_000_000)
_MOST_ORIGINS, _LONGEST_ORIGIN = 50, 100
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """All series of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        ProcessCollector(registry=own)
        self.lag = runtime.install(own)
        by_route = ("method", "route")
        self._http = Counter("http_requests_total", "HTTP requests", (*by_route, "code"), registry=own)
        self._api = Counter(
            "bytebot_api_requests_total", "Requests to the API", ("method", "endpoint", "status_code"), registry=own
        )
        self._seconds = Histogram("http_request_duration_seconds", "Seconds per request", by_route, registry=own)
        self._milliseconds = Histogram(
            "http_request_duration_ms", "Milliseconds per request", by_route, buckets=_MILLISECOND_BUCKETS, registry=own
        )
        self._bytebot_http = Counter(
            "bytebot_http_requests_total", "HTTP requests", (*by_route, "status_code"), registry=own
        )
        self._bytebot_seconds = Histogram(
            "bytebot_http_request_duration_seconds", "Seconds per request", by_route, registry=own
        )
        self._request_size = Histogram(
            "http_request_size_bytes", "Bytes per request's body", by_route, buckets=_SIZE_BUCKETS, registry=own
        )
        self._response_size = Histogram(
            "http_response_size_bytes", "Bytes per answer's body", by_route, buckets=_SIZE_BUCKETS, registry=own
        )
        self.limited = Counter(
            "rate_limit_exceeded_total", "Requests refused for their number", ("endpoint",), registry=own
        )
        self.security = Counter("security_events_total", "Security events", ("type",), registry=own)
        self._foreign = Counter("cors_violations_total", "Requests of foreign origins", ("origin",), registry=own)
        self._origins: set[str] = set()
        self.sockets = Gauge("bytebot_websocket_connections_active", "Signed-in Socket.IO connections", registry=own)
        self.tasks = Counter(
            "bytebot_tasks_total", "Tasks by the status that they reached", ("status", "type", "user_id"), registry=own
        )
        self.task_seconds = Histogram(
            "bytebot_task_duration_seconds",
            "Seconds from a task's start, or else its making, to its end",
            ("type", "status"),
            buckets=TASK_BUCKETS,
            registry=own,
        )
        self.computer_operations = Counter(
            "bytebot_computer_operations_total", "Operations on the desktop", ("operation_type", "status"), registry=own
        )
        self.queue_length = Gauge("bytebot_task_queue_length", "Tasks that wait in the queue", registry=own)
        self.logins = Counter("auth_attempts_total", "Sign-in attempts", ("status",), registry=own)
        self.sessions = Gauge("active_sessions_total", "Sessions that can be refreshed, of all replicas", registry=own)
        self.connections = Gauge("bytebot_database_connections_active", "Open database connections", registry=own)
        self.connections_max = Gauge("bytebot_database_connections_max", "Size of the pool", registry=own)
        # A rate over a series that begins with its first failure would not see that failure.
        for status in ("success", "failure"):
            self.logins.labels(status)
        for kind in RISK:
            self.security.labels(kind)

    def text(self) -> bytes:
        """Everything in the text exposition format 0.0.4."""
        return generate_latest(self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        # A method is any word that a client likes to send.
        method = method if method in _METHODS else "other"
        self._http.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        self._milliseconds.labels(method, route).observe(seconds * 1000)
        self._bytebot_http.labels(method, route, str(status)).inc()
        self._bytebot_seconds.labels(method, route).observe(seconds)
        if route.startswith("/api/"):
            self._api.labels(method, route, str(status)).inc()

    def sizes(self, method: str, route: str, received: int, sent: int) -> None:
        """Note how long the bodies were."""
        method = method if method in _METHODS else "other"
        self._request_size.labels(method, route).observe(received)
        self._response_size.labels(method, route).observe(sent)

    def foreign(self, origin: str) -> None:
        """Count a foreign origin by name, as long as there are few: anybody can send any number of them."""
        named = origin[:_LONGEST_ORIGIN]
        if named not in self._origins and len(self._origins) >= _MOST_ORIGINS:
            named = "other"
        self._origins.add(named)
        self._foreign.labels(named).inc()
