# The permissions that the playbooks need, as a table: who needs which verb on what, and in which scope.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

NAMESPACE, CLUSTER = "namespace", "cluster"
CERT_MANAGER = "cert-manager.io"  # its Certificates are read by who looks at the public way in


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One verb on one resource, in the release's namespace or in the whole cluster.

    :param resource: plural, with the subresource after a slash (``pods/log``).
    :param name: the one object that it is about, where it is one.
    :param used_by: which module, or helm, needs it.
    """

    group: str
    resource: str
    verb: str
    scope: str
    name: str = ""
    used_by: str = ""

    def attributes(self, namespace: str) -> dict[str, str]:
        """The ``resourceAttributes`` of an access review."""
        resource, _slash, subresource = self.resource.partition("/")
        told = {
            "group": self.group,
            "resource": resource,
            "subresource": subresource,
            "verb": self.verb,
            "name": self.name,
            "namespace": namespace if self.scope == NAMESPACE else "",
        }
        return {key: value for key, value in told.items() if value}

    def __str__(self) -> str:
        where = "in the namespace" if self.scope == NAMESPACE else "in the cluster"
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {what} {where} ({self.used_by})"


@dataclass(frozen=True, slots=True, order=True)
class Served:
    """A kind of the release as the API serves it; ``hook`` where objects of it run as helm hooks."""

    group: str
    resource: str
    namespaced: bool
    hook: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides which permissions are needed.

    :param kinds: the kinds of the rendered release; :param watches: whether this helm waits by watching (4 does).
    :param store: the resource that helm keeps its record in; :param probe: whether a scratch claim is made.
    :param makers: the kinds by which Secrets are made from outside, as far as the API serves them.
    """

    namespace: str
    namespace_exists: bool
    kinds: tuple[Served, ...]
    watches: bool
    store: str = "secrets"
    probe: bool = False
    makers: tuple[Served, ...] = ()


WILDCARD = Permission("*", "*", "*", CLUSTER)

