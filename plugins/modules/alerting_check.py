#!/usr/bin/python
# Judges Alertmanager: it serves, and sends the alerts of each severity to somebody.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: alerting_check
short_description: Judge Alertmanager and its routes
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Asks Alertmanager by its HTTP API, and changes nothing. It sends no alert.
  - Settles C(infrastructure.monitoring.alertmanager).
  - It judges that Alertmanager is ready and its cluster whole, that it took its newest configuration, and that an alert
    of each of O(severities) comes to a receiver that notifies somebody. The routes of the loaded configuration are
    followed as Alertmanager follows them, with matchers in all their forms, C(continue), and what routes inherit.
  - A receiver without any integration notifies nobody. Where all routes of a severity are muted at times, that is
    V(fail) of level V(should).
  - Whether notifications arrive is not seen here.
extends_documentation_fragment:
  - bytebot.production.alertmanager
  - bytebot.production.results
  - bytebot.production.services
options:
  minimum_version:
    description: Oldest version of Alertmanager. One below V(0.25) is told as weaker.
    type: str
    default: "0.25"
  severities:
    description: Severities whose alerts must reach somebody.
    type: list
    elements: str
    default: [critical, warning]
  severity_label:
    description: Name of the label that holds the severity.
    type: str
    default: severity
  labels:
    description: Labels that the alerts bear beside their severity, since routes may ask for them.
    type: dict
    default: {}
  receivers:
    description:
      - By severity, the name of the receiver that its alerts must come to. Where none is named for a severity, any that
        notifies somebody will do, the one for all others too.
    type: dict
    default: {}
  peers:
    description: How many Alertmanagers must know each other.
    type: int
    default: 1
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - PyYAML
seealso:
  - module: bytebot.production.metrics_check
"""

EXAMPLES = r"""
- name: Judge Alertmanager
  bytebot.production.alerting_check:
    alertmanager:
      url: https://alertmanager.example.net
      token_file: /run/secrets/alertmanager-token
    severities: [critical, warning, info]
    receivers: {critical: pager}
    labels: {namespace: bytebot-production}
    peers: 3
    allowed_hosts: [alertmanager.example.net]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: infrastructure.monitoring.alertmanager}
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
from ansible_collections.bytebot.production.plugins.module_utils.checks.alerting import (
    CHECKS,
    SEVERITIES,
    USUAL_VERSION,
    AlertingFacts,
    AlertingWanted,
    AlertmanagerSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import wanted_version
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "alertmanager": service_args(),
    "minimum_version": {"type": "str", "default": USUAL_VERSION},
    "severities": {"type": "list", "elements": "str", "default": list(SEVERITIES)},
    "severity_label": {"type": "str", "default": "severity"},
    "labels": {"type": "dict", "default": {}},
    "receivers": {"type": "dict", "default": {}},
    "peers": {"type": "int", "default": 1},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Ask once, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "alerting_check")
    wanted_version("minimum_version", given["minimum_version"])
    if not given["severities"]:
        raise InputError("severities: name at least one severity whose alerts must reach somebody.")
    wanted = AlertingWanted(
        given["minimum_version"],
        tuple(given["severities"]),
        {name: str(value) for name, value in given["labels"].items()},
        given["severity_label"],
        {name: str(value) for name, value in given["receivers"].items()},
        given["peers"],
    )
    service = service_of("alertmanager", given, redactor)
    facts = AlertingFacts(_look(Alertmanager(service)) if service else None, wanted)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _look(server: Alertmanager) -> AlertmanagerSeen:
    """Where it is not there at all, nothing more is asked."""
    ready = server.ready()
    if ready.kind == "silent":
        return AlertmanagerSeen(server.service.url, ready)
    return AlertmanagerSeen(server.service.url, ready, server.status(), server.reloaded())


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
