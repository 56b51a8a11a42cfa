# Reads lines with errors of a time, and counts all lines of it: VictoriaLogs, Loki, Elasticsearch and OpenSearch.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Service, Told

MOST = 4000  # lines of one time
_WRONG = "its answer to a search is not that of {}"
_TEXTS = ("message", "msg", "_msg", "log")
_CAUSES = ("error", "errorCode", "code", "exception")  # what tells errors of one text apart


@dataclass(frozen=True, slots=True)
class Place:
    """Which lines: by namespace and further fields (or labels), and by the field of the level.

    :param namespace_field: empty for the store's usual one.
    """

    namespace: str
    levels: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_field: str = ""
    level_field: str = "level"


class Errors(Protocol):
    """A log store that is asked for lines with errors."""

    def read(self, place: Place, begin: float, end: float) -> Told:
        """Time and text of each, at most ``MOST``."""

    def count(self, place: Place, begin: float, end: float) -> Told:
        """How many lines there are of all levels."""

    def levelled(self, place: Place, begin: float, end: float) -> Told:
        """Whether a line has a level at all."""


@dataclass(frozen=True, slots=True)
class VictoriaLogsErrors:
    """Source: VictoriaLogs documentation, "LogsQL" and "Querying"."""

    service: Service

    def read(self, place: Place, begin: float, end: float) -> Told:
        levels = ",".join(json.dumps(spelling) for level in place.levels for spelling in _spellings(level))
        # Lines have far more fields than are looked at.
        fields = ", ".join(map(json.dumps, ("_time", *_TEXTS, *_CAUSES)))
        query = f"{self._where(place, begin, end)} {json.dumps(place.level_field)}:in({levels}) | fields {fields}"
        told = self.service.text("/select/logsql/query", {"query": query, "limit": str(MOST)})
        rows = _rows(told)
        if told.ok and rows is None:
            return Told(WRONG, None, _WRONG.format("VictoriaLogs"), told.status)
        return (
            replace(told, data=[(str(row.get("_time") or ""), _text(row)) for row in rows or []]) if told.ok else told
        )

    def count(self, place: Place, begin: float, end: float) -> Told:
        query = f"{self._where(place, begin, end)} | stats count() lines"
        told = self.service.text("/select/logsql/query", {"query": query})
        rows = _rows(told)
        if not told.ok:
            return told
        if not rows or not str(rows[0].get("lines", "")).isdigit():
            return Told(WRONG, None, _WRONG.format("VictoriaLogs"), told.status)
        return replace(told, data=int(rows[0]["lines"]))

    def levelled(self, place: Place, begin: float, end: float) -> Told:
        query = f"{self._where(place, begin, end)} {json.dumps(place.level_field)}:*"
        told = self.service.text("/select/logsql/query", {"query": query, "limit": "1"})
        rows = _rows(told)
        if told.ok and rows is None:
            return Told(WRONG, None, _WRONG.format("VictoriaLogs"), told.status)
        return replace(told, data=bool(rows)) if told.ok else told

    @staticmethod
    def _where(place: Place, begin: float, end: float) -> str:
        fields = {place.namespace_field or "kubernetes.pod_namespace": place.namespace, **place.labels}
        wanted = " ".join(f"{json.dumps(name)}:={json.dumps(value)}" for name, value in fields.items())
        return f"_time:[{_iso(begin)}, {_iso(end)}) {wanted}"


@dataclass(frozen=True, slots=True)
class LokiErrors:
    """Source: Grafana Loki documentation, "Loki HTTP API", "LogQL"."""

    service: Service

    def read(self, place: Place, begin: float, end: float) -> Told:
        levels = "|".join(map(re.escape, place.levels))
        query = f"{_labels(place)} | json | {place.level_field}=~`(?i){levels}`"
        asked = {"query": query, "start": _nano(begin), "end": _nano(end), "limit": str(MOST), "direction": "forward"}
        told = self.service.json("/loki/api/v1/query_range", asked)
        found = _loki(told, "streams")
        if told.ok and found is None:
            return Told(WRONG, None, _WRONG.format("Loki"), told.status)
        lines = [
            (_iso(int(at) / 1e9), _text(_object(text) or {"message": text}))
            for one in found or []
            for at, text, *_more in one.get("values") or []
        ]
        return replace(told, data=lines) if told.ok else told

    def count(self, place: Place, begin: float, end: float) -> Told:
        query = f"sum(count_over_time({_labels(place)}[{max(1, int(end - begin))}s]))"
        told = self.service.json("/loki/api/v1/query", {"query": query, "time": _nano(end)})
        found = _loki(told, "vector")
        if told.ok and found is None:
            return Told(WRONG, None, _WRONG.format("Loki"), told.status)
        return replace(told, data=sum(int(float(one["value"][1])) for one in found or [])) if told.ok else told

    def levelled(self, place: Place, begin: float, end: float) -> Told:
        # A line, and no count: each text would be a series of the count.
        query = f'{_labels(place)} | json | {place.level_field}!=""'
        asked = {"query": query, "start": _nano(begin), "end": _nano(end), "limit": "1"}
        told = self.service.json("/loki/api/v1/query_range", asked)
        found = _loki(told, "streams")
        if told.ok and found is None:
            return Told(WRONG, None, _WRONG.format("Loki"), told.status)
        return replace(told, data=any(one.get("values") for one in found or [])) if told.ok else told


