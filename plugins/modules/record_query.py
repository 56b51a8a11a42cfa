#!/usr/bin/python
# Asks whatever system keeps a record (change, ticket, training, on-call) by its REST API, and judges what it says.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: record_query
short_description: Judge a record of any REST API, or a file of YAML or JSON, by JMESPath
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Reads one record by a GET of O(url), or from the file O(path), and changes nothing.
  - With O(change) it settles C(go_live.change.request), for which the record must be approved, its window must contain
    this moment, and it must name the version that goes live. A window that is still to come is V(pending).
  - With O(notification) it settles C(go_live.change.stakeholders), for which a message must have been sent before the
    go-live, to all of O(stakeholders), and name the day of O(goes_live_at).
  - With O(controls) it settles controls of your own, each by a query over the record.
  - Examples for ServiceNow, Jira, PagerDuty and GitHub are below. They follow the published descriptions of these APIs,
    and were tried with recorded answers, not with the services themselves.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
  - bytebot.production.services
options:
  url:
    description: Address of the record, whose host is one of O(allowed_hosts). Its query is not shown.
    type: str
  path:
    description: File with the record, in place of an address, for systems that export and cannot be asked.
    type: path
  token_file:
    description: File with a token. It is read on the controller and never shown.
    type: path
  token_variable:
    description: Environment variable with a token, in place of a file.
    type: str
  token_prefix:
    description: What stands before the token in the header C(Authorization). PagerDuty wants V(Token token=).
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
  change:
    description:
      - How the fields of a change record are found, each by a JMESPath query. Without it no change is judged, and
        C(go_live.change.request) is V(pending) where it is asked for.
    type: dict
    suboptions:
      state:
        description: The state of its approval, a text, a number, or true.
        type: str
        required: true
      start:
        description: When its window begins, as ISO 8601 or as seconds or milliseconds since 1970. UTC without a zone.
        type: str
        required: true
      end:
        description: When its window ends.
        type: str
        required: true
      version:
        description: A text, or a list of texts, in which the version stands.
        type: str
        required: true
      approved:
        description: The states that mean that it is approved, in small or capital letters.
        type: list
        elements: str
        default: [approved, scheduled, implement, implementing, in progress]
  notification:
    description:
      - How the fields of the record of a message are found, each by a JMESPath query. Without it no message is judged,
        and C(go_live.change.stakeholders) is V(pending) where it is asked for.
    type: dict
    suboptions:
      sent:
        description: When it was sent, in a form as O(change.start).
        type: str
        required: true
      to:
        description: A text, or a list of texts, each of which is a recipient.
        type: str
        required: true
      text:
        description:
          - A text, or a list of texts, in which the day of the go-live stands. Where it stands there only as one that
            may be another (C(03/04/2026)), it is V(inconclusive); V(2026-04-03) is understood by all.
        type: str
        required: true
  stakeholders:
    description: Recipients that the message must have had. It is V(pending) without any.
    type: list
    elements: str
    default: []
  goes_live_at:
    description: When it goes live (RFC 3339).
    type: str
    default: ""
  controls:
    description:
      - Controls of your own, each as bytebot.production.custom_check takes it, without C(source). Its query sees the
        record.
    type: list
    elements: dict
    default: []
  version:
    description: The version that goes live. That of the release that runs where it is not set.
    type: str
    default: ""
  namespace:
    description: Namespace of the release, where O(version) is not set.
    type: str
    default: ""
  release:
    description: Name of the Helm release, where O(version) is not set.
    type: str
    default: ""
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
  - module: bytebot.production.custom_check
  - module: bytebot.production.document_check
"""

EXAMPLES = r"""
- name: Judge the change of ServiceNow (Table API)
  bytebot.production.record_query:
    url: https://acme.service-now.com/api/now/table/change_request?sysparm_query=number=CHG0030001&sysparm_limit=1
    username: checklist
    password_variable: SERVICENOW_PASSWORD
    change:
      state: result[0].approval
      start: result[0].start_date
      end: result[0].end_date
      version: "[result[0].short_description, result[0].description]"
    version: 1.0.0
    allowed_hosts: [acme.service-now.com]

