#!/usr/bin/python
# Judges a cluster and a namespace before anything is deployed: version, access, Helm, resources, storage.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_check
short_description: Judge a cluster before anything is deployed
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at a cluster once and judges its version and nodes, this account's permissions, Helm, the room that is left,
    and its storage classes.
  - Settles C(infrastructure.cluster.version), C(infrastructure.cluster.access), C(infrastructure.cluster.helm),
    C(infrastructure.cluster.resources) and C(infrastructure.cluster.storage), and of the release's namespace
    C(deployment.preparation.namespace), C(deployment.preparation.resources) and C(deployment.preparation.storage).
  - Where a chart is given, the rendered release says which permissions, how much room and which storage classes are
    needed. Without one, the usual kinds, the minimum and the default storage class are judged.
  - Nodes count that are Ready, not cordoned, and without a taint that keeps pods away, unless all pods of the release
    tolerate it.
  - For storage, a scratch claim of each class needed is bound, written and read by a short-lived pod, expanded where
    the class allows it, and removed. The objects bear the label C(bytebot.production/scratch=storage); whatever bears
    it in that namespace from an earlier run is removed first.
  - The namespace must be Active, have its labels, and enforce a Pod Security Standard. A namespace without a
    ResourceQuota is red as advice (level V(should)).
  - The room is that of now, without the minimum that the cluster must offer, and within the namespace's ResourceQuotas
    and LimitRanges.
  - A control that does not hold is a result, not a failure of the module. So is a helm that is missing.
extends_documentation_fragment:
  - bytebot.production.chart
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
  chart:
    description: Folder or archive of the chart; its name in O(repository); or an C(oci://) reference.
    type: path
  values_files:
    description: Values files in their order; a later one wins.
    type: list
    elements: path
    default: []
  values:
    description: Values that win over the files. They reach Helm by standard input, never by argument.
    type: dict
    default: {}
  binary_path:
    description: The helm program, 3.14 or newer, or 4. The first one on E(PATH) where it is not set.
    type: path
  namespace_labels:
    description: Labels that the namespace must have, with their values.
    type: dict
    default: {environment: production}
  minimum_version:
    description: The oldest Kubernetes version that is accepted. Older than V(1.25) is told as weaker than the document.
    type: str
    default: "1.25"
  minimum_cpu:
    description: CPUs that the nodes must offer together, as a Kubernetes quantity. Less than V(16) is told as weaker.
    type: str
    default: "16"
  minimum_memory:
    description:
      - Memory that the nodes must offer together, as a Kubernetes quantity.
      - The document says 32GB, which is V(32G), 32*10^9 bytes. Less is told as weaker.
    type: str
    default: 32G
  probe_image:
    description:
      - Image of the pod that tries a scratch claim; it must have C(sh), and is run as user 65534.
      - Where it is not set, C(infrastructure.cluster.storage) is V(pending).
    type: str
  probe_namespace:
    description:
      - Namespace of the scratch claim, which must be there. Where it is not set, that of the release, or V(default)
        while that is not there yet.
    type: str
  probe_timeout:
    description: Seconds for each storage class to bind, write, read and expand. A certain failure ends it earlier.
    type: float
    default: 120.0
attributes:
  check_mode:
    description: In check mode no scratch claim is made, so C(infrastructure.cluster.storage) is V(pending) unless a
      class is unknown. So is C(deployment.preparation.namespace) while the namespace is not there.
    support: full
  diff_mode:
    description: Nothing stays changed, so there is no difference to show.
    support: none
requirements:
  - helm >= 3.14
  - PyYAML >= 6.0
seealso:
  - module: bytebot.production.helm_chart_check
"""

EXAMPLES = r"""
- name: Judge the cluster before the first deployment
  bytebot.production.cluster_check:
    namespace: bytebot-production
    release: bytebot
    chart: ./helm-chart
    values_files:
      - values-production.yaml
    probe_image: docker.io/library/busybox:1.37
    probe_namespace: default
  register: cluster

- name: Judge what the deployment finds prepared
  bytebot.production.cluster_check:
    namespace: bytebot-production
    release: bytebot
    chart: ./helm-chart
    values_files:
      - values-production.yaml
    only:
      - deployment.preparation.namespace
      - deployment.preparation.resources
      - deployment.preparation.storage

- name: Judge version and access only
  bytebot.production.cluster_check:
    namespace: bytebot-production
    release: bytebot
    only:
      - infrastructure.cluster.version
      - infrastructure.cluster.access
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: infrastructure.cluster.version}
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
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: always
  type: list
  elements: str
