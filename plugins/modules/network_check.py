#!/usr/bin/python
# Judges whether pods are kept apart: NetworkPolicies as they are written, and what short-lived pods reach.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: network_check
short_description: Judge the network policies of a namespace by what they say and by what pods reach
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Settles C(security_configuration.network.policies).
  - Reads the NetworkPolicies of a namespace and says which pods no policy isolates, and which policy lets everything
    pass.
  - Then it makes one short-lived pod for each kind of pods that the policies tell apart, with the labels of that kind,
    and one without them, and lets all of them connect to the same targets. What must be open is open, and what must be
    shut is shut; of what is shut it is shown that another pod reached it in the same run, else the control is
    V(inconclusive).
  - Where policies isolate every pod and all that must be shut is open, it says that nothing enforces them.
  - Nothing is sent over the connections. The pods hold no credentials, run as user 65534 with no capability, and bear
    the label C(bytebot.production/scratch=network); whatever bears it in the namespace is removed before and
    afterwards, also what a run left that was killed. Pods with the release's labels never become ready, so that no
    Service sends them anything; the labels by which Services choose are left out where policies do not look at them.
  - Where the whole namespace is isolated, the pod without the release's labels gets a NetworkPolicy of its own for the
    time of the run, which selects that pod alone and lets it out.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.database
  - bytebot.production.redis
  - bytebot.production.results
options:
  namespace:
    description: Namespace of the release.
    type: str
    required: true
  release:
    description:
      - Name of the release, as its pods' label C(app.kubernetes.io/instance) has it. What must be open is then asked
        of its pods alone; other pods of the namespace must only be kept from what must be shut.
      - Where it is not set, or no pod bears that label, each pod of the namespace counts as one of the release.
    type: str
    default: ""
  probe_image:
    description:
      - Image of the pods; it must have C(sh) and one of C(python3), C(bash) with C(timeout), and C(nc).
      - Where it is not set, the control is V(pending), or V(fail) by what the policies say.
    type: str
  probe_timeout:
    description: Seconds for the pods to run.
    type: float
    default: 60.0
  paths:
    description:
      - Targets beside the usual ones. A zone that is not named here has its usual target, which is the resolver for
        V(dns), the hosts in the Secrets of O(database) and O(redis) for V(database) and V(cache), the release's own
        pods for V(same_namespace), and C(169.254.169.254) port 80 for V(metadata).
      - For V(other_namespace) and V(outside) there is none; as long as no target that must be shut is named for each,
        the control is V(pending).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the target is, in words.
        type: str
        required: true
      zone:
        description: Where the target is.
        type: str
        choices: [dns, database, cache, metadata, other_namespace, outside]
        required: true
      host:
        description:
          - Its name or address. Names of Services (C(SERVICE.NAMESPACE.svc)) may be tried; any other must be in
            O(allowed_hosts).
        type: str
        required: true
      port:
        description: Its TCP port; V(0) to resolve the name only.
        type: int
        required: true
      allowed:
        description: Whether pods of the release must reach it, or must not.
        type: bool
        default: false
  allowed_hosts:
    description: Hosts outside the cluster that may be connected to.
    type: list
    elements: str
    default: []
  isolation:
    description:
      - Whether policies must isolate every pod of the namespace, those to come, too (V(namespace)), or those that run
        (V(workloads)), which is told as weaker.
    type: str
    choices: [namespace, workloads]
    default: namespace
  connect_timeout:
    description: Seconds after which a connection that got no answer counts as shut.
    type: float
    default: 3.0
  settle_timeout:
    description: Seconds in which targets that are not as wanted are tried again, since rules follow new pods.
    type: float
    default: 10.0
attributes:
  check_mode:
    description: In check mode no pod is made, and the control is V(pending) unless the policies themselves are wrong.
    support: full
  diff_mode:
    description: Nothing is changed, so there is no difference to show.
    support: none
notes:
  - Needs list on networkpolicies, pods and services, get on the two Secrets, create, get and delete on pods, and create
    on pods/exec; where the whole namespace is isolated, create and delete on networkpolicies.
seealso:
  - module: bytebot.production.security_check
"""

EXAMPLES = r"""
- name: Judge the network policies of the release
  bytebot.production.network_check:
    namespace: bytebot-production
    probe_image: docker.io/library/busybox:1.37
    paths:
      - {name: the monitoring, zone: other_namespace, host: prometheus.monitoring.svc, port: 9090}
      - {name: the internet in clear text, zone: outside, host: www.example.org, port: 80}
    allowed_hosts: [www.example.org]
  register: network

