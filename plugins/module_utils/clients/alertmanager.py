# Alertmanager by its documented HTTP API.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import WRONG, Service, Told

_RELOADED = re.compile(r"(?m)^alertmanager_config_last_reload_successful(?:\{[^}]*\})? ([0-9.e+-]+)\s*$")


class Alertmanager:
    """One server. Sources: Alertmanager documentation, "Management API", and its API v2 (openapi.yaml)."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def ready(self) -> Told:
        """Whether it serves."""
        return self.service.text("/-/ready")

    def status(self) -> Told:
        """``cluster`` (status, peers), ``versionInfo``, and ``config`` (``original``: the loaded text)."""
        told = self.service.json("/api/v2/status")
        if told.ok and not (isinstance(told.data, Mapping) and isinstance(told.data.get("config"), Mapping)):
            return Told(WRONG, None, "its answer is not that of Alertmanager", told.status)
        return told

    def reloaded(self) -> Told:
        """Whether the newest configuration was taken, by its metrics; None where they do not say."""
        told = self.service.text("/metrics")
        found = _RELOADED.search(told.data) if told.ok else None
        return replace(told, data=float(found[1]) == 1 if found else None)

    def alerts(self, name: str) -> Told:
        """The alerts of a name, with ``status`` (state, silencedBy, inhibitedBy, mutedBy) and ``receivers``."""
        return self._alerts({"filter": f'alertname="{name}"'})

    def firing(self) -> Told:
        """All alerts that it holds now, also those that are silenced, inhibited or muted, with ``startsAt``."""
        return self._alerts({})

    def _alerts(self, asked: Mapping[str, str]) -> Told:
        told = self.service.json("/api/v2/alerts", asked)
        if told.ok and not isinstance(told.data, list):
            return Told(WRONG, None, "its answer is not that of Alertmanager", told.status)
        return told

    def send(self, alerts: Sequence[Mapping[str, Any]]) -> Told:
        """Tell it of alerts, as Prometheus does."""
        return self.service.send("/api/v2/alerts", list(alerts))