digests:
  description: SHA-256 over the chart's files and the merged values; empty where no chart renders.
  returned: always
  type: dict
  sample: {"chart": "77ab…", "values": "9c1e…"}
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import (
    CHART_ARGS,
    CLUSTER_ARGS,
    ONLY_ARGS,
    connection_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_facts import NAMESPACE_LABELS
from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_version import minor_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import quantity
from ansible_collections.bytebot.production.plugins.module_utils.clients.access import Connection
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import HelmCli, chart_path, find_helm
from ansible_collections.bytebot.production.plugins.module_utils.helm.fetch import Chart, Source, chart_of
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.kubeconfig import target_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_cluster import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_claim import Probe
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import take

ARGUMENTS: dict[str, Any] = {
    **CHART_ARGS,
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "chart": {"type": "path"},
    "values_files": {"type": "list", "elements": "path", "default": []},
    "values": {"type": "dict", "default": {}, "no_log": True},  # there may be secrets inside; the rest is put back
    "binary_path": {"type": "path"},
    "namespace_labels": {"type": "dict", "default": dict(NAMESPACE_LABELS)},
    "minimum_version": {"type": "str", "default": "1.25"},
    "minimum_cpu": {"type": "str", "default": "16"},
    "minimum_memory": {"type": "str", "default": "32G"},
    "probe_image": {"type": "str"},
    "probe_namespace": {"type": "str"},
    "probe_timeout": {"type": "float", "default": 120.0},
}


def judge_cluster(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the cluster once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "cluster_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    inline = take(module, "values")
    given["values"] = redactor.data(inline)
    cluster = Cluster(connection, module.tmpdir)
    facts = observe(cluster, lambda: _helm(module, connection), _scope(module, inline), redactor)
    results = results_of(CHECKS.judge(facts, given["only"]), redactor)
    digests = {"chart": "", "values": "", **(facts.rendered.digests if facts.rendered else {})}
    return {"changed": False, "api_requests": cluster.requests, "digests": digests, **results}


def _helm(module: AnsibleModule, connection: Connection) -> HelmCli:
    given = module.params
    return HelmCli(find_helm(given["binary_path"] or ""), target_of(connection, given["namespace"], module.tmpdir))


def _scope(module: AnsibleModule, inline: dict[str, Any]) -> Scope:
    given = module.params
    if minor_of(given["minimum_version"]) is None:
        raise InputError(f"minimum_version {given['minimum_version']} is no version such as 1.25.")
    for name in ("minimum_cpu", "minimum_memory"):
        if quantity(given[name]) is None:
            raise InputError(f"{name} {given[name]} is no Kubernetes quantity such as 16 or 32G.")
    image, missing = given["probe_image"] or "", "it needs a probe, and no probe_image is given."
    place = given["probe_namespace"] or given["namespace"]
    return Scope(
        namespace=given["namespace"],
        release=given["release"],
        chart=_chart(given, module.tmpdir) if given["chart"] else None,
        values=Values.checked(given["values_files"], inline),
        minimum_version=given["minimum_version"],
        minimum_cpu=given["minimum_cpu"],
        minimum_memory=given["minimum_memory"],
        probe=Probe(place, image, given["probe_timeout"]) if image and not module.check_mode else None,
        no_probe="it needs a probe, and check mode sends none." if module.check_mode else missing,
        namespace_labels={str(key): str(value) for key, value in given["namespace_labels"].items()},
        check_mode=module.check_mode,
        only=tuple(given["only"]),
    )


def _chart(given: dict[str, Any], private_dir: str) -> Callable[[HelmCli], Chart]:
    """Brings the chart when helm is known; what can be seen to be wrong is told before anything is asked."""
    source = Source.checked(given)
    if not source.remote:
        chart_path(source.chart)
    return lambda helm: chart_of(source, helm, private_dir)


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_cluster)


if __name__ == "__main__":
    main()
