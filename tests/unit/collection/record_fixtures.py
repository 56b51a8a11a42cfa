# Makes environments, bindings, results and headers for the tests of the record and the gate.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue, gate
from ansible_collections.bytebot.production.plugins.plugin_utils.record import document
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    Binding,
    Environment,
    Facts,
    binding_of,
    rfc3339,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result, checked, recorded
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header

KNOWN = catalogue.load()
NOW = datetime(2026, 11, 24, 16, 1, 2, tzinfo=UTC)
ENVIRONMENT = Environment("shop", "production", "Acme", "bytebot-production", "bytebot")
FACTS = Facts("chart-1", "values-1", ("image-1", "image-2"))
BINDING = binding_of(ENVIRONMENT, FACTS, KNOWN)
RUN = "20261124T160102Z-3f9a"

PODS = "deployment.execution.pods"
SERVICES = "deployment.execution.services"  # needs PODS
ENDPOINTS = "deployment.execution.endpoints"  # needs SERVICES
HEALTH = "deployment.health.pods"  # needs PODS


def result(control: str, state: str = "pass", **fields: Any) -> dict[str, Any]:
    """A result as a module returns it."""
    observed = {"asked": control}
    item = {"source": "GET /", "observed_at": rfc3339(NOW), "observed": observed, "sha256": sha256_of(observed)}
    return {
        "control": control,
        "state": state,
        "summary": f"It is {state}.",
        "remedy": "",
        "evidence": [item],
        "started": rfc3339(NOW),
        "duration_s": 0.5,
        **fields,
    }


def kept(*results: dict[str, Any], binding: Binding = BINDING, now: datetime = NOW) -> dict[str, Result]:
    """Results as they stand in the record."""
    return {item["control"]: recorded(item, binding, now) for item in checked(list(results), KNOWN)}


def header(**changes: Any) -> Header:
    """The header of a run."""
    now = rfc3339(NOW)
    return replace(Header(RUN, ENVIRONMENT, BINDING, now, now, None, 0, {}), **changes)


def asked(stage: str, **changes: Any) -> Header:
    """The header of a run whose gate was asked."""
    return header(gate={"stage": stage, "policy": gate.Policy().to_dict()}, **changes)


def act(plugin: type[Any], args: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    """Run an action plugin as a task would."""
    task = SimpleNamespace(args=args, check_mode=check_mode, async_val=0, diff=False, action="x", no_log=False)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    nothing: Any = None
    action = plugin(task, connection, nothing, nothing, nothing, nothing)
    outcome: dict[str, Any] = action.run(task_vars={})
    return outcome


def entries(built: document.Document) -> dict[str, dict[str, Any]]:
    """The entries of a document by control."""
    return {entry["id"]: entry for entry in built["controls"]}
