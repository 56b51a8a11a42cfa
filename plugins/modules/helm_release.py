#!/usr/bin/python
# Installs, upgrades or removes a Helm release, and changes nothing where nothing differs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: helm_release
short_description: Deploy a Helm release, and say why when it cannot succeed
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Installs or upgrades a release from a chart in a folder or an archive, or removes it.
  - Renders the chart once on the server and compares chart, values, manifests, hooks and the live objects
    with what is deployed. Where nothing differs, nothing is done.
  - Fields that the chart sets are the chart's - what somebody else has set there since is overwritten, by Helm 3 and 4.
  - Waits with its own watching and ends at the first cause that is certain (a missing image, a crash loop, a missing
    key, a refused pod, and so on), with the object, the reason, the last log lines, the events and a remedy.
    The causes and their graces are listed in the collection's documentation, C(docs/rollout-causes.md).
  - Data of Secrets is never shown, neither in the result nor in the diff.
  - While it works, it holds the Lease C(bytebot-release-<name>) in the release's namespace (30 s, renewed); another
    module that wants to work on the same release is refused at once, with the holder's name. It needs the verbs get,
    create, update and delete of leases in C(coordination.k8s.io); without them, it works unguarded and says so.
  - A revision that a killed helm left pending is marked as failed, and the work goes on, where it is sure that nobody
    works on it - its holder's Lease has run out, and the record is older than a Lease lasts.
