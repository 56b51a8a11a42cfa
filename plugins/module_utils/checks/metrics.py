# Judges Prometheus and Grafana: do they serve, what they were told, what they keep, and what they show.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import MetricsFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_shown import judge_grafana
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_store import judge_prometheus
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

CHECKS: Checks[MetricsFacts] = Checks()


@CHECKS.settles("infrastructure.monitoring.prometheus")
def prometheus(facts: MetricsFacts) -> Verdict:
    """The server serves, is of a supported version, took its newest configuration, stores samples, and keeps them."""
    return judge_prometheus(facts)


@CHECKS.settles("infrastructure.monitoring.grafana")
def grafana(facts: MetricsFacts) -> Verdict:
    """Grafana serves, its data source answers through it, and the wanted dashboards are there."""
    return judge_grafana(facts)
