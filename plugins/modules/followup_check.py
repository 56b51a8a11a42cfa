#!/usr/bin/python
# Judges what people reported, were told and learned since a go-live, as the systems that keep it say.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: followup_check
short_description: Judge tickets, messages and training since a go-live
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(go_live.t_plus_2h.feedback), C(post_go_live.day_support.feedback), C(post_go_live.day_support.issues),
    C(post_go_live.day_support.status) and C(post_go_live.month_process.training).
  - Each record is read once, by a GET of its C(url) or from the file C(path), and nothing is changed. JMESPath queries
    find its entries and their fields.
  - Further pages are asked for by the header C(Link), or by what the record says of its next page, at the same host and
    port only. A page that is not told, or fewer entries than the record counts, are V(error), and no end of it.
  - Each of these controls is signed by a person as well, once this module has found nothing against it.
  - Before its time after the go-live a control is V(pending), with the time from which on it is judged.
  - An entry that does not say what is asked of it makes the control V(inconclusive).
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.results
  - bytebot.production.services
options:
  go_live:
    description: When it went live (RFC 3339). All controls are V(pending) where it is not set.
    type: str
    default: ""
  answer_hours:
    description: Within how many hours somebody answers a ticket.
    type: int
    default: 8
  tickets:
    description: What users reported.
    type: dict
    suboptions: &record
      url:
        description: Address of the record, whose host is one of O(allowed_hosts). Its query is not shown.
        type: str
      path:
        description: File with the record (YAML or JSON), in place of an address.
        type: path
      token_file:
        description: File with a token. It is read on the controller and never shown.
        type: path
      token_variable:
        description: Environment variable with a token, in place of a file.
        type: str
      token_prefix:
        description: What stands before the token in the header C(Authorization).
        type: str
        default: "Bearer "
      username:
        description: User name for basic authentication.
        type: str
      password_file:
        description: File with the password of that user.
        type: path
      password_variable:
        description: Environment variable with that password, in place of a file.
        type: str
      accept:
        description: The header C(Accept).
        type: str
        default: application/json
      fields:
        description:
          - How entries are found, by JMESPath queries. C(list) finds the list in the record, and the others are asked
            of each entry.
          - Of tickets these are C(id), C(severity), C(state), C(opened) and C(answered), of messages C(sent) and C(to),
            of training C(person) and C(day). Each is its own name where it is not given, and C(list) the kind of the
            record.
          - C(next) finds in the record the address of its next page, or a token of it, usually in C(nextPageToken),
            C(next_page) or C(next), and C(total) how many entries there are, usually in C(total). A literal null turns
            one of them off.
          - Times are ISO 8601 or seconds or milliseconds since 1970, in UTC without a zone.
        type: dict
        default: {}
      page_parameter:
        description: Parameter of the query that takes the token of the next page.
        type: str
        default: nextPageToken
      offset_parameter:
        description: >-
          Parameter of the query that takes how many entries were told so far (Jira's C(startAt)), where the record
          tells its C(total) and no next page.
        type: str
        default: ""
      critical:
        description: Severities that are critical, in small or capital letters. Only tickets have some.
        type: list
        elements: str
        default: [critical, blocker, highest, urgent, p0, p1, sev0, sev1, sev-0, sev-1, "1", 1 - critical]
      closed:
        description: States of what is no longer open. Only tickets have some.
        type: list
        elements: str
        default: [closed, resolved, done, fixed, cancelled, canceled]
  messages:
    description: What stakeholders were told.
    type: dict
    suboptions: *record
  training:
    description: Who was trained on operating it, and when.
    type: dict
    suboptions: *record
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - "jmespath >= 1.0 (Python package)"
  - PyYAML
seealso:
  - module: bytebot.production.record_query
  - module: bytebot.production.statement
"""

EXAMPLES = r"""
- name: Judge the tickets of Jira since the go-live
  bytebot.production.followup_check:
    go_live: "2026-10-01T08:00:00Z"
    tickets:
      url: https://acme.atlassian.net/rest/api/2/search?jql=project=BYTE&maxResults=100
      username: checklist@acme.net
      password_file: /run/secrets/jira-token
      offset_parameter: startAt
      fields:
        list: issues
        id: key
        severity: fields.priority.name
        state: fields.status.name
        opened: fields.created
        answered: fields.customfield_10201
    allowed_hosts: [acme.atlassian.net]
    only: [go_live.t_plus_2h.feedback]

- name: Judge who was trained, by a file
  bytebot.production.followup_check:
    go_live: "2026-10-01T08:00:00Z"
    training: {path: /srv/bytebot-docs/training.yml}
    allowed_hosts: []
    only: [post_go_live.month_process.training]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: post_go_live.day_support.issues}
    state: {description: "V(pass), V(fail), V(error), V(inconclusive) or V(pending).", type: str, returned: always}
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
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import SERVICES_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.followup_facts import (
    ANSWER_HOURS,
    CLOSED,
    CRITICAL,
    FIELDS,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_followup import observe
from ansible_collections.bytebot.production.plugins.module_utils.observe_record import RECORD_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_RECORD: dict[str, Any] = {
    "type": "dict",
    "options": {
        **RECORD_ARGS,
        "fields": {"type": "dict", "default": {}},
        "page_parameter": {"type": "str", "default": "nextPageToken"},
        "offset_parameter": {"type": "str", "default": ""},
        "critical": {"type": "list", "elements": "str", "default": list(CRITICAL)},
        "closed": {"type": "list", "elements": "str", "default": list(CLOSED)},
    },
}
ARGUMENTS: dict[str, Any] = {
    **ONLY_ARGS,
    **SERVICES_ARGS,
    "go_live": {"type": "str", "default": ""},
    "answer_hours": {"type": "int", "default": ANSWER_HOURS},
    **dict.fromkeys(FIELDS, _RECORD),
}


def judge_followup(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read each record once, and judge every control that rests on them."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "followup_check")
    if given["answer_hours"] < 1:
        raise InputError(f"answer_hours: {given['answer_hours']} is not a number of hours.")
    facts = observe(given, _RECORD, redactor)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_followup)


if __name__ == "__main__":
    main()
