# For each alert series that make it fire and series that do not, one value each minute.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import NamedTuple

Input = dict[str, str]


class Case(NamedTuple):
    """`before`: a time at which it is pending; empty for an alert that always fires."""

    group: str
    alert: str
    before: str
    ill: Input
    well: Input


def flat(value: float) -> str:
    return f"{value}x60"


def rising(by: float) -> str:
    return f"0+{by}x60"


def shares(name: str, bad: str, good: str, of_100: float) -> Input:
    """Two counters of which one has so many of a hundred."""
    return {f"{name}{{{bad}}}": rising(of_100), f"{name}{{{good}}}": rising(100 - of_100)}


def durations(name: str, edge: str, within: int) -> Input:
    """A histogram with so many of a hundred within an edge, and all within five times of it."""
    return {
        f'{name}_bucket{{le="{edge}"}}': rising(within),
        f'{name}_bucket{{le="{int(edge) * 5}"}}': rising(100),
        f'{name}_bucket{{le="+Inf"}}': rising(100),
    }


API = 'up{job="bytebot-api", instance="a"}'
TASKS = ("bytebot_tasks_total", 'status="FAILED"', 'status="COMPLETED"')
DISK = ('node_filesystem_avail_bytes{mountpoint="/"}', 'node_filesystem_size_bytes{mountpoint="/"}')
CONTAINER = '{namespace="bytebot-production", pod="bytebot-api-1", container="api"}'
USED, LIMIT = f"container_memory_working_set_bytes{CONTAINER}", f"container_spec_memory_limit_bytes{CONTAINER}"
ACTIVE, MOST = "bytebot_database_connections_active", "bytebot_database_connections_max"
HEAP = ("nodejs_heap_size_used_bytes", "nodejs_heap_size_total_bytes")

CASES = (
    Case("bytebot-critical", "BytebotServiceDown", "1m", {'up{job="bytebot-worker"}': flat(0)},
         {'up{job="bytebot-worker"}': flat(1), 'up{job="other"}': flat(0)}),
    Case("bytebot-critical", "BytebotHighErrorRate", "5m",
         shares("bytebot_api_requests_total", 'status_code="503"', 'status_code="200"', 6),
         shares("bytebot_api_requests_total", 'status_code="503"', 'status_code="200"', 4)),
    Case("bytebot-critical", "BytebotDatabaseConnectionFailure", "0m", {ACTIVE: flat(0)}, {ACTIVE: flat(1)}),
    Case("bytebot-critical", "BytebotHighMemoryUsage", "9m", {HEAP[0]: flat(96), HEAP[1]: flat(100)},
         {HEAP[0]: flat(94), HEAP[1]: flat(100)}),
    Case("bytebot-warning", "BytebotHighResponseTime", "10m", durations("http_request_duration_ms", "2000", 90),
         durations("http_request_duration_ms", "2000", 96)),
    Case("bytebot-warning", "BytebotHighTaskFailureRate", "10m", shares(*TASKS, 3), shares(*TASKS, 1)),
    Case("bytebot-warning", "BytebotTaskQueueBacklog", "14m", {"bytebot_task_queue_length": flat(101)},
         {"bytebot_task_queue_length": flat(100)}),
    Case("bytebot-warning", "BytebotHighDiskUsage", "9m", {DISK[0]: flat(14), DISK[1]: flat(100)},
         {DISK[0]: flat(16), DISK[1]: flat(100)}),
    Case("bytebot.rules", "BytebotAPIDown", "1m", {API: flat(0)},
         {API: flat(1), 'up{job="bytebot-worker"}': flat(0)}),
    Case("bytebot.rules", "BytebotHighErrorRate", "5m", shares("http_requests_total", 'code="500"', 'code="404"', 6),
         shares("http_requests_total", 'code="500"', 'code="404"', 4)),
    Case("bytebot.rules", "BytebotDatabaseConnectionHigh", "4m", {ACTIVE: flat(17), MOST: flat(20)},
         {ACTIVE: flat(16), MOST: flat(20)}),
    Case("bytebot.rules", "BytebotHighMemoryUsage", "9m", {USED: flat(91), LIMIT: flat(100)},
         # Without a limit there is nothing to be near to.
         {USED: flat(91), LIMIT: flat(0)}),
    Case("bytebot.rules", "BytebotHighResponseTime", "10m", durations("http_request_duration_seconds", "2", 90),
         durations("http_request_duration_seconds", "2", 96)),
    Case("bytebot.rules", "BytebotTaskProcessingFailed", "5m", shares(*TASKS, 3), shares(*TASKS, 1)),
    Case("bytebot-security", "HighFailedAuthRate", "5m", {'auth_attempts_total{status="failure"}': rising(7)},
         {'auth_attempts_total{status="failure"}': rising(5), 'auth_attempts_total{status="success"}': rising(90)}),
    Case("bytebot-security", "CORSViolations", "5m", {'cors_violations_total{origin="http://x"}': rising(4)},
         {'cors_violations_total{origin="http://x"}': rising(2)}),
    Case("bytebot-security", "RateLimitExceeded", "5m", {'rate_limit_exceeded_total{endpoint="/"}': rising(13)},
         {'rate_limit_exceeded_total{endpoint="/"}': rising(11)}),
    Case("sandbox", "Watchdog", "", {}, {}),
    Case("sandbox", "SandboxTargetDown", "0m", {'up{job="kubelet"}': flat(0)},
         {'up{job="kubelet"}': flat(1), API: flat(0)}),
)  # fmt: skip