@dataclass(frozen=True, slots=True)
class ElasticsearchErrors:
    """Sources: Elasticsearch reference, "Search" and "Count"; OpenSearch documentation, the same."""

    service: Service
    index: str = "*"

    def read(self, place: Place, begin: float, end: float) -> Told:
        levels = [spelling for level in place.levels for spelling in _spellings(level)]
        any_of = {"bool": {"should": [{"match_phrase": {place.level_field: one}} for one in levels]}}
        query = {"bool": {"filter": [*self._where(place, begin, end), any_of]}}
        told = self.service.post(f"/{self.index}/_search", {"size": MOST, "query": query})
        hits = (told.data.get("hits") or {}).get("hits") if told.ok and isinstance(told.data, Mapping) else None
        if told.ok and not isinstance(hits, list):
            return Told(WRONG, None, _WRONG.format("Elasticsearch"), told.status)
        sources = [one.get("_source") or {} for one in hits or []]
        lines = [(str(one.get("@timestamp") or ""), _text(_object(_text(one)) or one)) for one in sources]
        return replace(told, data=lines) if told.ok else told

    def count(self, place: Place, begin: float, end: float) -> Told:
        return self._count(self._where(place, begin, end))

    def levelled(self, place: Place, begin: float, end: float) -> Told:
        told = self._count([*self._where(place, begin, end), {"exists": {"field": place.level_field}}])
        return replace(told, data=told.data > 0) if told.ok else told

    def _count(self, filters: list[dict[str, Any]]) -> Told:
        query = {"bool": {"filter": filters}}
        told = self.service.post(f"/{self.index}/_count", {"query": query})
        found = told.data.get("count") if told.ok and isinstance(told.data, Mapping) else None
        if told.ok and not isinstance(found, int):
            return Told(WRONG, None, _WRONG.format("Elasticsearch"), told.status)
        return replace(told, data=found) if told.ok else told

    @staticmethod
    def _where(place: Place, begin: float, end: float) -> list[dict[str, Any]]:
        fields = {place.namespace_field or "kubernetes.namespace": place.namespace, **place.labels}
        return [
            {"range": {"@timestamp": {"gte": _iso(begin), "lt": _iso(end)}}},
            *({"match_phrase": {name: value}} for name, value in fields.items()),
        ]


def errors_of(kind: str, service: Service, index: str) -> Errors:
    """The store of a kind."""
    if kind == "victoria_logs":
        return VictoriaLogsErrors(service)
    return LokiErrors(service) if kind == "loki" else ElasticsearchErrors(service, index)


def _labels(place: Place) -> str:
    fields = {place.namespace_field or "namespace": place.namespace, **place.labels}
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in fields.items()) + "}"


def _loki(told: Told, kind: str) -> list[Mapping[str, Any]] | None:
    data = told.data.get("data") if told.ok and isinstance(told.data, Mapping) else None
    if not isinstance(data, Mapping) or data.get("resultType") != kind or not isinstance(data.get("result"), list):
        return None
    found: list[Mapping[str, Any]] = data["result"]
    return found


def _rows(told: Told) -> list[Mapping[str, Any]] | None:
    """Lines of JSON objects; None where they are not."""
    try:
        rows = [json.loads(row) for row in told.data.splitlines() if row.strip()] if told.ok else []
    except (ValueError, AttributeError, RecursionError):
        return None
    return rows if all(isinstance(row, Mapping) for row in rows) else None


def _spellings(level: str) -> Iterable[str]:
    return dict.fromkeys((level, level.upper(), level.capitalize()))


def _text(fields: Mapping[str, Any]) -> str:
    text = next((str(fields[name]) for name in _TEXTS if fields.get(name)), "")
    cause = next((fields[name] for name in _CAUSES if isinstance(fields.get(name), str | int)), "")
    return f"{text} {cause}".strip() if str(cause) not in text else text


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _nano(at: float) -> str:
    return str(int(at * 1e9))