- name: Stop where pods are not kept apart
  ansible.builtin.assert:
    that: network.failed_controls | length == 0
    fail_msg: "{{ network.results | map(attribute='summary') }}"
"""

RETURN = r"""
results:
  description: One entry per control that was judged.
  returned: always
  type: list
  elements: dict
  contains:
    control:
      description: Id of the control.
      type: str
      returned: always
      sample: security_configuration.network.policies
    state:
      description: V(pass), V(fail), V(error), V(inconclusive) or V(pending).
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
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS, ONLY_ARGS, connection_of
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import (
    DATABASE_ARGS,
    REDIS_ARGS,
    database_keys,
    not_negative,
    redis_keys,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.network import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    ISOLATIONS,
    SAME,
    WHOLE,
    ZONES,
    Path,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_network import (
    METADATA_ADDRESS,
    Scope,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe

LAST_PORT = 65535
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    **DATABASE_ARGS,
    **REDIS_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str", "default": ""},
    "probe_image": {"type": "str"},
    "probe_timeout": {"type": "float", "default": 60.0},
    "paths": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "zone": {"type": "str", "choices": [one for one in ZONES if one != SAME], "required": True},
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "allowed": {"type": "bool", "default": False},
        },
    },
    "allowed_hosts": {"type": "list", "elements": "str", "default": []},
    "isolation": {"type": "str", "choices": list(ISOLATIONS), "default": WHOLE},
    "connect_timeout": {"type": "float", "default": 3.0},
    "settle_timeout": {"type": "float", "default": 10.0},
}


def judge_network(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the namespace once and judge its policies."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "network_check")
    connection = connection_of(given)
    redactor.learn(connection.api_key)
    scope = _scope(module)
    cluster = Cluster(connection, module.tmpdir)
    results = results_of(CHECKS.judge(observe(cluster, scope, redactor), given["only"]), redactor)
    return {"changed": False, "api_requests": cluster.requests, **results}


def _scope(module: AnsibleModule) -> Scope:
    given = module.params
    not_negative(given, "probe_timeout", "settle_timeout")
    if given["connect_timeout"] <= 0:
        raise InputError(f"connect_timeout: {given['connect_timeout']} is not a positive number of seconds.")
    probe, no_probe, remedy = _probe(module)
    return Scope(
        namespace=given["namespace"],
        database=database_keys(given["database"]),
        cache=redis_keys(given["redis"]),
        release=given["release"],
        paths=tuple(_path(one, given["allowed_hosts"]) for one in given["paths"]),
        probe=probe,
        no_probe=no_probe,
        remedy=remedy,
        isolation=given["isolation"],
        connect_s=given["connect_timeout"],
        settle_s=given["settle_timeout"],
    )


def _probe(module: AnsibleModule) -> tuple[Probe | None, str, str]:
    given = module.params
    if module.check_mode:
        return None, "it needs a probe, and check mode sends none.", "Run without --check."
    if not given["probe_image"]:
        remedy = "Set probe_image (in the inventory: bytebot_probe_image)."
        return None, "it needs a probe, and no probe_image is given.", remedy
    return Probe(given["namespace"], given["probe_image"], given["probe_timeout"]), "", ""


def _path(one: Mapping[str, Any], allowed_hosts: list[str]) -> Path:
    where, host, port = f"paths: {one['name']}", one["host"].strip().lower().rstrip("."), one["port"]
    if not host or host.startswith("-") or any(sign.isspace() or sign in "/'\"" for sign in host):
        raise InputError(f"{where}: {one['host']!r} is no host.")
    if not 0 <= port <= LAST_PORT:
        raise InputError(f"{where}: {port} is no TCP port.")
    inside = host.endswith(".svc") or ".svc." in host or host == METADATA_ADDRESS
    if not inside and host not in {name.strip().lower() for name in allowed_hosts}:
        raise InputError(
            f"{where}: {host} is no Service of the cluster and not in allowed_hosts, so it is not tried. "
            "Add it (in the inventory: bytebot_allowed_hosts) if you may connect to it."
        )
    return Path(one["name"], one["zone"], host, port, one["allowed"])


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_network)


if __name__ == "__main__":
    main()
