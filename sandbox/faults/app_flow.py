# Faults of the application's time, memory, metrics, logs and configuration, each seen from outside.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus

from sandbox.errors import SandboxError
from sandbox.faults.app_visit import TASKS, Look, Visitor, planted, with_environment, wrong
from sandbox.faults.fault import NAMESPACE
from sandbox.probe import NOTHING, http_status

LIVE, READY, NOWHERE = "/health/live", "/health/ready", "/nothing-is-here"
INSPECTOR_PORT = 9229
_ENVIRONMENT = "application_configuration.environment"
LOG_LEVEL, DEBUG, FLAGS = (f"{_ENVIRONMENT}.{name}" for name in ("log_level", "debug_off", "feature_flags"))
POOL_SIZE = "application_configuration.tuning.pool_size"
ADDED_S, STALLED_S, PERIOD_S, TURNS = 0.25, 1.0, 11.0, 9
REQUESTS, LEAKED_KB = 400, 64
CROWD = 40
LATENCY, CONCURRENCY, RESOURCES, LEAK = (
    f"performance_testing.load.{item}" for item in ("latency", "concurrency", "resources", "leak")
)
LOGINS = "auth_attempts_total"
BUSINESS, DASHBOARDS = "monitoring.metrics.business", "monitoring.metrics.dashboards"
STRUCTURED, ERROR_LINES = "monitoring.logging.structured", "monitoring.logging.errors"


# ---------------------------------------------------------------------------- time and errors


def took(visitor: Visitor, path: str) -> float:
    began = time.monotonic()
    visitor.ask("GET", path)
    return time.monotonic() - began


def _slower(visitor: Visitor) -> bool:
    """The quickest of some answers tells what every one of them takes at least."""
    return min(took(visitor, LIVE) for _ in range(TURNS)) > ADDED_S


def _stalls(visitor: Visitor) -> bool:
    """Within a period, one answer takes long and the next of another route, at the same load, does not."""
    end = time.monotonic() + PERIOD_S
    while time.monotonic() < end:
        if took(visitor, READY) > STALLED_S and took(visitor, LIVE) < STALLED_S:
            return True
        time.sleep(0.2)
    return False


def _statuses(visitor: Visitor, times: int) -> Iterator[int]:
    return (visitor.ask("GET", TASKS, token=f"{uuid.uuid4()}").status for _ in range(times))


def _some_fail(visitor: Visitor) -> bool:
    return HTTPStatus.INTERNAL_SERVER_ERROR in [visitor.ask("GET", TASKS).status for _ in range(TURNS)]


def _crowd_fails(visitor: Visitor) -> bool:
    """A few callers are answered, and many are not."""
    first, *rest = _statuses(visitor, CROWD)
    return first != HTTPStatus.INTERNAL_SERVER_ERROR and HTTPStatus.INTERNAL_SERVER_ERROR in rest


# ---------------------------------------------------------------------------- memory


def _resident_kb(visitor: Visitor) -> int:
    """Of all pods, as the kernel tells inside them."""
    found = 0
    for pod in visitor.pods():
        said = visitor.hands.exec(NAMESPACE, pod["metadata"]["name"], "api", ["cat", "/proc/1/status"])
        found += int(re.findall(r"VmRSS:\s+(\d+)", said)[0])
    return found


def _grows(visitor: Visitor) -> bool:
    for _ in range(TURNS):
        visitor.ask("GET", LIVE)
    before = _resident_kb(visitor)
    for _ in range(REQUESTS):
        visitor.ask("GET", LIVE)
    return _resident_kb(visitor) - before > REQUESTS * LEAKED_KB / 2


# ---------------------------------------------------------------------------- metrics


def _logins(visitor: Visitor) -> list[str]:
    return [line for text in visitor.scraped() for line in text.splitlines() if line.startswith(LOGINS)]


def _frozen(visitor: Visitor) -> bool:
    """The first look at each pod is what it stays at."""
    before = _logins(visitor)
    _fails_to_sign_in(visitor)
    after = _logins(visitor)
    return before == after and all("http_requests_total" in text for text in visitor.scraped())


def _missing(visitor: Visitor) -> bool:
    return all("http_requests_total" in text and "\nbytebot_" not in text for text in visitor.scraped())


# ---------------------------------------------------------------------------- logs


def _objects(lines: list[str]) -> list[dict[str, object]]:
    found = []
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            found.append(said)
    return found


def _told(visitor: Visitor, ask: Callable[[], object]) -> list[str]:
    """All lines, once the request's own one is there, which is written when the answer is on its way."""

    def lines() -> list[str]:
        return [line for line in visitor.log() if "statusCode" in line]

    before = len(lines())
    ask()
    visitor.hands.until(lambda: len(lines()) > before, "a request has its line")
    return visitor.log()


def _asks(visitor: Visitor, **given: str) -> Callable[[], object]:
    return lambda: visitor.ask("GET", NOWHERE, headers={name.replace("_", "-"): text for name, text in given.items()})


