#!/usr/bin/python
# Judges the security of a namespace as the Kubernetes API shows it: secrets, containers, who may do what.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: security_check
short_description: Judge secrets, containers and access of a namespace
version_added: 0.1.0
author:
  - The bytebot.production authors (@bytebot-production)
description:
  - Looks at all workloads, live pods, ConfigMaps, Secrets, accounts, roles and bindings of a namespace once, with one
    LIST of each kind, and judges every control that rests on them.
  - Settles C(security_configuration.secrets.stored), C(security_configuration.secrets.protection),
    C(security_configuration.containers.context), C(security_configuration.containers.resources),
    C(security_configuration.containers.read_only_root), C(team.access.production) and
    C(team.access.service_accounts).
  - Containers are judged as they are described and as they run, init, sidecar and ephemeral ones too, of CronJobs and
    of pods that stand alone. What is true inside is read from C(/proc) by a short program in one pod of each workload,
    and a write to C(/) is tried.
  - Who may do what is resolved from RBAC through groups, aggregated roles and wildcards. Who is in a group is the
    identity provider's to say.
  - Values are told by their place only. A Secret's value is compared with logs in memory, and never shown.
  - What this account may not read makes a control V(pending), with the permission that is missing; what is red all the
    same is V(fail). A namespaced account without access to ClusterRoles can be enough for the containers' controls.
  - A control that does not hold is a result, not a failure of the module.
extends_documentation_fragment:
  - bytebot.production.cluster
  - bytebot.production.results
