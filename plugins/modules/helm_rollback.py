#!/usr/bin/python
# Rolls a Helm release back to a revision that was good, and keeps the reason.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_rollback
short_description: Roll a Helm release back, and say why when it cannot succeed
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Rolls a release back to its last good revision, to a named revision, or to a version of chart or application.
  - Good is a revision that Helm calls C(deployed) or C(superseded). A failed one is no aim.
  - A release whose present revision was itself made by a rollback is there already, so a second run changes nothing;
    to go further back, name a revision. A rollback that failed is tried again.
  - Waits with its own watching and ends at the first cause that is certain, as M(bytebot.production.helm_release) does.
  - The API server is asked first, object by object, whether it would take the older manifests. An API version that the
    cluster serves no more is told in RV(not_asked).
  - Neither databases nor CRDs go back. RV(runs_before) names what runs ahead of the application (init containers,
    hooks) and is of another image in the other revision, which is where migrations stand.
  - A revision that a killed helm left pending is first marked as failed, where it is sure that nobody works on it.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  name:
    description: Name of the release.
    type: str
    required: true
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  to:
    description: Where to go back to, one of the following. The last good revision where it is not set.
    type: dict
    default: {}
    suboptions:
      revision:
        description: A revision number.
        type: int
      chart_version:
        description: A version of the chart; its newest good revision is taken.
        type: str
      app_version:
        description: A version of the application; its newest good revision is taken.
        type: str
  reason:
    description: Why. It is kept in the description of the new revision.
    type: str
    default: ""
  keep_record:
    description:
      - Whether what the rollback came to is kept, with both revisions and the seconds, in the ConfigMap
        C(bytebot-rollbacks) beside the release. One that had nothing to do is not, nor one that did not wait.
    type: bool
    default: false
  wait:
    description: Wait until every workload, job and claim of the release is ready.
    type: bool
    default: true
  timeout:
    description: Seconds to wait at most. What cannot succeed ends earlier.
    type: int
    default: 600
  crash_restarts:
    description: Restarts after which a crash loop is certain.
    type: int
    default: 3
  grace:
    description: Seconds that a sign of failure must last before it is certain, by cause.
    type: dict
    default: {}
  history_max:
    description: Revisions that Helm keeps.
    type: int
    default: 10
  recover_after:
    description:
      - Seconds after which a pending revision that left no Lease behind, as a helm started by hand does, counts as
        given up. The O(timeout) where it is not set, and never below 30.
    type: int
  binary_path:
    description: The helm program, 3.14 or newer, or 4. The first one on E(PATH) where it is not set.
    type: path
attributes:
  check_mode:
    description: In check mode the revision is chosen and the API server is asked; nothing changes.
    support: full
  diff_mode:
    description: Shows the objects that differ; data of Secrets is masked, changed keys are marked.
    support: full
requirements:
  - helm >= 3.14
  - kubernetes >= 31
  - PyYAML >= 6.0
notes:
  - While it works, it holds the Lease C(bytebot-release-<name>) in the release's namespace (30 s, renewed), so that no
    two modules work on one release. It needs the verbs get, create, update and delete of leases in
    C(coordination.k8s.io).
seealso:
  - module: bytebot.production.helm_release
  - module: bytebot.production.helm_test
"""

EXAMPLES = r"""
- name: Go back to the last good revision
  bytebot.production.helm_rollback:
    name: bytebot
    namespace: bytebot-production
    reason: Logins fail since 1.1.0

- name: See where that would lead
  bytebot.production.helm_rollback:
    name: bytebot
    namespace: bytebot-production
  check_mode: true
  diff: true

- name: Go back to a version of the application
  bytebot.production.helm_rollback:
    name: bytebot
    namespace: bytebot-production
    to:
      app_version: "1.0.0"
"""

RETURN = r"""
why:
  description: Why this revision was chosen.
  returned: when a revision was chosen
  type: str
  sample: it is the last good one
