# Observes the security of a namespace once, for the checks in checks/security.py: one LIST of each kind, then inside.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RBAC_KINDS,
    RESOURCES,
    ROOT,
    STORED,
    Authorized,
    Justified,
    Object,
    ReleaseRecord,
    SecurityFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_protection import secret_values
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_stored import needs
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import log_of, run_inside
from ansible_collections.bytebot.production.plugins.module_utils.clients.registry import Registry
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NotPermitted,
    NotThere,
    RecordUnreadable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    decode,
    learn_secrets,
    store_of,
    text_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_encryption import encryption_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_images import image_users
from ansible_collections.bytebot.production.plugins.module_utils.observe_inside import (
    Log,
    Run,
    look,
    running,
    search_logs,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import managers
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import (
    as_workload,
    made_by_cron,
    named,
    owner_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.podspec import is_over
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import hide

AT_ONCE = 6
_RBAC = "rbac.authorization.k8s.io/v1"
_WORKLOADS = (("v1", "Pod"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"),
              ("batch/v1", "Job"), ("batch/v1", "CronJob"))  # fmt: skip
_BY_CONTROL: Mapping[str, tuple[tuple[str, str], ...]] = {
    STORED: (("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "ServiceAccount"), ("v1", "Service"),
             ("networking.k8s.io/v1", "Ingress")),
    PROTECTION: (("v1", "Secret"), ("v1", "ServiceAccount"), *((_RBAC, kind) for kind in RBAC_KINDS)),
    CONTEXT: (),
    RESOURCES: (("v1", "ResourceQuota"), ("v1", "LimitRange")),
    ROOT: (),
    PRODUCTION: tuple((_RBAC, kind) for kind in RBAC_KINDS),
    ACCOUNTS: (("v1", "ServiceAccount"), *((_RBAC, kind) for kind in RBAC_KINDS)),
}  # fmt: skip
_OF_CLUSTER = ("ClusterRole", "ClusterRoleBinding")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at, and what is wanted of it.

    :param authorized: who may come to the namespace; None where no list was given.
    :param members: by group, the users that are known to be in it.
    """

    namespace: str
    release: str = ""
    look_inside: bool = True
    look_in_logs: bool = True
    check_mode: bool = False
    justified: tuple[Justified, ...] = ()
    authorized: tuple[Authorized, ...] | None = None
    secret_readers: tuple[Subject, ...] = ()
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pod_security: str = "restricted"
    qos: str = "Burstable"
    writable_paths: tuple[str, ...] = ()
    image_users: Mapping[str, str] = field(default_factory=dict)
    registries: tuple[Registry, ...] = ()
    only: Collection[str] = ()

    def judges(self, *controls: str) -> bool:
        """Whether one of these controls is judged."""
        return any(one in (self.only or CHECKS.controls) for one in controls)


def observe(
    cluster: Cluster, scope: Scope, redactor: Redactor, *, run: Run | None = None, log: Log | None = None
) -> SecurityFacts:
    """Read what the controls need, each kind once; then look into what runs.

    :param run: runs a program in a container; :param log: reads a log. Tests give their own.
    """
    denied: dict[str, str] = {}
    found = _lists(cluster, scope, denied)
    pods = [pod for pod in found["Pod"] if not is_over(pod)]
    jobs = {one["metadata"]["name"]: one for one in found["Job"]}
    bare = [pod for pod in pods if owner_of(pod, jobs) is None]
    described = [one for _api, kind in _WORKLOADS if kind != "Pod" for one in found[kind] if not made_by_cron(one)]
    release, problem = _release(scope, found)
    helms = {"Secret": _without_helms(found["Secret"]), "ConfigMap": _without_helms(found["ConfigMap"])}
    facts = SecurityFacts(
        namespace=scope.namespace,
        described=(*described, *bare),
        running=tuple(as_workload(pod, jobs) for pod in pods),
        pods=tuple(pods),
        namespace_object=_namespace(cluster, scope, denied),
        config_maps=helms["ConfigMap"],
        secrets=helms["Secret"],
        accounts=tuple(found["ServiceAccount"]),
        others=(*found["Service"], *found["Ingress"]),
        quotas=tuple(found["ResourceQuota"]),
        limit_ranges=tuple(found["LimitRange"]),
        release=release,
        release_name=scope.release,
        release_problem=problem or (denied.get("Secret", "") if scope.release else ""),
        denied=denied,
        review=AccessReview(
            roles=found["Role"],
            cluster_roles=found["ClusterRole"],
            role_bindings=found["RoleBinding"],
            cluster_role_bindings=found["ClusterRoleBinding"],
            members=scope.members,
        ),
        check_mode=scope.check_mode,
        justified=scope.justified,
        authorized=scope.authorized,
        secret_readers=scope.secret_readers,
        pod_security=scope.pod_security,
        qos=scope.qos,
        writable_paths=scope.writable_paths,
        today=cluster.now().date().isoformat(),
    )  # fmt: skip
    facts = _with_secrets(cluster, scope, facts)
    _learn(redactor, facts, release)
    if scope.judges(CONTEXT):
        every = (*facts.described, *facts.running)
        users, unknown = image_users(every, scope.namespace, scope.image_users, scope.registries)
        facts = replace(facts, image_users=users, image_problems=unknown)
    facts = _with_insides(facts, scope, jobs, run or _runs(cluster, scope.namespace))
    return _with_logs(facts, scope, jobs, log or _reads(cluster, scope.namespace))


# ---------------------------------------------------------------------------- lists


def _lists(cluster: Cluster, scope: Scope, denied: dict[str, str]) -> dict[str, list[Object]]:
    """All objects of each kind that is needed; what was not permitted is noted, with the words of the API server."""
    wanted = dict.fromkeys(_WORKLOADS)
    for control, kinds in _BY_CONTROL.items():
        if scope.judges(control):
            wanted |= dict.fromkeys(kinds)

    def one(api_kind: tuple[str, str]) -> list[Object]:
        api_version, kind = api_kind
        try:
            return cluster.list(api_version, kind, "" if kind in _OF_CLUSTER else scope.namespace)
        except (NotPermitted, NotThere) as exc:
            denied[kind] = exc.sentence
            return []

    found: dict[str, list[Object]] = {kind: [] for kinds in _BY_CONTROL.values() for _api, kind in kinds}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return found | {kind: objects for (_api, kind), objects in zip(wanted, pool.map(one, wanted), strict=True)}


def _namespace(cluster: Cluster, scope: Scope, denied: dict[str, str]) -> Object | None:
    if not scope.judges(CONTEXT):
        return None
    try:
        return cluster.get("v1", "Namespace", scope.namespace)
    except NotPermitted as exc:
        denied["Namespace"] = exc.sentence
        return None


def _without_helms(objects: Iterable[Object]) -> tuple[Object, ...]:
    return tuple(one for one in objects if (one["metadata"].get("labels") or {}).get("owner") != "helm")


def _release(scope: Scope, found: Mapping[str, list[Object]]) -> tuple[ReleaseRecord | None, str]:
    """What helm keeps of the deployed revision, and why it cannot be read."""
    if not scope.release:
        return None, ""
    kind = store_of(os.environ.get("HELM_DRIVER", ""))
    wanted = {"owner": "helm", "name": scope.release, "status": "deployed"}
    stored = [one for one in found[kind] if wanted.items() <= (one["metadata"].get("labels") or {}).items()]
    try:
        kept = [decode(text_of(one), encoded_twice=kind == "Secret", metadata=one["metadata"]) for one in stored]
    except RecordUnreadable as exc:
        return None, exc.sentence
    if not kept:
        return None, ""
    last = max(kept, key=lambda one: one.revision)
    objects = (*last.objects, *last.operating_hooks)
    return ReleaseRecord(last.name, last.revision, last.values, objects, last.notes), ""


# ---------------------------------------------------------------------------- secrets


def _with_secrets(cluster: Cluster, scope: Scope, facts: SecurityFacts) -> SecurityFacts:
    """What references need, read one by one where they may not be listed; who makes them; what is told of etcd."""
    if not scope.judges(STORED, PROTECTION):
        return facts
    references = needs((*facts.described, *facts.others), scope.namespace)
    known = {one["metadata"]["name"] for one in facts.secrets}
    read, absent, unread = list(facts.secrets), [], {}
    for name in sorted(references.keys() - known):
        try:
            one = cluster.get("v1", "Secret", name, scope.namespace) if "Secret" in facts.denied else None
        except NotPermitted as exc:
            unread[name] = exc.sentence
            continue
        if one:
            read.append(one)
        else:
            absent.append(name)
    makers, unseen = managers(cluster, scope.namespace)
    encryption, told = encryption_of(cluster) if scope.judges(STORED) else ("", "")
    return replace(
        facts,
        secrets=tuple(read),
        references=references,
        absent=tuple(absent),
        unread_secrets=unread,
        managers={name: tuple(made) for name, made in makers.items()},
        unread_managers=unseen,
        encryption=encryption,
        encryption_seen=told,
    )


def _learn(redactor: Redactor, facts: SecurityFacts, release: ReleaseRecord | None) -> None:
    """Mask every value that must not show: of Secrets, and of what helm keeps."""
    names = [one["metadata"]["name"] for one in facts.secrets]
    keys = [key for one in facts.secrets for key in one.get("data") or {}]
    told = (facts.namespace, facts.release_name, *names, *keys)
    hide.learn(redactor, (text.encode() for _name, text in secret_values(facts.secrets)), told)
    if release:
        learn_secrets(redactor, release.objects)
        redactor.learn_marked(release.values)


# ---------------------------------------------------------------------------- inside


def _runs(cluster: Cluster, namespace: str) -> Run:
    return lambda pod, container, command: run_inside(cluster, namespace, pod, container, command)


def _reads(cluster: Cluster, namespace: str) -> Log:
    return lambda pod, container, bounds: log_of(cluster, namespace, pod, container, **bounds)


def _with_insides(facts: SecurityFacts, scope: Scope, jobs: Mapping[str, Object], run: Run) -> SecurityFacts:
    if not scope.judges(CONTEXT, ROOT):
        return facts
    if scope.check_mode or not scope.look_inside:
        return replace(facts, not_looked="check mode sends no probe" if scope.check_mode else "look_inside is off")
    targets = running(facts.pods, named(jobs), one_each=True)
    insides, why = look(targets, run, write=scope.judges(ROOT))
    return replace(facts, inside=insides, not_looked=why)


def _with_logs(facts: SecurityFacts, scope: Scope, jobs: Mapping[str, Object], log: Log) -> SecurityFacts:
    if not scope.judges(PROTECTION):
        return facts
    if not scope.look_in_logs:
        return replace(facts, not_in_logs="look_in_logs is off")
    found = search_logs(running(facts.pods, named(jobs), one_each=False), log, secret_values(facts.secrets))
    unread = found.unread or {}
    return replace(facts, leaks=found.leaks, logs_read=found.read, logs_unread=unread, not_in_logs=found.problem)
