#!/usr/bin/python
# Runs the tests that a Helm chart brings along, and tells how each ended.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_test
short_description: Run the tests of a Helm release, with the log of what failed
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Runs the tests of a deployed release (hooks C(helm.sh/hook=test)), and tells of each how it ended and how long it
    took.
  - A test that cannot succeed, as with a missing image or key, ends early with its cause. The log of a failed test is
    read while its pod is there, and shown without secrets.
  - Helm deletes what a test made as the chart says (C(helm.sh/hook-delete-policy)); where a test is ended early, this
    module does what helm then leaves undone.
  - Never changed. A test is a question, and the release stays as it is; RV(tests[].left) tells which pods the chart
    lets stay.
  - A release without a test is an error, since nothing would be asked.
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
  tests:
    description: Names of the tests to run. All of them where it is empty.
    type: list
    elements: str
    default: []
  skip_tests:
    description: Names of the tests to leave out.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that one test may take. What cannot succeed ends earlier.
    type: int
    default: 300
  crash_restarts:
    description: Restarts after which a crash loop is certain.
    type: int
    default: 3
  grace:
    description: Seconds that a sign of failure must last before it is certain, by cause.
    type: dict
    default: {}
  binary_path:
    description: The helm program, 3.14 or newer, or 4. The first one on E(PATH) where it is not set.
    type: path
attributes:
  check_mode:
    description: In check mode no test runs; RV(tests) names those that would, as V(not_run).
    support: full
  diff_mode:
    description: A test changes nothing.
    support: none
requirements:
  - helm >= 3.14
  - kubernetes >= 31
  - PyYAML >= 6.0
notes:
  - While it works, it holds the Lease C(bytebot-release-<name>), as M(bytebot.production.helm_release) does.
seealso:
  - module: bytebot.production.helm_release
"""

EXAMPLES = r"""
- name: Run all tests of the release
  bytebot.production.helm_test:
    name: bytebot
    namespace: bytebot-production

- name: Run one of them
  bytebot.production.helm_test:
    name: bytebot
    namespace: bytebot-production
    tests:
      - bytebot-smoke
    timeout: 60
"""

RETURN = r"""
revision:
  description: The revision that was tested.
  returned: when the release has such tests
  type: int
tests:
  description: The chosen tests. Helm runs them one by one, and runs no more after one that fails.
  returned: when the release has such tests
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str, returned: always}
    kind: {description: "Pod or Job.", type: str, returned: always}
    state: {description: "V(passed), V(failed) or V(not_run).", type: str, returned: always}
    seconds: {description: "From start to end, as helm recorded it; null where it did not end by itself.", type: float,
              returned: always}
    log: {description: "The last lines of a failed one, redacted.", type: list, elements: str, returned: always}
    why_no_log: {description: Why a failed one has no log., type: str, returned: always}
    left: {description: Whether its pod or Job is still there., type: bool, returned: always}
causes:
  description: What was certain to prevent a test from running, as M(bytebot.production.helm_release) returns it.
  returned: when a test was ended early
  type: list
  elements: dict
lease:
  description: Whether others were kept out while this worked, and why not where they were not.
  returned: when the release has such tests
  type: dict
  sample: {"held": true, "why_not": ""}
seconds:
  description: Seconds per phase (read, test).
  returned: when the release has such tests
  type: dict
helm_processes:
  description: How many helm processes were started; one at most.
  returned: when the release has such tests
  type: int
api_requests:
  description: How many requests were sent to the Kubernetes API (helm's own not counted).
  returned: when the release has such tests
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import HelmCli, find_helm
from ansible_collections.bytebot.production.plugins.module_utils.helm.trial import Examiner, Selection
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "tests": {"type": "list", "elements": "str", "default": []},
    "skip_tests": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 300},
    "crash_restarts": {"type": "int", "default": 3},
    "grace": {"type": "dict", "default": {}},
    "binary_path": {"type": "path"},
}


def test_release(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Run the chosen tests."""
    given = module.params
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    work = ReleaseWork(
        Cluster(connection, module.tmpdir),
        HelmCli(find_helm(given["binary_path"] or ""), target_of(connection, given["namespace"], module.tmpdir)),
        redactor,
        Patience.checked(given["timeout"], given["crash_restarts"], given["grace"]),
        Progress.given(redactor),
    )
    selection = Selection(tuple(given["tests"]), tuple(given["skip_tests"]))
    return Examiner(work).test(given["name"], given["namespace"], selection, check_mode=module.check_mode)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), test_release)


if __name__ == "__main__":
    main()