from:
  description: The revision that stood before.
  returned: when a revision was chosen
  type: dict
  contains: &short
    revision: {description: Revision number., type: int, returned: always}
    status: {description: Helm's status., type: str, returned: always, sample: superseded}
    chart_version: {description: Version of the chart., type: str, returned: always}
    app_version: {description: Version of the application., type: str, returned: always}
    images: {description: Images that the workloads name., type: list, elements: str, returned: always}
    updated: {description: When it was deployed., type: str, returned: always}
to:
  description: The revision that is repeated.
  returned: when a revision was chosen
  type: dict
  contains: *short
changes:
  description: Objects that were (or would be) created, changed and deleted.
  returned: when a revision was chosen
  type: dict
  sample: {"created": [], "changed": ["Deployment bytebot-production/bytebot-api"], "deleted": []}
runs_before:
  description: Init containers and hooks of install and upgrade whose image differs between the two revisions.
  returned: when a revision was chosen
  type: list
  elements: dict
  sample: [{"what": "Deployment shop/api init container migrate", "from": "registry/api:2", "to": "registry/api:1"}]
runs_before_told:
  description: The same in words, one line each.
  returned: when a revision was chosen
  type: list
  elements: str
  sample: ["Deployment shop/api init container migrate from registry/api:2 to registry/api:1"]
remarks:
  description: What a rollback does not take back, and which hooks run with it.
  returned: when a revision was chosen
  type: list
  elements: str
not_asked:
  description: Objects about which the API server could not be asked, since it does not serve their kind.
  returned: when a revision was chosen
  type: list
  elements: str
release:
  description: The release as it is now.
  returned: when a revision was chosen
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    namespace: {description: Namespace., type: str, returned: always}
    revision: {description: Revision number., type: int, returned: always}
    status: {description: Helm's status., type: str, returned: always, sample: deployed}
    updated: {description: When it was deployed., type: str, returned: always}
    description: {description: "Helm's words on it, with the reason.", type: str, returned: always}
    chart: {description: Name of the chart., type: str, returned: always}
    chart_version: {description: Version of the chart., type: str, returned: always}
    app_version: {description: Version of the application., type: str, returned: always}
    images: {description: Images that the workloads name., type: list, elements: str, returned: always}
    notes: {description: "The chart's notes, redacted.", type: str, returned: always}
recovered:
  description: The pending revision that was (or would be) marked as failed, with who held the Lease. Null without one.
  returned: when a revision was chosen
  type: dict
  sample: {"revision": 3, "was": "pending-upgrade", "since": "2026-01-02T03:04:05Z", "holder": "1f0c…-4711-9a7b"}
lease:
  description: Whether others were kept out while this worked, and why not where they were not.
  returned: when a revision was chosen
  type: dict
  sample: {"held": true, "why_not": ""}
results:
  description:
    - The control C(deployment.execution.pods) as V(fail), with what prevented the roll-out, as
      M(bytebot.production.workload_check) returns results.
  returned: on failure of the roll-out
  type: list
  elements: dict
failed_controls:
  description: Id of that control.
  returned: on failure of the roll-out
  type: list
  elements: str
causes:
  description: What is certain to prevent the release from running, as M(bytebot.production.helm_release) returns it.
  returned: on failure of the roll-out
  type: list
  elements: dict
waiting:
  description: What was not ready.
  returned: on failure of the roll-out
  type: list
  elements: str
seconds:
  description: Seconds per phase (read, compare, apply, wait).
  returned: when a revision was chosen
  type: dict
helm_processes:
  description: How many helm processes were started; two at most.
  returned: when a revision was chosen
  type: int
api_requests:
  description: How many requests were sent to the Kubernetes API (helm's own not counted).
  returned: when a revision was chosen
  type: int
"""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.watched import not_rolled_out
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    RolloutFailed,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import HelmCli, find_helm
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback import Aim, Return, Rollbacker
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import (
    Rollback,
    Side,
    add,
    shortened,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "to": {
        "type": "dict",
        "default": {},
        "options": {"revision": {"type": "int"}, "chart_version": {"type": "str"}, "app_version": {"type": "str"}},
    },
    "reason": {"type": "str", "default": ""},
    "keep_record": {"type": "bool", "default": False},
    "wait": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 600},
    "crash_restarts": {"type": "int", "default": 3},
    "grace": {"type": "dict", "default": {}},
    "history_max": {"type": "int", "default": 10},
    "recover_after": {"type": "int"},
    "binary_path": {"type": "path"},
}


def aim_of(given: Mapping[str, Any]) -> Aim:
    """The aim that the option ``to`` describes, which is one or none."""
    named = {name: value for name, value in given.items() if value not in (None, "")}
    if len(named) > 1:
        raise InputError(f"to: {' and '.join(sorted(named))} are given; name one of them.")
    if "revision" in named and named["revision"] < 1:
        raise InputError(f"to.revision: {named['revision']} is no revision; they count from 1.")
    return Aim(**named)


def roll_back(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Take the release back."""
    given = module.params
    aim = aim_of(given["to"] or {})
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    patience = Patience.checked(given["timeout"], given["crash_restarts"], given["grace"])
    work = ReleaseWork(
        Cluster(connection, module.tmpdir),
        HelmCli(find_helm(given["binary_path"] or ""), target_of(connection, given["namespace"], module.tmpdir)),
        redactor,
        patience,
        Progress.given(redactor),
        recover_after_s=given["recover_after"],
    )
    rollbacker, began = Rollbacker(work), time.monotonic()
    records = given["keep_record"] and given["wait"] and not module.check_mode
    try:
        outcome = rollbacker.back(
            Return(given["name"], given["namespace"], aim, given["reason"], given["history_max"], wait=given["wait"]),
            check_mode=module.check_mode,
        )
    except (RolloutFailed, TimedOut) as exc:
        exc.details |= results_of([not_rolled_out(exc.sentence, exc.details)], redactor)
        if records:
            _keep(work.cluster, given, rollbacker, redactor, Took(time.monotonic() - began, exc.sentence))
        raise
    if records and outcome["changed"]:
        _keep(work.cluster, given, rollbacker, redactor, Took(time.monotonic() - began))
    return outcome


@dataclass(frozen=True, slots=True)
class Took:
    """How long a rollback took, and why it failed; empty where it did not."""

    seconds: float
    why: str = ""


def _keep(cluster: Cluster, given: Mapping[str, Any], rollbacker: Rollbacker, redactor: Redactor, took: Took) -> None:
    """Keep what it came to. A record that cannot be kept takes nothing back of what was done."""
    left, back_to = rollbacker.pair
    kept = Rollback(
        given["name"],
        time.time(),
        round(took.seconds, 1),
        not took.why,
        Side.of(left),
        Side.of(back_to),
        shortened(redactor.text(took.why)),
        shortened(redactor.text(given["reason"])),
    )
    with contextlib.suppress(CollectionError):
        add(cluster, given["namespace"], kept)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), roll_back)


if __name__ == "__main__":
    main()