Row = tuple[str, str, str, str, str]  # group, resources, verbs, scope, who
MODULES: tuple[Row, ...] = (
    ("", "secrets", "get create patch delete", NAMESPACE, "generated_secret"),
    ("", "pods", "create", NAMESPACE, "helm_chart_check"),  # a dry run, by which admission is asked
    ("", "serviceaccounts", "get", NAMESPACE, "helm_chart_check"),
    ("", "pods events services", "list", NAMESPACE, "workload_check"),
    ("", "pods/log", "get", NAMESPACE, "helm_release"),
    ("", "services/proxy", "get", NAMESPACE, "workload_check"),
    ("apps", "deployments replicasets", "list", NAMESPACE, "workload_check"),
    ("batch", "jobs", "list", NAMESPACE, "helm_release"),
    ("coordination.k8s.io", "leases", "get create update delete", NAMESPACE, "helm_release"),  # keeps others out
    ("discovery.k8s.io", "endpointslices", "list", NAMESPACE, "workload_check"),
    ("networking.k8s.io", "ingresses", "list", NAMESPACE, "ingress_check"),
    ("", "secrets", "get list", NAMESPACE, "secret_check"),
    ("networking.k8s.io", "ingresses networkpolicies", "list", NAMESPACE, "secret_check"),
    ("", "configmaps pods", "list", NAMESPACE, "secret_check"),  # where the keys of tokens are beside their Secret
    ("apps", "daemonsets deployments statefulsets", "list", NAMESPACE, "secret_check"),
    ("batch", "cronjobs jobs", "list", NAMESPACE, "secret_check"),
    ("networking.k8s.io", "ingressclasses ingresses", "list", CLUSTER, "ingress_check"),
    ("", "limitranges persistentvolumeclaims resourcequotas", "list", NAMESPACE, "cluster_check"),
    ("", "nodes pods", "list", CLUSTER, "cluster_check"),
    ("", "nodes pods", "list", CLUSTER, "log_check"),
    ("apps", "daemonsets", "list", CLUSTER, "log_check"),
    ("storage.k8s.io", "storageclasses", "list", CLUSTER, "cluster_check"),
    ("apps", "deployments", "list", NAMESPACE, "postgres_check"),
    ("autoscaling", "horizontalpodautoscalers", "list", NAMESPACE, "postgres_check"),
    ("", "configmaps secrets", "get", NAMESPACE, "postgres_check"),
    ("", "services", "get", CLUSTER, "redis_check"),  # the server's own, in whatever namespace it is
    ("", "pods", "list", CLUSTER, "redis_check"),
    ("", "configmaps limitranges pods resourcequotas", "list", NAMESPACE, "security_check"),
    ("", "secrets serviceaccounts services", "list", NAMESPACE, "security_check"),
    ("apps", "daemonsets deployments statefulsets", "list", NAMESPACE, "security_check"),
    ("batch", "cronjobs jobs", "list", NAMESPACE, "security_check"),
    ("networking.k8s.io", "ingresses", "list", NAMESPACE, "security_check"),
    ("", "pods/log", "get", NAMESPACE, "security_check"),
    ("", "pods/exec", "create get", NAMESPACE, "security_check"),
    ("", "pods", "list", CLUSTER, "security_check"),  # those of kube-system tell of encryption at rest
    ("rbac.authorization.k8s.io", "rolebindings roles", "list", NAMESPACE, "security_check"),
    ("rbac.authorization.k8s.io", "clusterrolebindings clusterroles", "list", CLUSTER, "security_check"),
    ("", "pods services", "list", NAMESPACE, "network_check"),
    ("networking.k8s.io", "networkpolicies", "list", NAMESPACE, "network_check"),
    ("", "secrets", "get", NAMESPACE, "network_check"),
    ("", "secrets", "get", NAMESPACE, "http_security_check"),  # those of the users that sign in
    ("", "events pods services", "list", NAMESPACE, "configuration_check"),
    ("", "configmaps secrets pods/log", "get", NAMESPACE, "configuration_check"),
    ("", "pods/exec", "create get", NAMESPACE, "configuration_check"),
    ("apps", "daemonsets deployments statefulsets", "list", NAMESPACE, "configuration_check"),
    ("autoscaling", "horizontalpodautoscalers", "list", NAMESPACE, "configuration_check"),
    ("autoscaling.k8s.io", "verticalpodautoscalers", "list", NAMESPACE, "configuration_check"),
)
PROBE: tuple[Row, ...] = (
    ("", "pods", "get list create delete", NAMESPACE, "cluster_check"),
    ("", "persistentvolumeclaims", "get list create patch delete", NAMESPACE, "cluster_check"),
    ("", "pods/log", "get", NAMESPACE, "cluster_check"),
    ("", "pods", "get list create delete", NAMESPACE, "secret_check"),
    ("", "pods", "get list create delete", NAMESPACE, "network_check"),
    ("", "pods/exec", "create get", NAMESPACE, "network_check"),
    ("networking.k8s.io", "networkpolicies", "create delete", NAMESPACE, "network_check"),  # the witness's own
    ("", "pods services", "list create delete", NAMESPACE, "configuration_check"),  # copies for drills
    ("", "pods", "get", NAMESPACE, "configuration_check"),
    ("autoscaling", "horizontalpodautoscalers", "get patch", NAMESPACE, "configuration_check"),
    ("discovery.k8s.io", "endpointslices", "list", NAMESPACE, "configuration_check"),
    ("networking.k8s.io", "ingresses networkpolicies", "list", NAMESPACE, "configuration_check"),
    ("", "pods/exec", "create get", NAMESPACE, "secret_check"),  # a websocket asks for get, since 1.35 for create too
)
STORE_VERBS = "get list create update delete"  # helm's record: made, marked as superseded, pruned
RELEASE_VERBS = ("get", "create", "patch", "delete")
WATCH_VERBS = ("list", "watch")  # helm 4 waits so for all objects, helm 3 for hooks
# What a chart of the application has, where no chart is given.
USUAL_KINDS = (
    Served("", "configmaps", True),
    Served("", "persistentvolumeclaims", True),
    Served("", "serviceaccounts", True),
    Served("", "services", True),
    Served("apps", "deployments", True),
    Served("batch", "jobs", True, hook=True),
    Served("networking.k8s.io", "ingresses", True),
    Served("networking.k8s.io", "networkpolicies", True),
    Served("policy", "poddisruptionbudgets", True),
)


def needed(situation: Situation) -> list[Permission]:
    """The permissions that the playbooks need here, each once, with all that need it."""
    merged: dict[Permission, set[str]] = {}
    for one in _all(situation):
        merged.setdefault(replace(one, used_by=""), set()).add(one.used_by)
    return [replace(one, used_by=", ".join(sorted(who))) for one, who in sorted(merged.items())]


def _all(situation: Situation) -> Iterator[Permission]:
    own = situation.namespace
    yield Permission("", "namespaces", "get", CLUSTER, own, "kube_apply")
    yield Permission("", "namespaces", "patch", CLUSTER, own, "kube_apply")
    if not situation.namespace_exists:
        yield Permission("", "namespaces", "create", CLUSTER, "", "kube_apply")
    yield from _opened(MODULES)
    yield from _opened([("", situation.store, STORE_VERBS, NAMESPACE, "helm")])
    if situation.probe:
        yield from _opened(PROBE)
    for kind in situation.kinds or USUAL_KINDS:
        scope = NAMESPACE if kind.namespaced else CLUSTER
        watch = WATCH_VERBS if situation.watches or kind.hook else ()
        for verb in (*RELEASE_VERBS, *watch):
            yield Permission(kind.group, kind.resource, verb, scope, "", "helm")
    for maker in situation.makers:
        for reader in ("ingress_check",) if maker.group == CERT_MANAGER else ("secret_check", "security_check"):
            yield Permission(maker.group, maker.resource, "list", NAMESPACE, "", reader)


def _opened(rows: Iterable[Row]) -> Iterator[Permission]:
    for group, resources, verbs, scope, who in rows:
        for resource in resources.split():
            for verb in verbs.split():
                yield Permission(group, resource, verb, scope, "", who)
