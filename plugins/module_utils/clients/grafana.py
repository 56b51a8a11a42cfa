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
