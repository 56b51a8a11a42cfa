# The argument spec of load, and what it describes: the plan, the target, the limits.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import (
    DATABASE_ARGS,
    PROBE_ARGS,
    database_keys,
    filled,
    probe_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.argspec_http import HTTP_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import PROMETHEUS_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_users import ACCOUNTS, FIELDS
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.clients.identities import Account, Door, Fields
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import (
    EVEN,
    LEVEL,
    POISSON,
    STEADY,
    WARM_UP,
    Phase,
    Plan,
)
from ansible_collections.bytebot.production.plugins.module_utils.load.sender import Target
from ansible_collections.bytebot.production.plugins.module_utils.observe_load import Endpoint, LoadScope
from ansible_collections.bytebot.production.plugins.module_utils.reach import AUTO, Sides

_ENDPOINT = {
    "name": {"type": "str", "required": True},
    "path": {"type": "str", "required": True},
    "weight": {"type": "float", "default": 1.0},
    "signed_in": {"type": "bool", "default": True},
}
_LOAD: dict[str, Any] = {
    "type": "dict",
    "options": {
        "users": {"type": "int"},
        "think_time": {"type": "float", "default": 5.0},
        "rate": {"type": "float"},
        "production_rate": {"type": "float", "default": 0.0},
        "warm_up": {"type": "float", "default": 30.0},
        "soak": {"type": "float", "default": 600.0},
        "levels": {"type": "int", "default": 4},
        "level_seconds": {"type": "float", "default": 30.0},
        "sign_ins": {"type": "int", "default": 4},
        "endpoints": {"type": "list", "elements": "dict", "default": [], "options": _ENDPOINT},
        "arrivals": {"type": "str", "choices": [POISSON, EVEN], "default": POISSON},
        "seed": {"type": "int", "default": 1},
    },
}
# What is judged by: options and fields of Wanted have the same names.
_NUMBERS = (
    "latency_ms", "error_share", "knee_ms", "head_room", "lag_ms", "memory_share", "cpu_share", "throttled_share",
    "files_share", "leak_hours", "statement_ms", "cache_share", "lock_wait_ms", "dead_share", "connection_share",
)  # fmt: skip
_WHOLE = ("user_limit", "scan_rows")
LOAD_ARGS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **HTTP_ARGS,
    **DATABASE_ARGS,
    **PROBE_ARGS,
    **PROMETHEUS_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "allowed": {"type": "bool", "default": False},
    "load": _LOAD,
    "accounts": ACCOUNTS,
    "login_path": {"type": "str", "default": Fields().login_path},
    "login_fields": FIELDS,
    "limit_header": {"type": "str", "default": "X-RateLimit-Limit"},
    "workers": {"type": "int", "default": 0},
    "maximum_rate": {"type": "float", "default": 200.0},
    "maximum_seconds": {"type": "float", "default": 3600.0},
    "maximum_requests": {"type": "int", "default": 200000},
    "memory_budget": {"type": "str"},
    **{name: {"type": "float", "default": getattr(Wanted(), name)} for name in _NUMBERS},
    **{name: {"type": "int", "default": getattr(Wanted(), name)} for name in _WHOLE},
}
ENDPOINTS: tuple[dict[str, Any], ...] = (
    {"name": "readiness", "path": "/health/ready", "weight": 1.0, "signed_in": False},
    {"name": "tasks", "path": "/api/v1/tasks", "weight": 3.0, "signed_in": True},
    {"name": "permissions", "path": "/api/v1/auth/permissions", "weight": 1.0, "signed_in": True},
)
MOST_USERS, MOST_LEVELS, MOST_WORKERS = 100_000, 50, 64