options:
  namespace:
    description: Namespace to judge.
    type: str
    required: true
  release:
    description: Name of the Helm release whose values, manifest and notes are looked into.
    type: str
  look_inside:
    description:
      - Whether a short program is run in containers, for what is true inside, and for whether a write to C(/) fails.
      - Where it may not be run, or a container has no C(sh), the summary says so.
    type: bool
    default: true
  look_in_logs:
    description: Whether the logs of the running containers are searched for the values of the namespace's Secrets.
    type: bool
    default: true
  pod_security:
    description: The Pod Security Standard that the namespace must enforce. V(baseline) is told as weaker.
    type: str
    choices: [baseline, restricted]
    default: restricted
  qos:
    description: The class of service that all pods must have at least.
    type: str
    choices: [Burstable, Guaranteed]
    default: Burstable
  writable_paths:
    description:
      - Paths at or below which volumes may be written. Where it is empty, any volume that does not lie over the
        system's paths may be.
    type: list
    elements: str
    default: []
  image_users:
    description:
      - Images as the workloads name them, and the user of each image's configuration, as C(skopeo inspect --config)
        tells it, for those whose registry cannot be asked.
      - Where a container leaves its user to an image of which nothing is known, what runs inside and the kubelet's own
        refusal tell, and the summary says so.
    type: dict
    default: {}
  registries:
    description:
      - Registries that are asked for the user of such images. No other is asked.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The registry as images name it, as in V(ghcr.io) or V(docker.io).
        type: str
        required: true
      url:
        description: Its address, where that is not C(https://) and its name.
        type: str
      ca_file:
        description: PEM file of the CA to trust beside the system's.
        type: path
      username:
        description: Who asks; nobody by name where it is not set.
        type: str
      password:
        description: The password or token of O(registries[].username).
        type: str
  authorized_subjects:
    description:
      - Who may come to the namespace. Where it is not set, C(team.access.production) is V(pending), or red where a
        binding gives a power to everybody.
    type: list
    elements: dict
    suboptions:
      kind:
        description: Kind of the subject.
        type: str
        choices: [User, Group, ServiceAccount]
        required: true
      name:
        description: Name of the subject.
        type: str
        required: true
      namespace:
        description: Namespace of a ServiceAccount; the judged one where it is not set.
        type: str
      powers:
        description:
          - The powers that it may have. Where it is empty, all of them.
        type: list
        elements: str
        choices:
          - read
          - write
          - secrets
          - run pods
          - exec
          - token
          - impersonate
          - escalate
          - bind
          - node proxy
          - admission
          - certificates
        default: []
  secret_readers:
    description:
      - Who may read the Secrets of the namespace. Where it is set, any other reader is red, but for Kubernetes' own;
        else those only that are wide, and the accounts of the pods.
    type: list
    elements: dict
    default: []
    suboptions:
      kind:
        description: Kind of the subject.
        type: str
        choices: [User, Group, ServiceAccount]
        required: true
      name:
        description: Name of the subject.
        type: str
        required: true
      namespace:
        description: Namespace of a ServiceAccount; the judged one where it is not set.
        type: str
  readers_of:
    description: Name of a Secret. Where it is set, RV(secret_readers) tells who can come to that one.
    type: str
  group_members:
    description: Groups, and the names of the users that are known to be in each; they are told with what they may do.
    type: dict
    default: {}
  exceptions:
    description:
      - Findings that somebody answers for. Each is told in RV(results[].weaker) as long as it holds; after its day the
        finding is red again.
    type: list
    elements: dict
    default: []
    suboptions:
      workload:
        description: Kind and name of the object, as in V(Deployment/api), or its name alone.
        type: str
        required: true
      container:
        description: Name of the container; all of them, and what is the pod's own, where it is not set.
        type: str
      control:
        description: Id of the control (C(section.group.item)).
        type: str
        required: true
      reason:
        description: Why it must be so.
        type: str
        required: true
      until:
        description: The last day on which it holds, as in V(2027-03-31).
        type: str
        required: true
notes:
  - To judge everything, this account needs C(list) in the namespace on pods, configmaps, secrets, services,
    serviceaccounts, resourcequotas, limitranges, deployments, statefulsets, daemonsets, jobs, cronjobs, ingresses,
    roles and rolebindings, C(get) on the namespace itself and on C(pods/log), C(create) and C(get) on C(pods/exec),
    and C(list) on clusterroles and clusterrolebindings. Where Secrets may not be listed, those that workloads name
    are read one by one by C(get).
  - C(get) on C(/metrics) of the API server, or C(list) on pods of C(kube-system), tells of encryption at rest; it is
    said where that is not known.
attributes:
  check_mode:
    description: Nothing is ever changed. In check mode no program is run in a container, so
      C(security_configuration.containers.context) and C(security_configuration.containers.read_only_root) are
      V(pending) unless they are red.
    support: full
  diff_mode:
    description: Nothing is ever changed, so there is no difference to show.
    support: none
seealso:
  - module: bytebot.production.helm_chart_check
  - module: bytebot.production.secret_check
  - module: bytebot.production.workload_check
"""

EXAMPLES = r"""
- name: Judge the security of the namespace
  bytebot.production.security_check:
    namespace: bytebot-production
    release: bytebot
  register: security

- name: Judge access against the list of those who are authorised
  bytebot.production.security_check:
    namespace: bytebot-production
    only:
      - team.access.production
    authorized_subjects:
      - kind: Group
        name: platform-operators
      - kind: User
        name: deployer
        powers: [read, write, secrets, run pods, exec]

- name: Judge containers, with an exception that runs out
  bytebot.production.security_check:
    namespace: bytebot-production
    exceptions:
      - workload: Deployment/bytebot-desktop
        container: desktop
        control: security_configuration.containers.read_only_root
        reason: The desktop session writes to its home, until it has a volume there.
        until: "2027-03-31"
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
      sample: security_configuration.secrets.stored
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
      description: Exceptions that hold and thresholds that are weaker than the document's, in words.
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
secret_readers:
  description: Who can come to what the Secrets of the namespace hold, by which binding, and how.
  returned: when roles and bindings were read
  type: list
  elements: str
  sample: ["User deployer by RoleBinding shop/deployer of ClusterRole deployer (directly)"]
api_requests:
  description: How many requests were sent to the Kubernetes API.
  returned: always
  type: int
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bytebot.production.plugins.module_utils.argspec import (
    CLUSTER_ARGS,
    ONLY_ARGS,
    connection_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_powers import POWERS, readers
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import Subject, subject_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    PRODUCTION,
    PROTECTION,
    Authorized,
    Justified,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import known_only, results_of
from ansible_collections.bytebot.production.plugins.module_utils.module import run_module
from ansible_collections.bytebot.production.plugins.module_utils.observe_security import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

_SUBJECT: dict[str, Any] = {
    "kind": {"type": "str", "choices": ["User", "Group", "ServiceAccount"], "required": True},
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str"},
}
ARGUMENTS: dict[str, Any] = {
    **CLUSTER_ARGS,
    **ONLY_ARGS,
    "namespace": {"type": "str", "required": True},
    "release": {"type": "str"},
    "look_inside": {"type": "bool", "default": True},
    "look_in_logs": {"type": "bool", "default": True},
    "pod_security": {"type": "str", "choices": ["baseline", "restricted"], "default": "restricted"},
    "qos": {"type": "str", "choices": ["Burstable", "Guaranteed"], "default": "Burstable"},
    "writable_paths": {"type": "list", "elements": "str", "default": []},
    "image_users": {"type": "dict", "default": {}},
    "registries": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "url": {"type": "str"},
            "ca_file": {"type": "path"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
        },
    },
    "authorized_subjects": {
        "type": "list",
        "elements": "dict",
        "options": {
            **_SUBJECT,
            "powers": {"type": "list", "elements": "str", "choices": list(POWERS), "default": []},
        },
    },
    "secret_readers": {"type": "list", "elements": "dict", "default": [], "no_log": False, "options": _SUBJECT},
    "readers_of": {"type": "str"},
    "group_members": {"type": "dict", "default": {}},
    "exceptions": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "workload": {"type": "str", "required": True},
            "container": {"type": "str"},
            "control": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "until": {"type": "str", "required": True},
        },
    },
}


