#!/usr/bin/python
# Puts a fence around a release: labels, network policies, bounds and budgets, computed from the release itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_policy
short_description: Secure the namespace of a release by policies made from the release
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at a release's workloads, Services and Ingresses, computes what its namespace should hold beside it, and
    applies that by server-side apply with the field manager C(bytebot.production).
  - C(network) denies all traffic, and allows DNS, what comes to the release's Services from its own pods, what comes
    from the ingress to Services that an Ingress leads to, metrics, and the servers of O(egress) and of the release's
    own credentials. This collection's short-lived pods, by which credentials are tried, may reach what the release's
    pods may.
  - C(quota) leaves room for the release at its largest, a roll-out and this collection's pods. C(limits) says what a
    container gets that says nothing.
  - C(availability) makes a PodDisruptionBudget for each workload of several replicas that has none, and the autoscalers
    of O(autoscaling) that the chart does not bring.
  - It deletes nothing, and takes no field over that another manager owns.
extends_documentation_fragment:
  - bytebot.production.cluster
options:
  namespace: {description: Namespace of the release., type: str, required: true}
  release: {description: Name of the Helm release., type: str, required: true}
  parts:
    description: What is applied.
    type: list
    elements: str
    choices: [namespace, network, limits, quota, availability]
    default: [namespace, network, limits, quota, availability]
  labels:
    description: Labels of the namespace.
    type: dict
    default:
      environment: production
      pod-security.kubernetes.io/enforce: restricted
      pod-security.kubernetes.io/warn: restricted
  ingress_namespaces:
    description: Namespaces whose pods bring traffic from outside. Needed where an Ingress leads to a Service.
    type: list
    elements: str
    default: []
  monitoring_namespaces:
    description: Namespaces whose pods fetch metrics.
    type: list
    elements: str
    default: []
  metrics_ports:
    description: Ports, by number or name, from which metrics are fetched.
    type: list
    elements: str
    default: []
  dns_namespace: {description: Namespace of the cluster's DNS., type: str, default: kube-system}
  egress:
    description:
      - Whom the release's pods must reach beside what its credentials name.
      - Servers in the cluster that Secrets or ConfigMaps of the release name are found; of others, addresses must be
        given.
    type: list
    elements: dict
    default: []
    suboptions:
      namespace: {description: Namespace of the pods that are reached., type: str}
      cidr: {description: Addresses that are reached., type: str}
      ports: {description: "Ports, by number.", type: list, elements: int, required: true}
  limits: {description: Fields of the LimitRange that win over its defaults., type: dict, default: {}}
  quota: {description: Bounds of the ResourceQuota that win over the computed ones., type: dict, default: {}}
  headroom: {description: By how much the computed bounds exceed what the release can ask., type: float, default: 1.5}
  autoscaling:
    description: Autoscalers that are wanted.
    type: list
    elements: dict
    default: []
    suboptions:
      kind: {description: Kind of the workload., type: str, default: Deployment}
      name: {description: Name of the workload., type: str, required: true}
      minimum: {description: Replicas at least., type: int, required: true}
      maximum: {description: Replicas at most., type: int, required: true}
      cpu: {description: Use of the CPU requests to aim at in percent., type: int, default: 70}
attributes:
  check_mode:
    description: The API server is asked by a dry run, admission included.
    support: full
  diff_mode:
    description: The objects before and after.
    support: full
seealso:
  - module: bytebot.production.kube_apply
  - module: bytebot.production.security_check
"""

EXAMPLES = r"""
- name: Let in and out only what the release needs
  bytebot.production.namespace_policy:
    kubeconfig: ~/.kube/config
    namespace: bytebot-production
    release: bytebot
    ingress_namespaces: [ingress-nginx]
    monitoring_namespaces: [monitoring]
    metrics_ports: ["9090"]
    egress:
      - {cidr: 0.0.0.0/0, ports: [443]}
"""

RETURN = r"""
changes:
  description: What became of each object. In check mode, what would.
  returned: success
  type: dict
  contains:
    created: {description: Objects that were not there., type: list, elements: str, returned: always}
    changed: {description: "Objects that were there, and otherwise.", type: list, elements: str, returned: always}
    deleted: {description: Always empty., type: list, elements: str, returned: always}
    unchanged: {description: Objects that were as wanted., type: list, elements: str, returned: always}
not_asked:
  description: In check mode, objects about which the API server could not be asked.
  returned: success
  type: list
  elements: str
egress:
  description: Whom the release's pods may reach, found or given.
  returned: success
  type: list
  elements: str
  sample: ["namespace database, port 5432"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.apply import Applier
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_policy import observe, peers
from ansible_collections.bytebot.production.plugins.module_utils.policy_objects import objects
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

PARTS = ["namespace", "network", "limits", "quota", "availability"]
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "required": True},
    "parts": {"type": "list", "elements": "str", "choices": PARTS, "default": PARTS},
    "labels": {
        "type": "dict",
        "default": {
            "environment": "production",
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        },
    },
    "ingress_namespaces": {"type": "list", "elements": "str", "default": []},
    "monitoring_namespaces": {"type": "list", "elements": "str", "default": []},
    "metrics_ports": {"type": "list", "elements": "str", "default": []},
    "dns_namespace": {"type": "str", "default": "kube-system"},
    "egress": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "namespace": {"type": "str"},
            "cidr": {"type": "str"},
            "ports": {"type": "list", "elements": "int", "required": True},
        },
        "required_one_of": [("namespace", "cidr")],
        "mutually_exclusive": [("namespace", "cidr")],
    },
    "limits": {"type": "dict", "default": {}},
    "quota": {"type": "dict", "default": {}},
    "headroom": {"type": "float", "default": 1.5},
    "autoscaling": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "kind": {"type": "str", "default": "Deployment"},
            "name": {"type": "str", "required": True},
            "minimum": {"type": "int", "required": True},
            "maximum": {"type": "int", "required": True},
            "cpu": {"type": "int", "default": 70},
        },
    },
}


def secure(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Compute what the namespace should hold, and apply it."""
    given = module.params
    redactor.learn(given["api_key"])
    cluster = Cluster(connection_of(given), module.tmpdir)
    subject = observe(cluster, given)
    tally = Applier(cluster, redactor, check=module.check_mode, force=False).present(objects(subject, given["parts"]))
    return {**tally.result(with_diff=module._diff), "egress": peers(subject.egress)}


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), secure)


if __name__ == "__main__":
    main()