class LoadInputs:
    """The module's inputs, checked."""

    def __init__(self, given: Mapping[str, Any], http: Http, *, check_mode: bool) -> None:
        """Check all of them before anything is asked."""
        self._given, self._http, self._check_mode = given, http, check_mode
        self._load = given["load"] or {}
        self._unasked, self._remedy = self._why_not()
        self._endpoints = self._asked()
        self._wanted = self._limits()
        self._plan = Plan((), tuple(one.weight for one in self._endpoints)) if self._unasked else self._planned()

    def scope(self, cluster: Cluster) -> LoadScope:
        """All that is sent and watched."""
        given = self._given
        names = filled(given["login_fields"], FIELDS)
        fields = Fields(given["login_path"], names["username"], names["password"], names["token"])
        return LoadScope(
            base_url=self._http.base_url,
            namespace=given["namespace"],
            release=given["release"],
            endpoints=self._endpoints,
            plan=self._plan,
            target=self._target(),
            database=database_keys(given["database"]),
            sides=Sides(AUTO, *probe_of(given, check_mode=self._check_mode)),
            users=self._load.get("users") or 1,
            sign_ins=self._load.get("sign_ins") or 1,
            accounts=tuple(Account(**one) for one in given["accounts"]),
            door=Door(cluster, given["namespace"], self._http, fields),
            workers=given["workers"],
            wanted=self._wanted,
            unasked=self._unasked,
            remedy=self._remedy,
            only=tuple(given["only"]),
        )

    def _why_not(self) -> tuple[str, str]:
        if self._check_mode:
            return "It needs a probe, and check mode sends none.", "Run without --check."
        if not self._given["allowed"]:
            remedy = "Permit it for this environment by the word load in bytebot_tests_allowed (allowed of the module)."
            return "Load is not permitted in this environment.", remedy
        if not self._load.get("users"):
            remedy = "Say in bytebot_load how many users are expected at one time (users), and their think_time."
            return "No input says how many users are expected.", remedy
        return "", ""

    def _asked(self) -> tuple[Endpoint, ...]:
        found = []
        for one in self._load.get("endpoints") or ENDPOINTS:
            url = self._http.url_of(one["path"])
            self._http.permit(url)
            if not 0 < one["weight"] < math.inf:
                raise InputError(f"load.endpoints: the weight of {one['name']} is {one['weight']:g}; give one above 0.")
            found.append(Endpoint(one["name"], url, one["weight"], one["signed_in"]))
        if len({one.name for one in found}) < len(found):
            raise InputError("load.endpoints: two of them have the same name.")
        return tuple(found)

    def _target(self) -> Target:
        given = self._given
        return Target(
            urls=tuple(one.url for one in self._endpoints),
            signed_in=tuple(one.signed_in for one in self._endpoints),
            ca_file=given["ca_file"] or "",
            resolve={name.lower(): str(address) for name, address in (given["resolve"] or {}).items()},
            timeout_s=given["timeout"],
            limit_header=given["limit_header"],
        )

    def _limits(self) -> Wanted:
        given = self._given
        for name in (*_NUMBERS, *_WHOLE):
            if not 0 <= given[name] < math.inf or (name.endswith("_share") and given[name] > 1):
                raise InputError(f"{name} is {given[name]:g}, which is no limit.")
        if given["head_room"] < 1 or given["leak_hours"] <= 0:
            raise InputError("head_room must be 1 or more, and leak_hours more than 0.")
        budget = quantity(given["memory_budget"]) if given["memory_budget"] else None
        if given["memory_budget"] and not budget:
            raise InputError(
                f"memory_budget: {given['memory_budget']!r} is no quantity as Kubernetes writes it (512Mi)."
            )
        expected = self._load.get("production_rate") or 0.0
        if not 0 <= expected < math.inf:
            raise InputError(
                f"load.production_rate is {expected:g}; give the requests a second that production brings."
            )
        numbers = {name: given[name] for name in (*_NUMBERS, *_WHOLE)}
        return Wanted(memory_budget=int(budget or 0), production_rate=expected, **numbers)

    def _planned(self) -> Plan:
        load, given = self._load, self._given
        bounds = {"users": MOST_USERS, "levels": MOST_LEVELS, "sign_ins": MOST_USERS}
        for name, most in bounds.items():
            if not 1 <= load[name] <= most:
                raise InputError(f"load.{name} is {load[name]}; give a number from 1 to {most}.")
        if not 0 <= given["workers"] <= MOST_WORKERS:
            raise InputError(f"workers is {given['workers']}; give a number from 0 to {MOST_WORKERS}.")
        for name in ("think_time", "soak", "level_seconds"):
            if not 0 < load[name] < math.inf:
                raise InputError(f"load.{name} is {load[name]:g} s; give a time above 0.")
        if not 0 <= load["warm_up"] < math.inf:
            raise InputError(f"load.warm_up is {load['warm_up']:g} s; give a time of 0 or more.")
        rate = load["users"] / load["think_time"] if load["rate"] is None else load["rate"]
        if not 0 < rate < math.inf:
            raise InputError(f"load.rate is {rate:g}; give a rate above 0.")
        plan = Plan(self._phases(rate), tuple(one.weight for one in self._endpoints), load["users"])
        self._bounded(plan)
        return Plan(plan.phases, plan.weights, plan.users, load["arrivals"], load["seed"])

    def _phases(self, rate: float) -> tuple[Phase, ...]:
        load, last = self._load, max(1, self._load["levels"] - 1)
        room = self._wanted.head_room - 1
        factors = [1 + room * number / last for number in range(load["levels"])] if load["levels"] > 1 else [1 + room]
        levels = [Phase(LEVEL, rate * factor, load["level_seconds"]) for factor in factors]
        warm = [Phase(WARM_UP, rate, load["warm_up"])] if load["warm_up"] else []
        return (*warm, Phase(STEADY, rate, load["soak"]), *levels)

    def _bounded(self, plan: Plan) -> None:
        given = self._given
        for what, is_, unit, most in (
            ("rate", plan.most_rate, "requests a second", given["maximum_rate"]),
            ("time", plan.seconds, "seconds", given["maximum_seconds"]),
            ("number", plan.requests, "requests", given["maximum_requests"]),
        ):
            if is_ > most:
                name = {"rate": "maximum_rate", "time": "maximum_seconds", "number": "maximum_requests"}[what]
                raise InputError(
                    f"load: its {what} of {is_:g} {unit} is more than {name} allows ({most:g}). "
                    "Lower the load, or raise that limit if the system is yours to load so."
                )
