# Grafana by its documented HTTP API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import OK, WRONG, Service, Told

PAGE = 1000  # hits of a search
_MOST_PAGES = 50
_PAIR = 2  # times and values


class Grafana:
    """One server. Source: Grafana documentation, "HTTP API"."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def health(self) -> Told:
        """``database`` and ``version``; nobody signs in for it."""
        return _mapping(self.service.json("/api/health"))

    def sources(self) -> Told:
        """The data sources that this account may see."""
        return _list(self.service.json("/api/datasources"))

    def source(self, uid: str) -> Told:
        """One data source."""
        return _mapping(self.service.json(f"/api/datasources/uid/{quote(uid, safe='')}"))

    def source_health(self, uid: str) -> Told:
        """What the data source's own plugin says of it."""
        return self.service.json(f"/api/datasources/uid/{quote(uid, safe='')}/health")

    def query(self, uid: str, kind: str, expression: str) -> Told:
        """The values that a data source answers to one instant query through Grafana."""
        source = {"uid": uid, "type": kind}
        asked = {"refId": "A", "datasource": source, "expr": expression, "instant": True, "range": False}
        told = self.service.post("/api/ds/query", {"queries": [asked], "from": "now-5m", "to": "now"})
        answer = _result(told.data)
        if told.ok and answer is None:
            return Told(WRONG, None, "its answer to a query is not that of Grafana", told.status)
        if answer and answer.get("error"):
            return Told(
                WRONG, None, f"the data source says: {' '.join(str(answer['error']).split())[:300]}", told.status
            )
        return replace(told, data=_values(answer or {})) if told.ok else told

    def panel_query(self, source: Mapping[str, str], expression: str, *, instant: bool) -> Told:
        """What a panel's query gives over the last minutes: Unix time of the newest value, and how many series."""
        asked: dict[str, Any] = {"refId": "A", "datasource": dict(source), "expr": expression}
        asked |= {"maxDataPoints": 60, "intervalMs": 5000}
        asked |= {"instant": instant, "range": not instant}
        told = self.service.post("/api/ds/query", {"queries": [asked], "from": "now-5m", "to": "now"})
        answer = _result(told.data)
        if answer and answer.get("error"):
            said = " ".join(str(answer["error"]).split())[:300]
            return Told(WRONG, None, f"the data source says: {said}", told.status)
        if told.ok and answer is None:
            return Told(WRONG, None, "its answer to a query is not that of Grafana", told.status)
        return replace(told, data=_newest(answer or {})) if told.ok else told

    def label_values(self, source: Mapping[str, str], metric: str, label: str) -> Told:
        """The values of a label, as a variable of a dashboard offers them."""
        asked: dict[str, Any] = {"refId": "A", "datasource": dict(source), "expr": f"count by ({label}) ({metric})"}
        asked |= {"instant": True, "range": False}
        told = self.service.post("/api/ds/query", {"queries": [asked], "from": "now-5m", "to": "now"})
        answer = _result(told.data)
        if not told.ok or answer is None:
            return told if not told.ok else Told(WRONG, None, "its answer is not that of Grafana", told.status)
        fields = [(frame.get("schema") or {}).get("fields") or [{}] for frame in answer.get("frames") or []]
        found = [str((one[-1].get("labels") or {}).get(label) or "") for one in fields]
        return replace(told, data=sorted({one for one in found if one}))

    def dashboards(self) -> Told:
        """Title and uid of all that this account may see."""
        found: list[Any] = []
        for page in range(1, _MOST_PAGES + 1):
            asked = {"type": "dash-db", "limit": str(PAGE), "page": str(page)}
            told = _list(self.service.json("/api/search", asked))
            if not told.ok:
                return told
            found += told.data
            if len(told.data) < PAGE:
                break
        return Told(OK, [{"uid": str(one.get("uid")), "title": str(one.get("title"))} for one in found])

    def dashboard(self, uid: str) -> Told:
        """One dashboard as it is stored."""
        told = _mapping(self.service.json(f"/api/dashboards/uid/{quote(uid, safe='')}"))
        return replace(told, data=told.data.get("dashboard") or {}) if told.ok else told


def _result(data: Any) -> Mapping[str, Any] | None:
    results = data.get("results") if isinstance(data, Mapping) else None
    found = results.get("A") if isinstance(results, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _newest(answer: Mapping[str, Any]) -> tuple[float, int]:
    """Unix time of the newest value (0 where there is none), and how many series have one."""
    newest, series = 0.0, 0
    for frame in answer.get("frames") or []:
        columns = (frame.get("data") or {}).get("values") or []
        entities = (frame.get("data") or {}).get("entities") or []
        odd = {at for found in (entities[-1] or {}).values() for at in found} if len(entities) >= _PAIR else set()
        if len(columns) < _PAIR:
            continue
        times = [
            at for row, (at, value) in enumerate(zip(columns[0], columns[-1], strict=False))
            if value is not None or row in odd
        ]  # fmt: skip
        newest, series = max([newest, *(one / 1000 for one in times)]), series + bool(times)
    return newest, series


def _values(answer: Mapping[str, Any]) -> list[Any]:
    """The last column of each frame, which holds the values."""
    frames = answer.get("frames") or []
    columns = [((frame.get("data") or {}).get("values") or [[]])[-1] for frame in frames]
    return [value for column in columns for value in column if value is not None]


def _mapping(told: Told) -> Told:
    if told.ok and not isinstance(told.data, Mapping):
        return Told(WRONG, None, "its answer is not that of Grafana", told.status)
    return told


def _list(told: Told) -> Told:
    if told.ok and not (isinstance(told.data, list) and all(isinstance(one, Mapping) for one in told.data)):
        return Told(WRONG, None, "its answer is not that of Grafana", told.status)
    return told