- name: Judge the change of Jira Service Management (REST API v2)
  bytebot.production.record_query:
    url: https://acme.atlassian.net/rest/api/2/issue/OPS-123
    username: checklist@acme.net
    password_file: /run/secrets/jira-token
    change:
      state: fields.status.name
      start: fields.customfield_10101
      end: fields.customfield_10102
      version: "[fields.summary, fields.fixVersions[].name]"
      approved: [awaiting implementation, implementing]
    version: 1.0.0
    allowed_hosts: [acme.atlassian.net]

- name: Judge that somebody is on call in PagerDuty (REST API v2)
  bytebot.production.record_query:
    url: https://api.pagerduty.com/oncalls?escalation_policy_ids[]=PT20YPA
    token_variable: PAGERDUTY_TOKEN
    token_prefix: "Token token="
    accept: application/vnd.pagerduty+json;version=2
    controls:
      - id: own.on_call.first
        title: Somebody is on call on the first level
        query: "oncalls[?escalation_level == `1`].user.summary"
        expect: {empty: false}
    allowed_hosts: [api.pagerduty.com]

- name: Judge that the release of GitHub is published
  bytebot.production.record_query:
    url: https://api.github.com/repos/acme/bytebot/releases/tags/v1.0.0
    token_file: /run/secrets/github-token
    accept: application/vnd.github+json
    controls:
      - id: own.release.published
        title: The release is published, and no draft
        query: draft
        expect: {equals: false}
    allowed_hosts: [api.github.com]

- name: Judge that the schedule was sent to those who must know
  bytebot.production.record_query:
    url: https://mail.acme.net/api/messages/go-live
    token_variable: MAIL_TOKEN
    notification: {sent: sentDateTime, to: "toRecipients[].emailAddress.address", text: "[subject, bodyPreview]"}
    stakeholders: [stakeholders@acme.net]
    goes_live_at: "2026-12-01T09:00:00+00:00"
    allowed_hosts: [mail.acme.net]

- name: Judge a change record that a system has exported
  bytebot.production.record_query:
    path: /srv/bytebot-docs/change.yml
    change: {state: state, start: window.start, end: window.end, version: version}
    namespace: bytebot-production
    release: bytebot
    allowed_hosts: []
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: go_live.change.request}
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
      description: Thresholds that were judged by and are weaker than the document's, in words.
      type: list
      elements: str
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
    own: {description: "Title, level, stage and remedy of a control of your own.", type: dict, returned: for these}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import filled
