# Judges the values of a release: what is required is there, nothing is a placeholder, and every one has an effect.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import placeholders
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import ChartFacts, some
from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import dotted, leaves
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
)

# What helm says where a template's own `required` or `fail` ends the rendering.
_REQUIRED = re.compile(r"execution error at \(([^)]*)\): (.*)", re.DOTALL)


def values(facts: ChartFacts) -> Verdict:
    """Every required value is set, none is a placeholder, and none of the given ones is without effect."""
    about = facts.value_facts
    missing = list(_missing(facts))
    standing = dict(placeholders.in_values(leaves(about.merged)))
    known = set(standing.values())
    standing |= {
        where: mark for where, mark in placeholders.in_objects(facts.workloads, facts.namespace) if mark not in known
    }
    idle = [dotted(path) for path in (*about.unread, *about.without_effect)]
    seen = Evidence(
        f"values of {facts.chart}, its templates and schema; helm upgrade --install --dry-run=server",
        {
            "files": list(facts.values),
            "given": sorted(dotted(path) for path, _value in leaves(about.given)),
            "missing": missing,
            "placeholders": standing,
            "unread": [dotted(path) for path in about.unread],
            "without_effect": [dotted(path) for path in about.without_effect],
            "undecided": [dotted(path) for path in about.undecided],
        },
    )
    if missing:
        return failed(f"Required and not set: {some(missing)}.", "Set these values.", seen)
    if standing:
        shown = [f"{where} is a placeholder ({mark})" for where, mark in standing.items()]
        return failed(f"{some(shown)}.", "Put the real values there.", seen)
    if idle:
        return failed(
            f"Given, but without any effect on what is deployed: {', '.join(idle)}.",
            "Correct the names, or take these values out: who sets them believes that they act.",
            seen,
        )
    if facts.render_error:
        return inconclusive(
            f"The chart does not render ({facts.render_error}), so what the values do cannot be seen.",
            "Mend the rendering first.",
            seen,
        )
    count = len(seen.observed["given"])
    doubts = f"; of {len(about.undecided)} the effect cannot be seen" if about.undecided else ""
    return passed(
        f"All required values are set, none is a placeholder, and the {count} given ones are read{doubts}.", seen
    )


def _missing(facts: ChartFacts) -> Iterator[str]:
    about = facts.value_facts
    yield from _unset(about.schema, about.merged, "")
    for path in facts.wanted.required_values:
        if _is_empty(at(about.merged, path)):
            yield path
    if said := _REQUIRED.search(facts.render_error):
        yield f"{said.group(2).strip().rstrip('.')} ({said.group(1)})"


def _unset(schema: Mapping[str, Any], values_there: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """What a JSON Schema requires and the values lack. All else of the schema is helm's to judge, with lint."""
    for name in schema.get("required") or []:
        if values_there.get(name) is None:
            yield f"{prefix}{name}"
    for name, inner in (schema.get("properties") or {}).items():
        value = values_there.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            yield from _unset(inner, value, f"{prefix}{name}.")
        elif isinstance(inner, Mapping) and value == "" and inner.get("minLength"):
            yield f"{prefix}{name}"


def at(values_there: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    found: Any = values_there
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})
