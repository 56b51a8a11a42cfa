#!/usr/bin/python
# Judges the registers for emergencies: who is called, how urgent what is, who is called next, and what others are told.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: contact_check
short_description: Judge the registers of contacts and of escalation
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles the controls C(emergency.contacts.*) and C(emergency.escalation.*) by two registers, which are data in YAML.
  - The register of contacts has, for each of C(operations), C(development), C(security) and C(infrastructure), a person
    and a deputy, each with channels (C(phone), C(pager), C(sms), C(on_call), C(email), C(chat)) of which one reaches
    them at once, and the day on which the contact was last confirmed. One person may not stand for all four.
  - The register of escalation has C(severities), each with a meaning and the times after which somebody responds and
    the next one is called, and what executives and customers are told.
  - The severities are compared with those that the routes of Alertmanager and the rules of Prometheus have. Without
    O(alertmanager) that control is V(pending); without O(prometheus) the routes alone are compared.
  - Nobody is called. Numbers and addresses stay out of the evidence.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.alertmanager
  - bytebot.production.prometheus
  - bytebot.production.results
  - bytebot.production.services
options:
  contacts:
    description: The register of contacts, as a path of a file or as data. Its controls are V(pending) without it.
    type: raw
  escalation:
    description: The register of escalation, as a path of a file or as data. Its controls are V(pending) without it.
    type: raw
  folder:
    description: Folder that paths of registers are in.
    type: path
  max_age:
    description: Days since a contact was confirmed, or the register reviewed. More than V(90) is told as weaker.
    type: int
    default: 90
  severity_label:
    description: Name of the label that holds the severity of an alert.
    type: str
    default: severity
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
  - module: bytebot.production.alerting_check
  - module: bytebot.production.document_check
"""

EXAMPLES = r"""
- name: Judge the registers of a checkout
  bytebot.production.contact_check:
    folder: /srv/bytebot-docs
    contacts: people/contacts.yml
    escalation: people/escalation.yml
    alertmanager: {url: https://alertmanager.bytebot.com}
    prometheus: {url: https://prometheus.bytebot.com}
    allowed_hosts: [alertmanager.bytebot.com, prometheus.bytebot.com]

- name: Judge contacts that the inventory itself says
  bytebot.production.contact_check:
    contacts:
      contacts:
        operations:
          title: Operations Team Lead
          confirmed: 2026-11-01
          person: {name: Ines Okafor, phone: "+44 20 7946 0101", email: ines@bytebot.com}
          deputy: {name: Paul Lindqvist, pager: paul}
    allowed_hosts: []
    only: [emergency.contacts.operations]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: emergency.contacts.operations}
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

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import ONLY_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import (
    ALERTMANAGER_ARGS,
    PROMETHEUS_ARGS,
    SERVICES_ARGS,
    service_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts import CHECKS, SEVERITIES
from ansible_collections.bytebot.production.plugins.module_utils.checks.contacts_facts import (
    CONFIRMED_AGE,
    ContactFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.alert_rules import alert_rules
from ansible_collections.bytebot.production.plugins.module_utils.clients.alertmanager import Alertmanager
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.registers import register_of

ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **ALERTMANAGER_ARGS,
    **PROMETHEUS_ARGS,
    "contacts": {"type": "raw"},
    "escalation": {"type": "raw"},
    "folder": {"type": "path"},
    "max_age": {"type": "int", "default": CONFIRMED_AGE},
    "severity_label": {"type": "str", "default": "severity"},
}


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read the registers, ask once for what they have to fit, and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "contact_check")
    if given["max_age"] < 1:
        raise InputError(f"max_age: {given['max_age']} is not a number of days.")
    asked = not given["only"] or SEVERITIES in given["only"]
    facts = ContactFacts(
        register_of("contacts", given),
        register_of("escalation", given),
        _routes(given, redactor) if asked else None,
        _rules(given, redactor) if asked else None,
        given["severity_label"],
        given["max_age"],
        datetime.now(UTC).date(),
    )
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _routes(given: Mapping[str, Any], redactor: Redactor) -> Told | None:
    """The text of the loaded configuration; it leaves neither this module nor memory."""
    service = service_of("alertmanager", given, redactor)
    if service is None:
        return None
    told = Alertmanager(service).status()
    return replace(told, data=str((told.data.get("config") or {}).get("original") or "")) if told.ok else told


def _rules(given: Mapping[str, Any], redactor: Redactor) -> Told | None:
    service = service_of("prometheus", given, redactor)
    return alert_rules(service, given["severity_label"]) if service else None


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), examine)


if __name__ == "__main__":
    main()
