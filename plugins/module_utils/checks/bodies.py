# Reads what an application answers, as JSON or as metrics, and says what it holds; it judges nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Answer
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing

PROCESS = "process_start_time_seconds"  # tells the processes behind one address apart
TEXT_VERSIONS = frozenset({"", "0.0.4", "1.0.0"})  # without a version the newest text format is meant
SHOWN = 60  # a longer value is described and not quoted: half of a secret could not be recognized


@dataclass(frozen=True, slots=True)
class Scrape:
    """What one metrics page holds.

    :param families: the names of its families and of their series.
    :param process: which process answered; empty where the page does not tell.
    :param value: the moving counter, summed over its labels; None where it has no series.
    :param problem: why the page is no exposition; empty where it is one.
    """

    families: frozenset[str] = frozenset()
    process: str = ""
    value: float | None = None
    problem: str = ""


def scrape(answer: Answer, moving: str) -> Scrape:
    """Read a metrics page with the Prometheus project's own parser."""
    parse = _parser(answer.headers.get("content-type", ""))
    try:
        families = list(parse(answer.body))
        samples = [sample for family in families for sample in family.samples]
        values = [float(sample.value) for sample in samples if sample.name == moving]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError) as exc:
        return Scrape(problem=f"the parser says {quoted(str(exc))}")
    if not families:
        return Scrape(problem="it holds no metric")
    names = {family.name for family in families} | {sample.name for sample in samples}
    names |= {f"{family.name}_total" for family in families if family.type == "counter"}  # the parser cuts it off
    return Scrape(frozenset(names), _process(samples), math.fsum(values) if values else None)


def _process(samples: list[Any]) -> str:
    """What tells one process from another: its start, and when its first counter was made; empty where it says none.

    The start alone is not enough: replicas that start within the same clock tick (10 ms) export the same number.
    """
    starts = [repr(sample.value) for sample in samples if sample.name == PROCESS]
    created = [sample.value for sample in samples if sample.name.endswith("_created")]
    return "/".join([*starts[:1], *([repr(min(created))] if created else [])]) if starts else ""


def _parser(kind: str) -> Any:
    try:
        from prometheus_client import parser
        from prometheus_client.openmetrics import parser as openmetrics
    except ImportError as exc:
        raise LibraryMissing("prometheus-client", str(exc)) from exc
    strict = kind.partition(";")[0].strip().lower() == "application/openmetrics-text"
    return openmetrics.text_string_to_metric_families if strict else parser.text_string_to_metric_families


def is_exposition(kind: str) -> bool:
    """Whether a content type is that of metrics (Prometheus docs, "Exposition formats")."""
    media, *parameters = (part.strip().lower() for part in kind.split(";"))
    versions = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("version=")} or {""}
    return media == "application/openmetrics-text" or (media == "text/plain" and versions <= TEXT_VERSIONS)


def json_object(answer: Answer) -> dict[str, Any]:
    """The body as a JSON object; empty where it is none."""
    try:
        parsed = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def table(answer: Answer, key: str) -> dict[str, Any]:
    """An object within the body; empty where there is none."""
    found = json_object(answer).get(key)
    return found if isinstance(found, dict) else {}


def expression_problem(expression: str) -> str:
    """Why a text is no JMESPath expression; empty where it is one."""
    try:
        _jmespath().compile(expression or "@")
    except ValueError as exc:
        return " ".join(str(exc).split())[:200].rstrip(".")
    return ""


def holds(expression: str, answer: Answer) -> bool:
    """Whether a JMESPath expression holds in the body."""
    try:
        found = _jmespath().search(expression, json.loads(answer.body))
    except (ValueError, RecursionError):  # JMESPath's own errors are ValueErrors too
        return False
    return found is not None and found is not False and found not in ("", [], {})


def _jmespath() -> Any:
    try:
        import jmespath
    except ImportError as exc:
        raise LibraryMissing("jmespath", str(exc)) from exc
    return jmespath


def quoted(value: Any) -> str:
    """A value for a sentence; a long one is described."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return f"a JSON {'object' if isinstance(value, dict) else 'list'} of {len(value)}"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN else f"a value of {len(text)} characters"