def judge_security(module: AnsibleModule, redactor: Redactor) -> dict[str, Any]:
    """Observe the namespace once and judge every control that rests on it."""
    given = module.params
    known_only(given["only"], CHECKS.controls, "security_check")
    scope = _scope(given, check_mode=module.check_mode)
    connection = connection_of(given)
    for secret in (connection.api_key, *(one.password for one in scope.registries)):
        redactor.learn(secret)
    cluster = Cluster(connection, module.tmpdir)
    facts = observe(cluster, scope, redactor)
    results = results_of(CHECKS.judge(facts, given["only"]), redactor)
    told = {}
    if scope.judges(PROTECTION, PRODUCTION, ACCOUNTS):
        told["secret_readers"] = [str(one) for one in readers(facts.review, facts.namespace, given["readers_of"] or "")]
    return {"changed": False, "api_requests": cluster.requests, **told, **results}


def _scope(given: Mapping[str, Any], *, check_mode: bool) -> Scope:
    listed = given["authorized_subjects"]
    namespace = given["namespace"]
    return Scope(
        namespace=namespace,
        release=given["release"] or "",
        look_inside=given["look_inside"],
        look_in_logs=given["look_in_logs"],
        check_mode=check_mode,
        justified=tuple(_justified(one) for one in given["exceptions"]),
        authorized=None
        if listed is None
        else tuple(Authorized(_subject(one, namespace), frozenset(one["powers"])) for one in listed),
        secret_readers=tuple(_subject(one, namespace) for one in given["secret_readers"]),
        members={str(group): _names(group, names) for group, names in given["group_members"].items()},
        pod_security=given["pod_security"],
        qos=given["qos"],
        writable_paths=tuple(given["writable_paths"]),
        image_users={str(image): str(user) for image, user in given["image_users"].items()},
        registries=tuple(Registry(**{k: v for k, v in one.items() if v}) for one in given["registries"]),
        only=tuple(given["only"]),
    )


def _subject(one: Mapping[str, Any], namespace: str) -> Subject:
    return subject_of({key: value for key, value in one.items() if value}, namespace)


def _names(group: Any, names: Any) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise InputError(f"group_members: {group} needs a list of the names of its users.")
    return tuple(str(name) for name in names)


def _justified(one: Mapping[str, Any]) -> Justified:
    where = f"exceptions: the one for {one['workload']}"
    if one["control"] not in CHECKS.controls:
        raise InputError(f"{where} names {one['control']}, which security_check does not settle.")
    if not one["reason"].strip():
        raise InputError(f"{where} has no reason.")
    try:
        until = date.fromisoformat(one["until"]).isoformat()
    except ValueError as exc:
        raise InputError(f"{where} is until {one['until']}, which is no day such as 2027-03-31.") from exc
    return Justified(one["workload"], one["control"], one["reason"].strip(), until, one["container"] or "")


def main() -> None:
    run_module(AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True), judge_security)


if __name__ == "__main__":
    main()
