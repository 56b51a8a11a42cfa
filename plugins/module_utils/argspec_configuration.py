# The argument spec of how a release is configured, whether what is given is usable, and what is wanted by it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import Spec
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import not_negative
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Flag,
    Variable,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import PostgresWanted
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

_SPAN = re.compile(r"[1-9]\d*(?:s|m|h|d)")
_METRIC = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_FULL = 100
_MOST_LOAD = 6000  # requests of one run, so that a slip is no attack


def _texts(*default: str) -> dict[str, Any]:
    return {"type": "list", "elements": "str", "default": list(default)}


CONFIGURATION_ARGS: Spec = {
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "variables": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "pattern": {"type": "str", "default": ""},
            "workloads": _texts(),
        },
    },
    "level_variables": _texts("LOG_LEVEL"),
    "levels": _texts("info", "information", "notice", "warn", "warning", "error"),
    "debug_variables": _texts("DEBUG", "DEBUG_MODE", "AUTH_DEBUG", "ENABLE_SWAGGER", "FLASK_DEBUG", "DJANGO_DEBUG"),
    "production_variables": {"type": "dict", "default": {"NODE_ENV": "production"}},
    "debug_ports": {
        "type": "list",
        "elements": "int",
        "default": [2345, 5005, 5678, 5858, 6060, 8787, 9003, 9222, 9229, 9230],
    },
    "documents_wanted": {"type": "bool", "default": False},
    "document_paths": _texts(
        "/api/docs",
        "/docs",
        "/redoc",
        "/swagger",
        "/api-docs",
        "/openapi.json",
        "/api/docs-json",
        "/swagger.json",
    ),
    "error_paths": _texts("/api/v1/tasks", "/api/v1/auth/login"),
    "feature_flags": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "owner": {"type": "str", "default": ""},
            "rollout": {"type": "int", "required": True},
            "default": {"type": "int", "default": 0},
        },
    },
    "flag_prefixes": _texts("ENABLE_", "FEATURE_"),
    "pool_size_variables": _texts("DATABASE_MAX_CONNECTIONS", "DATABASE_URL"),
    "connection_reserve": {"type": "int", "default": PostgresWanted().reserve},
    "minimum_pool": {"type": "int", "default": Wanted().least_pool},
    "pool_metric": {"type": "str", "default": "bytebot_database_connections_active"},
    "pool_utilisation": {"type": "float", "default": Wanted().utilisation},
    "window": {"type": "str", "default": "15m"},
    "throttled_share": {"type": "float", "default": Wanted().throttled},
    "limit_share": {"type": "float", "default": Wanted().headroom},
    "limit_times": {"type": "float", "default": Wanted().too_large},
    "minimum_replicas": {"type": "int", "default": Wanted().least_replicas},
    "tests_allowed": {"type": "list", "elements": "str", "choices": ["writes", "load", "drills"], "default": []},
    "load_path": {"type": "str", "default": "/health/ready"},
    "load_rate": {"type": "float", "default": 10},
    "load_seconds": {"type": "float", "default": 20},
    "drill_workload": {"type": "str", "default": ""},
}


def check_usable(given: Mapping[str, Any]) -> None:
    """Refuse what no release can be judged by.

    :raises InputError: the first such option.
    """
    not_negative(given, "connection_reserve", "minimum_pool", "minimum_replicas", "load_rate", "load_seconds")
    if not _SPAN.fullmatch(given["window"]):
        raise InputError(f"window: {given['window']!r} is no length of time such as 15m.")
    if not _METRIC.fullmatch(given["pool_metric"]):
        raise InputError(f"pool_metric: {given['pool_metric']!r} is no name of a metric.")
    if given["load_rate"] * given["load_seconds"] > _MOST_LOAD:
        raise InputError(f"load_rate and load_seconds: more than {_MOST_LOAD} requests are not sent in one run.")
    for one in given["variables"] or []:
        try:
            re.compile(one["pattern"])
        except re.error as exc:
            raise InputError(f"variables: the pattern of {one['name']} is no regular expression ({exc}).") from exc
    for one in given["feature_flags"] or []:
        for name in ("rollout", "default"):
            if not 0 <= one[name] <= _FULL:
                raise InputError(f"feature_flags: {name} of {one['name']} is {one[name]}, and not 0 to {_FULL}.")


def wanted_of(given: Mapping[str, Any]) -> Wanted:
    """What a module's parameters want of a release."""
    variables, flags = given["variables"], given["feature_flags"]
    return Wanted(
        variables=None
        if variables is None
        else tuple(Variable(one["name"], one["pattern"], tuple(one["workloads"])) for one in variables),
        flags=None
        if flags is None
        else tuple(Flag(one["name"], one["owner"], one["rollout"], one["default"]) for one in flags),
        flag_prefixes=tuple(given["flag_prefixes"]),
        level_variables=tuple(given["level_variables"]),
        levels=tuple(one.lower() for one in given["levels"]),
        debug_variables=tuple(given["debug_variables"]),
        production={str(name): str(value) for name, value in given["production_variables"].items()},
        debug_ports=tuple(given["debug_ports"]),
        documents=given["documents_wanted"],
        least_pool=given["minimum_pool"],
        utilisation=given["pool_utilisation"],
        throttled=given["throttled_share"],
        headroom=given["limit_share"],
        too_large=given["limit_times"],
        least_replicas=given["minimum_replicas"],
    )
