# What a review needs beside history: when the release went live, what was done about alerts, and tests of rules.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_facts import Action
from ansible_collections.bytebot.production.plugins.module_utils.checks.history_security_facts import (
    SecurityAlerts,
    SignIns,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

_MOST_BYTES = 4 * 1024 * 1024
_MOST_TESTS = 50
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NANO = re.compile(r"(\.\d{6})\d+")


def time_of(name: str, value: Any) -> float:
    """The Unix time of an RFC 3339 text, or of what YAML makes of one; without an offset it is UTC.

    :raises InputError: it is none.
    """
    text = value.isoformat() if isinstance(value, datetime) else str(value).strip()
    try:
        # Helm writes nanoseconds, and Python reads microseconds.
        at = datetime.fromisoformat(_NANO.sub(r"\1", text))
    except ValueError as exc:
        raise InputError(f"{name}: {text!r} is no time; 2026-03-01T09:00:00Z is one.") from exc
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def went_live(module: AnsibleModule, redactor: Redactor) -> tuple[tuple[float, str] | None, str]:
    """When the release went live and who says so; or why nothing does."""
    given = module.params
    if given["go_live"]:
        at = time_of("go_live", given["go_live"])
        return (at, "the inventory (bytebot_go_live.at)"), ""
    if not given["release"]:
        return None, "neither bytebot_go_live.at nor a release is named"
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    try:
        driver = os.environ.get("HELM_DRIVER", "")
        found = history(Cluster(connection, module.tmpdir), given["release"], given["namespace"], driver)
    except CollectionError as exc:
        return None, exc.sentence.rstrip(".")
    good = [one for one in found if one.good]
    if not good:
        return None, f"Helm has no good revision of {given['release']} in {given['namespace']}"
    return (time_of("first_deployed", good[0].first_deployed), "Helm's first deployment of the release"), ""


def actions_of(path: str | None) -> tuple[tuple[Action, ...] | None, str]:
    """What was done about alerts, by a file; or why it cannot be read."""
    if not path:
        return None, ""
    try:
        file = Path(path)
        if file.stat().st_size > _MOST_BYTES:
            return (), f"{path} is longer than {_MOST_BYTES} bytes"
        found = load(file.read_text(encoding="utf-8"), path)
        return tuple(_actions(found)), ""
    except InputError as exc:
        return (), exc.sentence.rstrip(".")
    except (OSError, ValueError) as exc:
        return (), f"{path} cannot be read ({type(exc).__name__})"


def _actions(found: Any) -> Iterable[Action]:
    if not isinstance(found, list):
        raise InputError("The record of actions is no list.")
    for number, one in enumerate(found):
        if not isinstance(one, Mapping) or not one.get("alert") or not one.get("at"):
            raise InputError(f"The record of actions has no alert or time in entry {number + 1}.")
        yield Action(str(one["alert"]), time_of(f"entry {number + 1}", one["at"]), str(one.get("action") or ""))


def sign_ins_of(given: Mapping[str, Any] | None) -> SignIns:
    """How sign-ins are counted, and how many may fail.

    :raises InputError: a figure or name is none.
    """
    found = SignIns(**(given or {}))
    if not _METRIC.fullmatch(found.metric):
        raise InputError(f"sign_ins.metric: {found.metric!r} is no name of a metric.")
    if not found.failed.strip():
        raise InputError('sign_ins.failed: name matchers of failed sign-ins, as status!="success".')
    for name in ("limit", "burst", "locked_burst"):
        if not math.isfinite(getattr(found, name)) or getattr(found, name) <= 0:
            raise InputError(f"sign_ins.{name}: {getattr(found, name):g} is no finite number above 0.")
    return found


def security_alerts_of(given: Mapping[str, Any] | None) -> SecurityAlerts:
    """Which rules watch over security, and how soon somebody acts on them.

    :raises InputError: one is no regular expression, or no time.
    """
    if given is None:
        return SecurityAlerts()
    labels = {str(name): str(text) for name, text in given["labels"].items()}
    for text in (*given["groups"], *labels.values()):
        try:
            re.compile(text)
        except re.error as exc:
            raise InputError(f"security_alerts: {text!r} is no regular expression ({exc}).") from exc
    within = span("security_alerts.within", given["within"])
    return SecurityAlerts(tuple(given["groups"]), labels, tuple(given["alerts"]), within)


def rule_tests(module: AnsibleModule) -> tuple[frozenset[str], dict[str, str]]:
    """The alerts that tests make fire, and of each file why it does not hold (empty where it does)."""
    paths = module.params["rule_tests"]
    if len(paths) > _MOST_TESTS:
        raise InputError(f"rule_tests: {len(paths)} files are more than {_MOST_TESTS}.")
    program = module.get_bin_path(module.params["promtool"]) if paths else None
    if paths and not program:
        raise InputError(f"rule_tests need promtool, and there is no program {module.params['promtool']}.")
    names: set[str] = set()
    told: dict[str, str] = {}
    for path in paths:
        code, out, err = module.run_command([program, "test", "rules", path])
        words = " ".join((err + out).split())[:200]
        told[Path(path).name] = "" if code == 0 else words or f"status {code}"
        if code == 0:
            names |= _fires(path)
    return frozenset(names), told


def _fires(path: str) -> set[str]:
    """The alerts that a file of tests expects to fire."""
    found = load(Path(path).read_text(encoding="utf-8"), path)
    tests = found.get("tests") or [] if isinstance(found, Mapping) else []
    cases = [case for test in tests for case in test.get("alert_rule_test") or []]
    return {str(case.get("alertname")) for case in cases if case.get("exp_alerts")}