def _fails_to_sign_in(visitor: Visitor) -> object:
    return visitor.login(f"nobody-{uuid.uuid4().hex[:12]}@bytebot.test", wrong())


def _debug(visitor: Visitor) -> bool:
    return any(one.get("level") == "debug" for one in _objects(_told(visitor, _asks(visitor))))


def _no_json(visitor: Visitor) -> bool:
    """Not one line of a request is an object."""
    return not _objects([line for line in _told(visitor, _asks(visitor)) if "statusCode" in line])


def _id_is_lost(visitor: Visitor) -> bool:
    given = f"look-{uuid.uuid4()}"
    return not any(given in line for line in _told(visitor, _asks(visitor, X_Correlation_Id=given)))


def _tells_token(visitor: Visitor) -> bool:
    token = f"look.{uuid.uuid4().hex}.look"
    return any(token in line for line in _told(visitor, _asks(visitor, Authorization=f"Bearer {token}")))


def _tells_password(visitor: Visitor) -> bool:
    password = visitor.secret("bytebot-db-secret")["password"].decode()
    return any(password in line for line in visitor.log())


def _failure_is_info(visitor: Visitor) -> bool:
    """A failed sign-in is at least a warning."""
    lines = _objects(_told(visitor, lambda: _fails_to_sign_in(visitor)))
    told = [one["level"] for one in lines if one.get("eventType") == "AUTHENTICATION_FAILURE"]
    if not told:
        raise SandboxError("fault", "no line tells of a failed sign-in")
    return set(told) == {"info"}


def _stack_told(visitor: Visitor) -> bool:
    return any(line.startswith("Traceback") for line in _told(visitor, _asks(visitor)))


# ---------------------------------------------------------------------------- configuration


def _listens(port: int) -> Look:
    def look(visitor: Visitor) -> bool:
        addresses = [pod["status"]["podIP"] for pod in visitor.pods()]
        return all(http_status(visitor.hands.settings, one, port, "/json/version") != NOTHING for one in addresses)

    return look


def _environment(name: str, value: str) -> Look:
    """As the kernel knows it of the process that runs, which is another source than the Deployment."""

    def look(visitor: Visitor) -> bool:
        told = []
        for pod in visitor.pods():
            said = visitor.hands.exec(NAMESPACE, pod["metadata"]["name"], "api", ["cat", "/proc/1/environ"])
            told.append(f"{name}={value}" in said.split("\0"))
        return all(told)

    return look


FAULTS = (
    planted("answers_slow", "each answer takes a quarter of a second longer", _slower, LATENCY),
    planted("answers_stall", "for two seconds of each ten, nothing is answered", _stalls, LATENCY, CONCURRENCY),
    planted("half_of_answers_fail", "every second answer of the API is a 500", _some_fail, LATENCY, CONCURRENCY),
    planted(
        "errors_past_users", "from the eleventh user of a minute on, a replica answers 500", _crowd_fails,
        LATENCY, CONCURRENCY,
    ),
    planted("memory_leak", "each request keeps 64 KiB", _grows, RESOURCES, LEAK),
    # They were first looked at before any request, so that the dashboards have nothing to show.
    planted(
        "business_metrics_frozen", "the metrics of the business stay as they first were", _frozen, BUSINESS, DASHBOARDS
    ),
    planted("business_metrics_missing", "the metrics of the business are not there", _missing, BUSINESS, DASHBOARDS),
    planted("debug_lines", "lines of the level debug are written, and the configuration says info", _debug, LOG_LEVEL),
    planted("logs_as_text", "lines are text and not JSON", _no_json, STRUCTURED),
    planted("correlation_id_not_logged", "lines have no correlation id", _id_is_lost, STRUCTURED, ERROR_LINES),
    planted("token_in_log", "lines show the caller's token", _tells_token, ERROR_LINES),
    planted("password_printed_at_start", "the database's password is printed at the start", _tells_password),
    planted("errors_at_level_info", "lines of errors and warnings have the level info", _failure_is_info, ERROR_LINES),
    planted("stack_over_lines", "errors write a stack over several lines, which are no JSON", _stack_told, STRUCTURED),
    planted("inspector_port_open", "a debugger listens in the application's pods", _listens(INSPECTOR_PORT), DEBUG),
    with_environment(
        "pool_of_one", "each replica has one connection to the database",
        _environment("DATABASE_MAX_CONNECTIONS", "1"), POOL_SIZE, DATABASE_MAX_CONNECTIONS="1",
    ),
    with_environment(
        "feature_flag_unknown", "a feature flag is set that no list names",
        _environment("ENABLE_EXPERIMENTAL_PLANNER", "true"), FLAGS, ENABLE_EXPERIMENTAL_PLANNER="true",
    ),
    with_environment(
        "feature_flag_differs", "a feature flag has another state than the list says",
        _environment("ENABLE_CIRCUIT_BREAKER", "false"), FLAGS, ENABLE_CIRCUIT_BREAKER="false",
    ),
)  # fmt: skip
