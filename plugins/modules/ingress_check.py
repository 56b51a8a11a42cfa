#!/usr/bin/python
# Examines the Ingresses of a release: what they publish, where their hosts lead, and what answers at the health route.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: ingress_check
short_description: Examine the Ingresses of a release
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Reads the Ingresses of a namespace and what they name, and settles V(deployment.execution.ingress),
    V(infrastructure.ingress.load_balancer), V(infrastructure.ingress.certificate), V(infrastructure.ingress.dns) and
    V(infrastructure.ingress.health_endpoint).
  - Their class exists and is the wanted one; every wanted host has a rule, and a TLS Secret of type
    V(kubernetes.io/tls); every path leads to a Service and port that exist; a controller has published an address;
    and no other Ingress claims the same or a more precise path on the same host.
  - Every host leads to nothing but the published address, asked inside by the name server that a short-lived pod in the
    namespace is given, and outside by this machine's or by O(outside_resolver). A view that differs on purpose is
    stated by O(inside_addresses) and O(outside_addresses).
  - The health route answers each time by the public path, no Service publishes backends that are not ready, every
    container with a port has a readiness probe, and no pod that is not ready stays in rotation. Where all backends are
    well, a pod that never becomes ready shows it, where O(stand_in) permits one; else the control is V(pending).
  - For each host something answers at the published address, with a certificate that verifies, lasts and has a large
    enough key, in TLS 1.2 and newer alone. Where the Services of all namespaces may be listed, the one with that
    address has ready endpoints; where cert-manager is there, its Certificates of these Secrets are ready.
  - Of a TLS Secret only type and certificate are kept.
  - What is wrong does not fail the task. It stands in RV(results) and RV(failed_controls).
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.probe
  - bytebot.production.results
  - bytebot.production.results.attributes
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  selector:
    description: Label selector of the Ingresses to judge. All of the namespace where it is empty.
    type: str
    default: ""
  hosts:
    description: Hosts that must be published.
    type: list
    elements: str
    required: true
  tls:
    description: Whether every host needs a TLS Secret.
    type: bool
    default: true
  ingress_class:
    description: The class that the Ingresses must have. Any class that exists where it is not set.
    type: str
  settle_timeout:
    description: Seconds to wait for the address of a new Ingress, where nothing else is wrong.
    type: float
    default: 10.0
  inside_addresses:
    description: Addresses, or names, to which the hosts lead inside, where these are not the published ones.
    type: list
    elements: str
    default: []
  outside_addresses:
    description: Addresses, or names, to which the hosts lead outside, where these are not the published ones.
    type: list
    elements: str
    default: []
  outside_resolver:
    description:
      - Name server to ask outside, as an address with or without a port. It is asked over TCP.
      - Where it is not set, this machine's own counts.
    type: str
  base_url:
    description: Address under which the application is published. Without it the health route is not asked.
    type: str
  health_path:
    description: The route that the load balancer asks to see whether a backend is well.
    type: str
    default: /health/ready
  allowed_hosts:
    description: Host names that may be asked by HTTP; any other is refused before anything is sent.
    type: list
    elements: str
    default: []
  ca_file:
    description: CA certificates to trust, in PEM form. Where it is not set, the public CAs are trusted.
    type: path
  resolve:
    description: Addresses to connect to by host name, for the health route. They say nothing of DNS.
    type: dict
    default: {}
  timeout:
    description: Seconds that one request to the health route, or one connection, may take.
    type: float
    default: 5.0
  expiry_days:
    description:
      - Days that the certificate must still be valid, or a third of its life where that is less.
      - The default is when certificates of 90 days are renewed, see U(https://letsencrypt.org/docs/integration-guide/).
    type: int
    default: 30
  stand_in:
    description:
      - Whether the pod that asks for names may bear the labels by which the Service behind the Ingress finds its pods.
        It never becomes ready, so that a sound cluster sends it nothing; that it does not is what is seen.
      - Only where the Service's pods are a Deployment's, which leaves such a pod alone, and where O(probe_namespace) is
        the namespace of the release.
    type: bool
    default: true
attributes:
  check_mode:
    description: Only reads, and makes no pod, so that what is asked inside is V(pending). Where no Ingress is there
      yet, all is V(pending) in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
requirements:
  - "cryptography >= 43 (Python package)"
  - "requests >= 2.32 (Python package)"
notes:
  - Needs the verbs list on Ingresses, Services, EndpointSlices and Pods and get on the TLS Secrets in the namespace,
    and list on IngressClasses and on the Ingresses of all namespaces; where cert-manager is there, list on its
    Certificates in the namespace. What may not be read makes the state V(error),
    and the summary names it.
seealso:
  - module: bytebot.production.health_probe
"""

EXAMPLES = r"""
- name: Examine the Ingress of the release
  bytebot.production.ingress_check:
    namespace: bytebot-production
    hosts: [api.bytebot.com]
    ingress_class: nginx
    base_url: https://api.bytebot.com
    allowed_hosts: [api.bytebot.com]
    probe_image: docker.io/library/busybox:1.37
    outside_resolver: 9.9.9.9
  register: ingress

- name: Stop where it is not as wanted
  ansible.builtin.assert:
    that: ingress.failed_controls | length == 0
    fail_msg: "{{ ingress.results | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One result per judged control.
  returned: success
  type: list
  elements: dict
  contains:
    control: {description: Id of the control., type: str, returned: always, sample: deployment.execution.ingress}
    state: {description: "V(pass), V(fail), V(error) or V(pending).", type: str, returned: always, sample: pass}
    summary: {description: "What was seen, with the numbers.", type: str, returned: always}
    remedy: {description: What to do now; empty when nothing., type: str, returned: always}
    evidence:
      description: The observations that the result rests on, redacted.
      type: list
      elements: dict
      returned: always
      contains:
        source: {description: What was asked., type: str, returned: always}
        observed_at: {description: When (UTC; RFC 3339)., type: str, returned: always}
        observed: {description: The facts that came back., type: raw, returned: always}
        sha256: {description: Over the canonical JSON of the facts., type: str, returned: always}
    started: {description: When judging began (UTC; RFC 3339)., type: str, returned: always}
    duration_s: {description: Seconds spent judging., type: float, returned: always}
    level: {description: "V(should) where a red state is advice only.", type: str, returned: always}
    weaker: {description: Thresholds that are weaker than the document's., type: list, elements: str, returned: always}
failed_controls:
  description: Ids of the controls in state V(fail) or V(error).
  returned: success
  type: list
  elements: str
  sample: [deployment.execution.ingress]
"""

from dataclasses import replace
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import PROBE_ARGS, not_negative, probe_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import (
    CHECKS,
    IngressFacts,
    Wanted,
    published,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_entry import EntrySeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_health import HealthSeen
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http
from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_dns import Asking, look_at_names
from ansible_collections.bytebot.production.plugins.module_utils.observe_entry import EntryAsking, look_at_entry
from ansible_collections.bytebot.production.plugins.module_utils.observe_ingress import (
    ingress_facts,
    look_at_health,
    settled_facts,
    stand_in_labels,
    taken_in,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **PROBE_ARGS,
    "namespace": {"type": "str", "required": True},
    "selector": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "tls": {"type": "bool", "default": True},
    "ingress_class": {"type": "str"},
    "settle_timeout": {"type": "float", "default": 10.0},
    "inside_addresses": {"type": "list", "elements": "str", "default": []},
    "outside_addresses": {"type": "list", "elements": "str", "default": []},
    "outside_resolver": {"type": "str"},
    "base_url": {"type": "str"},
    "health_path": {"type": "str", "default": "/health/ready"},
    "allowed_hosts": {"type": "list", "elements": "str", "default": []},
    "ca_file": {"type": "path"},
    "resolve": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 5.0},
    "expiry_days": {"type": "int", "default": 30},
    "stand_in": {"type": "bool", "default": True},
}
DNS = "infrastructure.ingress.dns"
HEALTH = "infrastructure.ingress.health_endpoint"
ENTRY = ("infrastructure.ingress.load_balancer", "infrastructure.ingress.certificate")


def examine(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Read and judge."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "ingress_check")
    if not given["hosts"]:
        raise InputError("hosts: name at least one host that must be published.")
    not_negative(given, "probe_timeout", "expiry_days")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    wanted = Wanted(tuple(given["hosts"]), given["tls"], given["ingress_class"] or "")
    cluster = Cluster(connection, module.tmpdir)
    place = {"namespace": given["namespace"], "selector": given["selector"]}
    facts = settled_facts(partial(ingress_facts, cluster, redactor, wanted, **place), given["settle_timeout"])
    if module.check_mode and not facts.ours:
        results = CHECKS.pending("No Ingress is there yet, and check mode deploys nothing.", "", given["only"])
    else:
        results = CHECKS.judge(_asked(module, cluster, facts), given["only"])
    return {"changed": False, **results_of(results, redactor)}


def _asked(module: AnsibleModule, cluster: Cluster, facts: IngressFacts) -> IngressFacts:
    """With what is asked of others than the cluster, where it is judged."""
    given = module.params
    judged = given["only"] or CHECKS.controls
    addresses = {host: str(address) for host, address in given["resolve"].items()}
    if any(one in judged for one in ENTRY):
        facts = replace(facts, entry=_entry(module, cluster, facts, addresses))
    health = _Health(module, cluster, facts, addresses) if HEALTH in judged else None
    if DNS in judged:
        probe, no_probe = probe_of(given, check_mode=module.check_mode)
        stated = (tuple(given["inside_addresses"]), tuple(given["outside_addresses"]))
        asking = Asking(probe, no_probe.replace("sign in", "ask inside"), given["outside_resolver"] or "", *stated)
        asking = health.standing_in(asking) if health else asking
        facts = replace(facts, dns=look_at_names(cluster, asking, given["hosts"], published(facts)))
    return replace(facts, health=health.seen()) if health else facts


class _Health:
    """The look at the health route, while a pod that never becomes ready stands behind it where that is permitted."""

    def __init__(self, module: AnsibleModule, cluster: Cluster, facts: IngressFacts, addresses: dict[str, str]) -> None:
        given = module.params
        self._given, self._cluster, self._facts = given, cluster, facts
        self._seen: HealthSeen | None = None
        self._trouble: CollectionError | None = None
        self._http: Http | None = None
        if given["base_url"]:
            web = {"ca_file": given["ca_file"] or "", "resolve": addresses, "timeout_s": given["timeout"]}
            self._http = Http(given["base_url"], given["allowed_hosts"], **web)

    def standing_in(self, asking: Asking) -> Asking:
        """The same pod that asks for names, as one that the Service takes."""
        given, probe = self._given, asking.probe
        if self._http is None or probe is None or not given["stand_in"] or probe.namespace != given["namespace"]:
            return asking
        labels = stand_in_labels(self._cluster, self._facts)
        if not labels:
            return asking
        return replace(asking, probe=replace(probe, labels=labels, served=False), meanwhile=self._look_with)

    def _look_with(self, pod: str) -> None:
        try:
            taken_in(self._cluster, self._given["namespace"], pod)
            self._look()
        except CollectionError as exc:  # what goes wrong here says nothing of names
            self._trouble = exc

    def _look(self) -> None:
        if self._http is not None:
            self._seen = look_at_health(self._cluster, self._facts, self._http, self._given["health_path"])

    def seen(self) -> HealthSeen:
        if self._trouble is not None:
            raise self._trouble
        if self._seen is None:
            self._look()
        return self._seen or HealthSeen(self._given["health_path"], unasked="no base_url is given")


def _entry(module: AnsibleModule, cluster: Cluster, facts: IngressFacts, addresses: dict[str, str]) -> EntrySeen:
    given = module.params
    if module.check_mode or not facts.ours:
        return EntrySeen(unasked="check mode sends no probe" if module.check_mode else "no Ingress is there yet")
    asking = EntryAsking(
        tuple(given["hosts"]),
        given["allowed_hosts"],
        given["ca_file"] or "",
        addresses,
        given["timeout"],
        given["expiry_days"],
    )
    return look_at_entry(cluster, facts, asking)


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    run_module(module, examine)


if __name__ == "__main__":
    main()
