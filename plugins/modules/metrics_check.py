#!/usr/bin/python
# Judges Prometheus and Grafana: what they serve, were told, keep and show.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics_check
short_description: Judge Prometheus and Grafana
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Prometheus and Grafana by their HTTP APIs, and changes nothing.
  - Settles C(infrastructure.monitoring.prometheus) and C(infrastructure.monitoring.grafana).
  - Of Prometheus it judges that it is ready, its version, whether it took its newest configuration, that it stores
    samples now (a server whose volume is full stores none), the room on its volume where O(prometheus.volume) is named,
    and how long it keeps metrics.
  - Of Grafana it judges its health, a query that the data source answers through Grafana, and that each of
    O(dashboards) is there and has panels.
  - What is not said, and what the account may not read, makes a control V(pending), and the summary names it.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.grafana
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
options:
  minimum_version:
    description: Oldest version of Prometheus. One below V(2.53) is told as weaker.
    type: str
    default: "2.53"
  retention:
    description:
      - How long Prometheus must keep metrics, as it writes a length of time (V(15d), V(36h)). Less than V(15d) is told
        as weaker.
    type: str
    default: 15d
  newest_sample:
    description: How old the newest sample may be.
    type: str
    default: 5m
  room:
    description: Share of the volume that must be free, where O(prometheus.volume) is named.
    type: float
    default: 0.1
  dashboards:
    description: Dashboards that must be there, by title or uid.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
seealso:
  - module: bytebot.production.alerting_check
  - module: bytebot.production.log_check
"""

EXAMPLES = r"""
- name: Judge Prometheus and Grafana
  bytebot.production.metrics_check:
    prometheus:
      url: https://prometheus.example.net
      username: checklist
      password_file: /run/secrets/prometheus-password
      volume: monitoring/prometheus-data
    grafana:
      url: https://grafana.example.net
      token_variable: GRAFANA_TOKEN
    dashboards: [Bytebot Overview, Bytebot Performance]
    allowed_hosts: [prometheus.example.net, grafana.example.net]
    retention: 30d
  register: metrics

- name: Stop where one of them is not as wanted
  ansible.builtin.assert:
    that: metrics.failed_controls | length == 0
    fail_msg: "{{ metrics.results | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.prometheus}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always}
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    level:
      description: V(should) where the finding is advice and shuts no gate, else V(must).
      type: str
      returned: always
    weaker:
      description: Thresholds that were judged by and are weaker than the usual ones, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    SERVICES_ARGS,
    service_args,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import (
    USUAL_RETENTION,
    USUAL_ROOM,
    USUAL_VERSION,
    MetricsWanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span, wanted_version
from ansible_collections.bytebot.production.plugins.module_utils.clients.grafana import Grafana
from ansible_collections.bytebot.production.plugins.module_utils.clients.prometheus import Prometheus
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_metrics import (
    facts_of,
    look_at_grafana,
    look_at_prometheus,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "prometheus": service_args(volume={"type": "str"}),
    "grafana": service_args(data_source={"type": "str"}),
    "minimum_version": {"type": "str", "default": USUAL_VERSION},
    "retention": {"type": "str", "default": USUAL_RETENTION},
    "newest_sample": {"type": "str", "default": "5m"},
    "room": {"type": "float", "default": USUAL_ROOM},
    "dashboards": {"type": "list", "elements": "str", "default": []},
}
PROMETHEUS = "infrastructure.monitoring.prometheus"
GRAFANA = "infrastructure.monitoring.grafana"


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask both once, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "metrics_check")
    wanted = _wanted(given)
    volume = (given["prometheus"] or {}).get("volume") or ""
    if volume and volume.count("/") != 1:
        raise InputError(f"prometheus.volume: {volume!r} is not of the form namespace/name.")
    judged = given["only"] or CHECKS.controls
    prometheus = service_of("prometheus", given, redactor) if PROMETHEUS in judged else None
    grafana = service_of("grafana", given, redactor) if GRAFANA in judged else None
    facts = facts_of(
        look_at_prometheus(Prometheus(prometheus), volume) if prometheus else None,
        look_at_grafana(Grafana(grafana), given["grafana"]["data_source"] or "", wanted.dashboards)
        if grafana
        else None,
        wanted,
    )
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _wanted(given: dict[str, Any]) -> MetricsWanted:
    wanted_version("minimum_version", given["minimum_version"])
    span("retention", given["retention"])
    if not 0 <= given["room"] < 1:
        raise InputError(f"room {given['room']} is no share; 0.1 stands for 10 %.")
    return MetricsWanted(
        given["minimum_version"],
        given["retention"],
        span("newest_sample", given["newest_sample"]),
        given["room"],
        tuple(given["dashboards"]),
    )


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