from ansible_collections.bytebot.production.plugins.module_utils.argspec_services import SERVICES_ARGS
from ansible_collections.bytebot.production.plugins.module_utils.checks import notification
from ansible_collections.bytebot.production.plugins.module_utils.checks.change_record import (
    APPROVED,
    CHECKS,
    FIELDS,
    REQUEST,
    ChangeFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.notification import (
    STAKEHOLDERS,
    NotificationFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import Own, compiled, judge, once, parse
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Result, errored, utc_now
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_record import RECORD_ARGS, record_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.running_version import versions_of

CHANGE: dict[str, Any] = {
    "type": "dict",
    "options": {
        **{name: {"type": "str", "required": True} for name in FIELDS},
        "approved": {"type": "list", "elements": "str", "default": list(APPROVED)},
    },
}
NOTIFICATION: dict[str, Any] = {
    "type": "dict",
    "options": {name: {"type": "str", "required": True} for name in notification.FIELDS},
}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **SERVICES_ARGS,
    **RECORD_ARGS,
    "change": CHANGE,
    "notification": NOTIFICATION,
    "stakeholders": {"type": "list", "elements": "str", "default": []},
    "goes_live_at": {"type": "str", "default": ""},
    "controls": {"type": "list", "elements": "dict", "default": []},
    "version": {"type": "str", "default": ""},
    "namespace": {"type": "str", "default": ""},
    "release": {"type": "str", "default": ""},
}


def query(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read the record once, and judge all that is asked of it."""
    given = module.params
    controls = _controls(given)
    for name in FIELDS if given["change"] else ():
        compiled(given["change"][name], f"change, {name}")
    for name in notification.FIELDS if given["notification"] else ():
        compiled(given["notification"][name], f"notification, {name}")
    if unknown := sorted(set(given["only"]) - {REQUEST, STAKEHOLDERS, *(one.id for one in controls)}):
        raise InputError(f"only: {', '.join(unknown)} is not settled by what is asked here.")
    source, told = record_of("record", given, given, redactor)
    at = utc_now()
    results = CHECKS.judge(_change(module, source, told, redactor), [REQUEST]) if _wants(given, REQUEST) else []
    if _wants(given, STAKEHOLDERS):
        results += notification.CHECKS.judge(_message(given, source, told))
    own = [one for one in controls if _wants(given, one.id)]
    judged = [_own(one, source, told, at) for one in own]
    answer = results_of([*results, *judged], redactor)
    for result, control in zip(answer["results"][len(results) :], own, strict=True):
        result["own"] = control.told()
    return {"changed": False, **answer}


def _wants(given: Mapping[str, Any], control: str) -> bool:
    if given["only"]:
        return control in given["only"]
    asked = {REQUEST: "change", STAKEHOLDERS: "notification"}.get(control)
    return asked is None or bool(given[asked])


def _controls(given: Mapping[str, Any]) -> list[Own]:
    """Controls of the user's own; where they look is the record."""
    for one in given["controls"]:
        if "source" in one:
            raise InputError(f"controls, {one.get('id')}: source has no place here, since the record is the source.")
    nowhere = {"url": "https://localhost/"}  # as custom_check reads them; it is never asked
    return once(parse([{**one, "source": nowhere} for one in given["controls"]], "controls", ""))


def _change(module: AnsibleModule, source: str, told: Told | None, redactor: Redactor) -> ChangeFacts:
    given = module.params
    if told is None or not given["change"]:
        return ChangeFacts(source, Told() if told else None)
    queries = filled(given["change"], CHANGE)
    found, problem = _found(told, {name: queries[name] for name in FIELDS}, "change")
    cluster = None
    if not given["version"] and given["namespace"]:
        connection = connection_of(given)
        redactor.learn(connection.api_key)
        cluster = Cluster(connection, module.tmpdir)
    versions, why = versions_of(cluster, given["namespace"], given["release"], given["version"])
    return ChangeFacts(source, told, found, problem, tuple(queries["approved"]), versions, why)


def _message(given: Mapping[str, Any], source: str, told: Told | None) -> NotificationFacts:
    if told is None or not given["notification"]:
        return NotificationFacts(source, Told() if told else None)
    found, problem = _found(told, given["notification"], "notification")
    return NotificationFacts(source, told, found, problem, given["goes_live_at"], tuple(given["stakeholders"]))


def _found(told: Told, queries: Mapping[str, str], place: str) -> tuple[dict[str, Any], str]:
    """What each query finds in the record, and why one does not fit it."""
    found: dict[str, Any] = {}
    problem = ""
    for name in queries if told.ok else ():
        try:
            found[name] = compiled(queries[name], f"{place}, {name}").search(told.data)
        except (ValueError, TypeError, RecursionError) as exc:
            problem = f"the query of {name} does not fit the record ({' '.join(str(exc).split())[:200]})"
    return found, problem


def _own(control: Own, source: str, told: Told | None, at: str) -> Result:
    if told is None:
        raise InputError("Nothing says where the record is: give url or path.")
    if not told.ok and told.kind != ABSENT:
        seen = Evidence(source, told.seen(), at)
        return Result(
            control.id, errored(f"It could not be read: {told.cause}.", "Correct where it is.", seen), at, 0.0
        )
    return Result(control.id, judge(control, told.data if told.ok else None, source, at), at, 0.0)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), query)


if __name__ == "__main__":
    main()
