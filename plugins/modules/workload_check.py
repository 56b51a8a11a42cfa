#!/usr/bin/python
# Judges a release as it runs: roll-out, health of its pods, Services that lead somewhere.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: workload_check
short_description: Judge the workloads, pods and Services of a release as they run
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at the live objects of a release once and judges every control that rests on them.
  - Settles C(deployment.execution.pods), C(deployment.execution.services) and C(deployment.health.pods).
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
    description: Name of the Helm release. Its record says which objects are looked at.
    type: str
  selector:
    description: Label selector of the workloads and Services, where the application was not deployed by Helm.
    type: str
  quiet_period:
    description:
      - Seconds that every container must have run without restart. Where one is younger, the rest is waited for.
    type: float
    default: 10.0
  settle_timeout:
    description:
      - Seconds within which every Service must lead to something that answers.
      - Endpoints follow a change a moment later.
    type: float
    default: 5.0
  max_restarts:
    description: Restarts per container that are accepted.
    type: int
    default: 3
  expected_digests:
    description: Image references and the digests that must run. A digest in the reference itself needs no entry.
    type: dict
    default: {}
  expected_objects:
    description:
      - Digests of the objects as chart and values render now, as M(bytebot.production.helm_chart_check) returns them in
        C(objects).
      - Where they are given, a deployed revision of other objects is red in C(deployment.execution.pods).
    type: dict
    default: {}
attributes:
  check_mode:
    description: Nothing is ever changed. In check mode no connection through a Service is tried, so
      C(deployment.execution.services) is V(pending).
    support: full
  diff_mode:
    description: Nothing is ever changed, so there is no difference to show.
    support: none
seealso:
  - module: bytebot.production.helm_release
  - module: bytebot.production.helm_chart_check
"""

EXAMPLES = r"""
- name: Judge the running release
  bytebot.production.workload_check:
    namespace: bytebot-production
    release: bytebot
  register: workload

- name: Judge whether what runs is what chart and values say
  bytebot.production.workload_check:
    namespace: bytebot-production
    release: bytebot
    expected_objects: "{{ chart.objects }}"  # registered from bytebot.production.helm_chart_check

- name: Show what is red
  ansible.builtin.debug:
    msg: "{{ workload.results | selectattr('state', 'in', ['fail', 'error']) | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.execution.pods}
    state:
      description: V(pass), V(fail), V(error), V(inconclusive), V(pending) or V(not_applicable).
      type: str
      returned: always
    summary: {description: One sentence on what was seen., type: str, returned: always}
    remedy: {description: What to do; empty when nothing., type: str, returned: always}
    evidence:
      description: What was asked, when (UTC), the redacted facts, and the SHA-256 of their canonical JSON.
      type: list
      elements: dict
      returned: always
    started: {description: "When judging began, RFC 3339 in UTC.", type: str, returned: always}
    duration_s: {description: Seconds spent., type: float, returned: always}
    level: {description: "V(should) where a red state is advice only.", type: str, returned: always}
    weaker: {description: Thresholds that are weaker than the document's., type: list, elements: str, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
image_digests:
  description: Digests of the images that run, each once; empty while the release is not rolled out.
  returned: always
  type: list
  elements: str
  sample: ["sha256:7d86…"]
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import (
    CLUSTER_ARGS,
    ONLY_ARGS,
    connection_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.release import CHECKS, running_digests
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import RecordUnreadable
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_release import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str"},
    "selector": {"type": "str"},
    "quiet_period": {"type": "float", "default": 10.0},
    "settle_timeout": {"type": "float", "default": 5.0},
    "max_restarts": {"type": "int", "default": 3},
    "expected_digests": {"type": "dict", "default": {}},
    "expected_objects": {"type": "dict", "default": {}},
}


def judge_release(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the release once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "workload_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    cluster = Cluster(connection, module.tmpdir)
    scope = Scope(
        namespace=given["namespace"],
        release=given["release"] or "",
        selector=given["selector"] or "",
        quiet_s=given["quiet_period"],
        settle_s=given["settle_timeout"],
        max_restarts=given["max_restarts"],
        expected_digests=given["expected_digests"],
        expected_objects=given["expected_objects"],
    )
    try:
        facts = observe(cluster, scope, redactor, probe=not module.check_mode, tell=Progress.given(redactor))
    except RecordUnreadable as exc:  # what belongs to the release is not known
        results = CHECKS.pending(exc.sentence, "Put helm's record right first.", given["only"])
        said = results_of(results, redactor)
        return {"changed": False, "api_requests": cluster.requests, "image_digests": [], **said}
    if module.check_mode and not facts.workloads:
        results = CHECKS.pending("The release is not deployed yet, and check mode deploys nothing.", "", given["only"])
    else:
        results = CHECKS.judge(facts, given["only"])
    return {
        "changed": False,
        "api_requests": cluster.requests,
        "image_digests": list(running_digests(facts)),
        **results_of(results, redactor),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_one_of=[("release", "selector")],
        mutually_exclusive=[("release", "selector")],
        supports_check_mode=True,
    )
    run_module(module, judge_release)


if __name__ == "__main__":
    main()
