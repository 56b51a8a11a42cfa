# Finds lines by a word in log stores, and asks how long these keep them: VictoriaLogs, Loki, Elasticsearch, OpenSearch.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Service, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.yaml_text import load

MOST = 1000  # lines of one answer
_FLAG = re.compile(r'(?m)^flag\{name="(retentionPeriod|retention\.maxDiskSpaceUsageBytes)", value="([^"]*)"')
_OLDEST = re.compile(r"(?m)^vl_storage_log_min_timestamp_seconds(?:\{[^}]*\})? ([0-9.e+-]+)\s*$")
_GO = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdwy])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_MONTH = 31 * 86_400.0  # what VictoriaLogs takes a number without a unit for


@dataclass(frozen=True, slots=True)
class Line:
    """A line that a store has found: by which pod it was written, its fields, and its text."""

    pod: str
    fields: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Names:
    """The fields by which a store's lines tell of Kubernetes, and those that are searched for a word.

    :param pod: field (or label) with the pod's name; :param namespace: with its namespace.
    """

    pod: str = ""
    namespace: str = ""
    searched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a store keeps lines.

    :param told: whether it could be asked; its data are seconds, None where nothing is ever removed.
    :param oldest: Unix time of the oldest line, where the store tells it; :param notes: what else bounds it.
    """

    told: Told
    oldest: float | None = None
    notes: tuple[str, ...] = ()


class Searched(Protocol):
    """A log store in which lines can be found."""

    def find(self, words: Sequence[str], namespace: str, since: float) -> Told:
        """The lines of a namespace since a Unix time that hold one of the words, as ``Line``."""

    def kept(self) -> Kept:
        """How long it keeps lines."""


def span_of(text: str) -> float | None:
    """Seconds of a length of time as Go and Elasticsearch write it (``744h0m0s``, ``30d``); None where it is none."""
    found = _GO.findall(text.strip())
    whole = "".join(number + unit for number, unit in found)
    if not found or whole != text.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in found)


def text_of(fields: Mapping[str, Any]) -> str:
    """All that a line says, in one text."""
    return json.dumps(fields, ensure_ascii=False, default=str)


@dataclass(frozen=True, slots=True)
class VictoriaLogsSearch:
    """Source: VictoriaLogs documentation, "Querying", "LogsQL", "Retention"."""

    service: Service
    names: Names

    def find(self, words: Sequence[str], namespace: str, since: float) -> Told:
        names = self.names
        pod, space = names.pod or "kubernetes.pod_name", names.namespace or "kubernetes.pod_namespace"
        searched = names.searched or ("_msg", "correlationId", "path", "userAgent")
        anyone = " or ".join(f'"{one}":"{word}"' for one in searched for word in words)
        query = f'_time:>={_iso(since)} "{space}":="{namespace}" ({anyone})'
        told = self.service.text("/select/logsql/query", {"query": query, "limit": str(MOST)})
        if not told.ok:
            return told
        try:
            rows = [json.loads(row) for row in told.data.splitlines() if row.strip()]
            return replace(told, data=[Line(str(row.get(pod) or ""), row, str(row.get("_msg") or "")) for row in rows])
        except (ValueError, AttributeError):
            return Told(WRONG, None, "its answer to a search is not that of VictoriaLogs", told.status)

    def kept(self) -> Kept:
        told = self.service.text("/metrics")
        if not told.ok:
            return Kept(told)
        flags = dict(_FLAG.findall(told.data))
        text = flags.get("retentionPeriod", "")
        length = float(text) * _MONTH if re.fullmatch(r"\d+(\.\d+)?", text) else span_of(text)
        if length is None:
            return Kept(Told(WRONG, None, "it does not tell its -retentionPeriod", told.status))
        oldest = _OLDEST.search(told.data)
        size = flags.get("retention.maxDiskSpaceUsageBytes", "0")
        notes = (f"it removes the oldest lines earlier where they take more than {size}",) if size.strip("0") else ()
        return Kept(replace(told, data=length), float(oldest[1]) if oldest else None, notes)


@dataclass(frozen=True, slots=True)
class LokiSearch:
    """Source: Grafana Loki documentation, "Loki HTTP API", "LogQL", "Retention"."""

    service: Service
    names: Names

    def find(self, words: Sequence[str], namespace: str, since: float) -> Told:
        space = self.names.namespace or "namespace"
        wanted = "|".join(map(re.escape, words))
        query = f'{{{space}="{namespace}"}} |~ `{wanted}`'
        asked = {"query": query, "start": str(int(since * 1e9)), "limit": str(MOST), "direction": "forward"}
        told = self.service.json("/loki/api/v1/query_range", asked)
        data = (told.data.get("data") or {}) if told.ok and isinstance(told.data, Mapping) else {}
        if told.ok and data.get("resultType") != "streams":
            return Told(WRONG, None, "its answer to a search is not that of Loki", told.status)
        return replace(told, data=list(self._lines(data.get("result") or []))) if told.ok else told

    def _lines(self, streams: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
        pod = self.names.pod or "pod"
        for stream in streams:
            labels = stream.get("stream") or {}
            for entry in stream.get("values") or []:
                text = str(entry[1])
                yield Line(str(labels.get(pod) or labels.get("pod_name") or ""), _object(text), text)

    def kept(self) -> Kept:
        told = self.service.text("/config")
        if not told.ok:
            return Kept(told)
        try:
            config = load(told.data, "Loki's configuration")
        except InputError as exc:
            return Kept(Told(WRONG, None, exc.sentence.rstrip("."), told.status))
        config = config if isinstance(config, Mapping) else {}
        limit = str((config.get("limits_config") or {}).get("retention_period") or "0s")
        if not (config.get("compactor") or {}).get("retention_enabled") or not span_of(limit):
            return Kept(replace(told, data=None))
        return Kept(replace(told, data=span_of(limit)))


@dataclass(frozen=True, slots=True)
class ElasticsearchSearch:
    """Elasticsearch and OpenSearch.

    Sources: Elasticsearch reference, "Search", "Explain lifecycle", "Get lifecycle policy", "Get data streams";
    OpenSearch documentation, "Index State Management", "ISM API".
    """

    service: Service
    names: Names
    index: str = "*"
    opensearch: bool = False

    def find(self, words: Sequence[str], namespace: str, since: float) -> Told:
        space = self.names.namespace or "kubernetes.namespace"
        searched = list(self.names.searched) or ["*"]
        asked = {"query": " OR ".join(f'"{one}"' for one in words), "fields": searched, "lenient": True}
        wanted = [
            {"range": {"@timestamp": {"gte": _iso(since)}}},
            {"match_phrase": {space: namespace}},
            {"query_string": asked},
        ]
        told = self.service.post(f"/{self.index}/_search", {"size": MOST, "query": {"bool": {"filter": wanted}}})
        hits = (told.data.get("hits") or {}).get("hits") if told.ok and isinstance(told.data, Mapping) else None
        if told.ok and not isinstance(hits, list):
            return Told(WRONG, None, "its answer to a search is not that of Elasticsearch", told.status)
        return replace(told, data=[self._line(one.get("_source") or {}) for one in hits or []]) if told.ok else told

    def _line(self, source: Mapping[str, Any]) -> Line:
        pod = self.names.pod or "kubernetes.pod.name"
        names = (pod, "kubernetes.pod_name")
        found = next((text for name in names if (text := _deep(source, name))), "")
        text = str(source.get("message") or source.get("log") or "")
        inner = _object(text)
        return Line(found, {**source, **inner}, text)

    def kept(self) -> Kept:
        return self._ism() if self.opensearch else self._ilm()

    def _ilm(self) -> Kept:
        """Of all indices the shortest time until a phase deletes them; one that nothing deletes is kept."""
        told = self.service.json(f"/{self.index}/_ilm/explain")
        if not told.ok:
            return Kept(told)
        indices = (told.data.get("indices") or {}) if isinstance(told.data, Mapping) else {}
        policies = {str(one["policy"]) for one in indices.values() if one.get("managed") and one.get("policy")}
        spans: list[float] = []
        for name in sorted(policies):
            policy = self.service.json(f"/_ilm/policy/{name}")
            if not policy.ok:
                return Kept(policy)
            phases = ((policy.data.get(name) or {}).get("policy") or {}).get("phases") or {}
            if "delete" in phases:
                spans.append(span_of(str((phases["delete"] or {}).get("min_age") or "0ms")) or 0.0)
        spans += self._streams()
        return Kept(replace(told, data=min(spans) if spans else None))

    def _streams(self) -> list[float]:
        told = self.service.json(f"/_data_stream/{self.index}")
        found = (told.data.get("data_streams") or []) if told.ok and isinstance(told.data, Mapping) else []
        texts = [str((one.get("lifecycle") or {}).get("data_retention") or "") for one in found]
        return [span for text in texts if (span := span_of(text))]

    def _ism(self) -> Kept:
        """Of all indices the shortest age at which a state is reached that deletes them."""
        told = self.service.json(f"/_plugins/_ism/explain/{self.index}")
        if not told.ok:
            return Kept(told)
        rows = told.data.values() if isinstance(told.data, Mapping) else ()
        policies = {str(one["policy_id"]) for one in rows if isinstance(one, Mapping) and one.get("policy_id")}
        spans: list[float] = []
        for name in sorted(policies):
            policy = self.service.json(f"/_plugins/_ism/policies/{name}")
            if not policy.ok:
                return Kept(policy)
            states = ((policy.data.get("policy") or {}).get("states")) or []
            ends = {one.get("name") for one in states if any("delete" in act for act in one.get("actions") or [])}
            moves = [move for one in states for move in one.get("transitions") or [] if move.get("state_name") in ends]
            ages = [str((move.get("conditions") or {}).get("min_index_age") or "") for move in moves]
            spans += [span for text in ages if (span := span_of(text))]
        return Kept(replace(told, data=min(spans) if spans else None))


def searched(kind: str, service: Service, index: str, names: Names) -> Searched:
    """The store of a kind, for searching."""
    if kind == "victoria_logs":
        return VictoriaLogsSearch(service, names)
    if kind == "loki":
        return LokiSearch(service, names)
    return ElasticsearchSearch(service, names, index, kind == "opensearch")


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _deep(source: Mapping[str, Any], name: str) -> str:
    """A field by its path, nested or flat."""
    if name in source:
        return str(source[name])
    found: Any = source
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return str(found) if found is not None else ""