extends_documentation_fragment:
  - bytebot.production.chart
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
  state:
    description:
      - V(present) installs or upgrades the release where anything differs.
      - V(absent) uninstalls it. Its data stays, unless O(keep_data=false), and so does the namespace.
    type: str
    choices: [present, absent]
    default: present
  chart:
    description:
      - Folder or archive of the chart; its name in O(repository); or an C(oci://) reference, with O(version) or with a
        digest (C(oci://host/path@sha256:…)). Required with O(state=present).
      - A chart from the network is fetched once, into a private folder that goes with the task, so that what is
        compared, rendered and deployed are the same bytes. Nothing else reaches the network.
    type: path
  values_files:
    description: Values files in their order; a later one wins. Helm reads them itself, so types mean what Helm says.
    type: list
    elements: path
    default: []
  values:
    description: Values that win over the files. They reach Helm by standard input, never by argument.
    type: dict
    default: {}
  create_namespace:
    description:
      - Create the namespace where it does not exist. No Lease can be held in it before that, which RV(lease) tells.
    type: bool
    default: false
  take_ownership:
    description: Take over objects of the chart that exist already and belong to no release. Needs Helm 3.17.
    type: bool
    default: false
  crd_policy:
    description:
      - V(create) makes the chart's CRDs with the first install where they are missing, V(skip) never does.
      - Helm changes no CRD that is there. Where those of the chart differ from the deployed ones, RV(remarks) says so.
    type: str
    choices: [create, skip]
    default: create
  labels:
    description: Labels of Helm's record of the release. Others that it bears stay.
    type: dict
    default: {}
  rollback_on_failure:
    description:
      - After a failure, go back to the last good revision and wait for it. The task fails all the same, and
        RV(rolled_back) tells what was done. It starts one helm process more.
    type: bool
    default: false
  keep_data:
    description:
      - With O(state=absent), leave the claims of the release, those of its chart and those made from the templates of
        its StatefulSets. V(false) deletes them, and what they hold.
      - A StatefulSet that has its claims deleted with it is refused before anything is done.
    type: bool
    default: true
  wait:
    description: Wait until every workload, job and claim of the release is ready.
    type: bool
    default: true
  timeout:
    description: Seconds to wait at most. What cannot succeed ends earlier.
    type: int
    default: 900
  crash_restarts:
    description: Restarts after which a crash loop is certain.
    type: int
    default: 3
  grace:
    description:
      - Seconds that a sign of failure must last before it is certain, by cause.
      - For example V(unschedulable) with V(300) where a cluster autoscaler needs five minutes.
    type: dict
    default: {}
  history_max:
    description: Revisions that Helm keeps.
    type: int
    default: 10
  description:
    description: Text that Helm stores with the revision.
    type: str
    default: ""
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
    description: In check mode every rendered object is sent with C(dryRun=All), so admission is asked.
    support: full
  diff_mode:
    description: Shows the objects that differ; data of Secrets is masked, changed keys are marked.
    support: full
requirements:
  - helm >= 3.14
  - kubernetes >= 31
  - PyYAML >= 6.0
seealso:
  - module: bytebot.production.helm_chart_check
  - module: bytebot.production.workload_check
"""

EXAMPLES = r"""
- name: Deploy Bytebot
  bytebot.production.helm_release:
    name: bytebot
    namespace: bytebot-production
    chart: ./helm-chart
    values_files:
      - values-production.yaml
    values:
      global:
        imageTag: "1.0.0"
    timeout: 900

- name: See what would change
  bytebot.production.helm_release:
    name: bytebot
    namespace: bytebot-production
    chart: ./helm-chart
    values_files:
      - values-production.yaml
  check_mode: true
  diff: true

- name: Deploy a chart from a registry, pinned, and go back if it fails
  bytebot.production.helm_release:
    name: bytebot
    namespace: bytebot-production
    chart: oci://registry.example.com/charts/bytebot
    version: 1.2.0
    chart_digest: 77ab2f0c3d1e4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2
    rollback_on_failure: true

- name: Remove it and keep its data
  bytebot.production.helm_release:
    name: bytebot
    namespace: bytebot-production
    state: absent
"""

RETURN = r"""
reasons:
  description: Why something was (or would be) changed; empty where nothing differs.
  returned: O(state=present)
  type: list
  elements: str
  sample: ["values differ", "manifests differ"]
changes:
  description: Objects that were (or would be) created, changed and deleted.
  returned: O(state=present), or when a release was removed
  type: dict
  sample: {"created": [], "changed": ["Deployment bytebot-production/bytebot-api"], "deleted": []}
not_asked:
  description: Objects about which the API server could not be asked, because their namespace is not there yet.
  returned: O(state=present)
  type: list
  elements: str
remarks:
  description: What helm leaves to others, such as changed CRDs.
  returned: O(state=present)
  type: list
  elements: str
kept:
  description: Claims that stay (in check mode would stay) after removal.
  returned: O(state=absent)
  type: list
  elements: str
  sample: ["PersistentVolumeClaim shop/data-db-0"]
recovered:
  description: The pending revision that was (or would be) marked as failed, with who held the Lease. Null without one.
  returned: O(state=present), or when a release was removed
  type: dict
  sample: {"revision": 3, "was": "pending-upgrade", "since": "2026-01-02T03:04:05Z", "holder": "1f0c…-4711-9a7b"}
lease:
  description: Whether others were kept out while this worked, and why not where they were not.
  returned: O(state=present), or when a release was removed
  type: dict
  sample: {"held": true, "why_not": ""}
rolled_back:
  description: Whether the release was taken back after the failure, to which revision, and why that one, or why not.
  returned: on failure of the roll-out, with O(rollback_on_failure=true)
  type: dict
  sample: {"done": true, "to": 4, "why": "it is the last good one"}
release:
  description: The release as it is now; in check mode as it would be. Null after removal.
  returned: always
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    namespace: {description: Namespace., type: str, returned: always}
    revision: {description: Revision number., type: int, returned: always}
    status: {description: Helm's status., type: str, returned: always, sample: deployed}
    updated: {description: When it was deployed., type: str, returned: always}
    description: {description: "Helm's words on it.", type: str, returned: always}
    chart: {description: Name of the chart., type: str, returned: always}
    chart_version: {description: Version of the chart., type: str, returned: always}
    app_version: {description: Version of the application., type: str, returned: always}
    images: {description: Images that the workloads name., type: list, elements: str, returned: always}
    notes: {description: "The chart's notes, redacted.", type: str, returned: always}
digests:
  description: SHA-256 of the chart's files, its archive (where it is one), the merged values, the rendered manifest.
  returned: O(state=present), or when a release was removed (without the chart)
  type: dict
  sample: {"chart": "77ab…", "manifest": "3f5a…", "values": "9c1e…"}
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
  description: What is certain to prevent the release from running, each with its remedy.
  returned: on failure of the roll-out
  type: list
  elements: dict
  contains:
    cause: {description: Code of the cause., type: str, returned: always, sample: image_missing}
    object: {description: The object., type: str, returned: always}
    container: {description: The container., type: str, returned: always}
    reason: {description: The reason that Kubernetes gives., type: str, returned: always}
    message: {description: Kubernetes' message., type: str, returned: always}
    sentence: {description: All this in one sentence., type: str, returned: always}
    remedy: {description: What to do., type: str, returned: always}
    log: {description: "The last log lines, redacted.", type: list, elements: str, returned: always}
    events: {description: The last events about it., type: list, elements: str, returned: always}
waiting:
  description: What was not ready.
  returned: on failure of the roll-out
  type: list
  elements: str
seconds:
  description: Seconds per phase (read, render, compare, apply, wait).
  returned: O(state=present), or when a release was removed
  type: dict
helm_processes:
  description: How many helm processes were started.
  returned: O(state=present), or when a release was removed
  type: int
api_requests:
  description: How many requests were sent to the Kubernetes API (helm's own not counted).
  returned: O(state=present), or when a release was removed
  type: int
"""

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CHART_ARGS, CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import HelmCli, find_helm
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Source, chart_of
from ansible_collections.bytebot.production.plugins.module_utils.helm.phases import Phases
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import Wanted, checked_labels
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import take

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **CHART_ARGS,
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "chart": {"type": "path"},
    "values_files": {"type": "list", "elements": "path", "default": []},
    "values": {"type": "dict", "default": {}, "no_log": True},  # there may be secrets inside; the rest is put back
    "create_namespace": {"type": "bool", "default": False},
    "take_ownership": {"type": "bool", "default": False},
    "crd_policy": {"type": "str", "choices": ["create", "skip"], "default": "create"},
    "labels": {"type": "dict", "default": {}},
    "rollback_on_failure": {"type": "bool", "default": False},
    "keep_data": {"type": "bool", "default": True},
    "wait": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 900},
    "crash_restarts": {"type": "int", "default": 3},
    "grace": {"type": "dict", "default": {}},
    "history_max": {"type": "int", "default": 10},
    "description": {"type": "str", "default": ""},
    "recover_after": {"type": "int"},
    "binary_path": {"type": "path"},
}


def deploy(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Bring the release to the wanted state."""
    given = module.params
    redactor.learn(connection_of(given).api_key)
    inline = take(module, "values")
    given["values"] = redactor.data(inline)
    target = target_of(connection_of(given), given["namespace"], module.tmpdir)
    helm, phases = HelmCli(find_helm(given["binary_path"] or ""), target), Phases()
    if given["state"] == "absent":
        return _removed(module, redactor, helm, phases)
    source = Source.checked(given)
    with phases.phase("fetch"):
        chart = chart_of(source, helm, module.tmpdir)
    wanted = Wanted(
        name=given["name"],
        namespace=given["namespace"],
        chart=chart.path,
        values=Values.checked(given["values_files"], inline),
        create_namespace=given["create_namespace"],
        history_max=given["history_max"],
        description=given["description"],
        digests=chart.digests(),
        labels=checked_labels(given["labels"]),
        take_ownership=given["take_ownership"],
        skip_crds=given["crd_policy"] == "skip",
        rollback_on_failure=given["rollback_on_failure"],
    )
    wanted.values.teach(redactor)
    begun = wanted.begin_to_render(helm)  # while what comes after it is loaded
    try:
        return _deployed(module, redactor, helm, phases, (wanted, begun))
    finally:
        helm.forget()


def _deployed(
    module: AnsibleModule,
    redactor: Redactor,
    helm: HelmCli,
    phases: Phases,
    rendering: tuple[Wanted, Callable[[], Any]],
) -> dict[str, Any]:
    from ansible_collections.bytebot.production.plugins.module_utils.checks.watched import not_rolled_out
    from ansible_collections.bytebot.production.plugins.module_utils.errors import RolloutFailed, TimedOut
    from ansible_collections.bytebot.production.plugins.module_utils.helm.deploy import Deployer
    from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of

    wanted, begun = rendering
    deployer = Deployer(_work(module, redactor, helm, phases))
    try:
        return deployer.present(wanted, check_mode=module.check_mode, wait=module.params["wait"], begun=begun)
    except (RolloutFailed, TimedOut) as exc:
        exc.details |= results_of([not_rolled_out(exc.sentence, exc.details)], redactor)
        raise


def _removed(module: AnsibleModule, redactor: Redactor, helm: HelmCli, phases: Phases) -> dict[str, Any]:
    from ansible_collections.bytebot.production.plugins.module_utils.helm.remove import Remover

    given = module.params
    return Remover(_work(module, redactor, helm, phases)).absent(
        given["name"], given["namespace"], keep_data=given["keep_data"], check_mode=module.check_mode
    )


def _work(module: AnsibleModule, redactor: Redactor, helm: HelmCli, phases: Phases) -> Any:
    from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
    from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
    from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress
    from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience

    given = module.params
    return ReleaseWork(
        Cluster(connection_of(given), module.tmpdir),
        helm,
        redactor,
        Patience.checked(given["timeout"], given["crash_restarts"], given["grace"]),
        Progress.given(redactor),
        recover_after_s=given["recover_after"],
        phases=phases,
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_if=[("state", "present", ["chart"])],
        supports_check_mode=True,
    )
    run_module(module, deploy)


if __name__ == "__main__":
    main()
