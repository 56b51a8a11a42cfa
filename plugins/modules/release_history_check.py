#!/usr/bin/python
# Asks what is kept beside a release, helm's history, its rollbacks and drills of backups, and judges a go-live by it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: release_history_check
short_description: Judge a go-live by helm's history of a release, its rollbacks and the drills of its backups
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(go_live.change.rollback_plan), C(go_live.t_minus_2h.backup) and C(go_live.t_zero.deploy), and changes
    nothing.
  - The rollback plan is judged by the record that bytebot.production.helm_rollback keeps beside the release. The newest
    rollback from the version that runs to the newest good version before it must have passed, within
    O(rollback_within). Versions are told apart by chart, application and images. A rollback of another pair is a
    V(fail); where there is none, or what runs is what the newest one led to, it is V(pending). A signature confirms
    what passed.
  - The backup is judged by the record that bytebot.production.restore_drill keeps beside the release. The newest backup
    of the database that was restored must be young enough, and its drill passed.
  - The deployment is judged by helm's own record. The newest revision must be deployed, with the values that were
    judged, and the images that it names must be those that live workloads name and their pods run. It is V(pending)
    outside of the stage that deploys, which O(since) tells.
  - Admission may write another reference. A digest that it adds to a tag or puts in its place must be one that was
    judged. In a pod the place may be that of a mirror, and what a mesh fills in for C(auto) is its own.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description: Name of the Helm release.
    type: str
    required: true
  backup_within:
    description: How old the last backup may be (V(90m), V(2h)). More than V(2h) is told as weaker.
    type: str
    default: 2h
  rollback_within:
    description: How long ago the rollback may be (V(30d), V(90d)). More than V(90d) is told as weaker.
    type: str
    default: 90d
  since:
    description: When the stage began that deploys, as RFC 3339. The deployment is V(pending) without it.
    type: str
    default: ""
  outcome:
    description: What the deployment of that stage came to.
    type: str
    choices: [unchanged, deployed, failed, ""]
    default: ""
  digests:
    description:
      - The digests of the release as it was judged in that stage, as V(deployment_binding) of the role
        P(bytebot.production.deployment#role).
    type: dict
    default: {}
    suboptions:
      chart_digest: {description: Of the chart., type: str, default: ""}
      values_digest: {description: Of the values., type: str, default: ""}
      image_digests: {description: Of the images that run., type: list, elements: str, default: []}
attributes:
  check_mode:
    description: Only reads, so that it does the same in check mode.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
requirements:
  - PyYAML
notes:
  - Needs get on the ConfigMaps of the namespace, and list on its Secrets (or ConfigMaps, as HELM_DRIVER says), its
    workloads and its pods.
seealso:
  - module: bytebot.production.helm_release
  - module: bytebot.production.helm_rollback
  - module: bytebot.production.restore_drill
"""

EXAMPLES = r"""
- name: Judge the last backup before a go-live
  bytebot.production.release_history_check:
    namespace: bytebot-production
    release: bytebot
    only: [go_live.t_minus_2h.backup]

- name: Judge whether one can go back
  bytebot.production.release_history_check:
    namespace: bytebot-production
    release: bytebot
    only: [go_live.change.rollback_plan]

- name: Judge what was deployed at T-0
  bytebot.production.release_history_check:
    namespace: bytebot-production
    release: bytebot
    since: "2026-11-30T09:00:00Z"
    outcome: unchanged
    digests: "{{ deployment_binding }}"
    only: [go_live.t_zero.deploy]
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Its id., type: str, returned: always, sample: go_live.t_zero.deploy}
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
from datetime import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.release_records import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import span
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_records import observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "backup_within": {"type": "str", "default": "2h"},
    "rollback_within": {"type": "str", "default": "90d"},
    "since": {"type": "str", "default": ""},
    "outcome": {"type": "str", "choices": ["unchanged", "deployed", "failed", ""], "default": ""},
    "digests": {
        "type": "dict",
        "default": {},
        "options": {
            "chart_digest": {"type": "str", "default": ""},
            "values_digest": {"type": "str", "default": ""},
            "image_digests": {"type": "list", "elements": "str", "default": []},
        },
    },
}


def look(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read all once, and judge."""
    given: Mapping[str, Any] = module.params
    known_only(given["only"], CHECKS.controls, "release_history_check")
    within, rollback_within = (_above_none(name, given[name]) for name in ("backup_within", "rollback_within"))
    _moment(given["since"])
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    place = (given["namespace"], given["release"])
    facts = observe(cluster, *place, stage=given, within_s=within, rollback_within_s=rollback_within)
    return {"changed": False, **results_of(CHECKS.judge(facts, given["only"]), redactor)}


def _above_none(name: str, text: str) -> float:
    """The seconds of an option, which are some."""
    found = span(name, text)
    if found <= 0:
        raise InputError(f"{name}: {text} is no time above 0.")
    return found


def _moment(text: str) -> None:
    """Refuse what is no time."""
    try:
        aware = not text or datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        aware = False
    if not aware:
        raise InputError(f"since: {text} is no time with an offset (RFC 3339).")


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), look)


if __name__ == "__main__":
    main()
