# Verifies results before they are recorded, and again when they are read.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import LEVELS, MUST, PROVEN, State, sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils import own
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, moment, rfc3339

Result = dict[str, Any]

# States that come from signed statements; no module returns them.
ATTESTED, WAIVED, STALE = "attested", "waived", "stale"
STATES = ("pass", "fail", "error", "inconclusive", "pending", "not_applicable", ATTESTED, WAIVED, STALE)


def plain(value: Any) -> Any:
    """A copy in plain types; Ansible's own carry marks and are filled in lazily."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value).encode("utf-8", "replace").decode()


def flag(name: str, given: Any) -> bool:
    """True or false, as Ansible writes it.

    :raises InputError: it is neither.
    """
    try:
        return bool(boolean(plain(given)))
    except TypeError as exc:
        raise InputError(f"{name}: {given!r} is neither true nor false.") from exc


def checked(given: Any, known: Catalogue) -> list[Result]:
    """The results as modules return them.

    :raises InputError: the first that is none, with what is wrong about it.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError("results: give the list of results that the examining modules return.")
    return [_checked(plain(result), known) for result in given]


def _checked(result: Any, known: Catalogue) -> Result:
    if not isinstance(result, Mapping) or not {"control", "state", "summary"} <= result.keys():
        raise InputError(f"results: {str(result)[:80]!r} is no result (control, state and summary are needed).")
    id_, state = str(result["control"]), str(result["state"])
    ours = {"own": result.get("own")} if own.is_own(id_) else {}
    if ours:
        own.control_of(id_, ours["own"])
    elif id_ not in known.controls:
        raise InputError(f"results: the catalogue has no control {id_}.")
    if state in {ATTESTED, WAIVED}:
        raise InputError(f"results: {id_} is in the state {state}, which only a signed statement gives.")
    if state not in set(State):
        raise InputError(f"results: {id_} is in the state {state}, which no check gives.")
    if (level := str(result.get("level") or MUST)) not in LEVELS:
        raise InputError(f"results: {id_} has level {level!r}; it is one of {', '.join(LEVELS)}.")
    evidence = result.get("evidence") or []
    if reason := unproven(state, evidence):
        raise InputError(f"results: {id_} {reason}; give the results as the module returned them.")
    return {
        "control": id_,
        "state": state,
        "summary": str(result["summary"]),
        "remedy": str(result.get("remedy") or ""),
        "evidence": evidence,
        "started": _started(id_, result.get("started")),
        "duration_s": _seconds(id_, result.get("duration_s", 0.0)),
        "level": level,
        "weaker": _texts(id_, result.get("weaker") or []),
        **ours,
    }


def unproven(state: str, evidence: Any) -> str:
    """Why the evidence does not carry the state; empty where it does."""
    if not isinstance(evidence, list):
        return "has evidence that is no list"
    for item in evidence:
        if not isinstance(item, Mapping) or not {"source", "observed_at", "observed", "sha256"} <= item.keys():
            return "has evidence without source, observed_at, observed or sha256"
        if item["sha256"] != sha256_of(item["observed"]):
            return f"has evidence from {str(item['source'])[:80]!r} that does not match its SHA-256"
    return f"is in the state {state} without evidence" if state in PROVEN and not evidence else ""


def recorded(result: Result, binding: Binding, now: datetime) -> Result:
    """The result with what it holds for and when it was recorded."""
    return {
        **result,
        "started": result["started"] or rfc3339(now),
        "binding": binding.to_dict(),
        "recorded_at": rfc3339(now),
    }


def _started(id_: str, given: Any) -> str:
    if given in (None, ""):
        return ""
    try:
        moment(given)
    except ValueError as exc:
        raise InputError(f"results: {id_} started at {given!r}, which is no time with an offset (RFC 3339).") from exc
    return str(given)


def _seconds(id_: str, given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < float("inf"):
        raise InputError(f"results: {id_} took {given!r} seconds, which is no duration.")
    return float(given)


def _texts(id_: str, given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise InputError(f"results: {id_} has weaker {given!r}; give a list of texts.")
    return given
