# What subjects may do in a namespace that matters: powers, and every way to what a Secret holds; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import (
    ANONYMOUS,
    ANY,
    AUTHENTICATED,
    EVERY_ACCOUNT,
    UNAUTHENTICATED,
    AccessReview,
    Asked,
    Grant,
    Subject,
)

RBAC = "rbac.authorization.k8s.io"
READING = ("get", "list", "watch")
_CHANGING = ("create", "update", "patch", "delete", "deletecollection")
_APPS = ("deployments", "statefulsets", "daemonsets", "replicasets")
_PODS_MADE = (("", "pods"), ("", "replicationcontrollers"), *(("apps", one) for one in _APPS),
              ("batch", "jobs"), ("batch", "cronjobs"))  # fmt: skip
_INSIDE = ("pods/exec", "pods/attach", "pods/ephemeralcontainers", "pods/portforward")
# Kubernetes docs, "Role Based Access Control Good Practices", "Privilege escalation risks", and what else changes.
POWERS: Mapping[str, tuple[Asked, ...]] = {
    "read": tuple(Asked(verb, resource) for verb in READING for resource in ("pods", "configmaps", "pods/log")),
    "write": tuple(
        Asked(verb, resource, group)
        for verb in _CHANGING
        for group, resource in (("", "configmaps"), ("", "services"), ("", "serviceaccounts"), ("networking.k8s.io",
                                "networkpolicies"), ("networking.k8s.io", "ingresses"), ("", "secrets"))
    ),
    "secrets": tuple(Asked(verb, "secrets") for verb in READING),
    "run pods": tuple(Asked(verb, resource, group) for verb in ("create", "update", "patch") for group, resource in
                      _PODS_MADE if (verb, resource) not in (("update", "pods"), ("patch", "pods"))),
    "exec": tuple(Asked(verb, resource) for resource in _INSIDE for verb in ("create", "get", "update", "patch")
                  if (verb in ("update", "patch")) == (resource == "pods/ephemeralcontainers")),
    "token": (Asked("create", "serviceaccounts/token"),),
    "impersonate": (*(Asked("impersonate", one, cluster=True) for one in ("users", "groups")),
                    Asked("impersonate", "serviceaccounts")),
    "escalate": (Asked("escalate", "roles", RBAC), Asked("escalate", "clusterroles", RBAC, cluster=True)),
    "bind": (Asked("bind", "roles", RBAC), Asked("bind", "clusterroles", RBAC)),
    "node proxy": tuple(Asked(verb, "nodes/proxy", cluster=True) for verb in ("get", "create")),
    "admission": tuple(
        Asked(verb, f"{kind}webhookconfigurations", "admissionregistration.k8s.io", cluster=True)
        for verb in ("create", "update", "patch") for kind in ("mutating", "validating")
    ),
    "certificates": (Asked("approve", "signers", "certificates.k8s.io", cluster=True),),
}  # fmt: skip
DANGEROUS = tuple(power for power in POWERS if power not in ("read", "write"))
BROAD = frozenset({AUTHENTICATED, UNAUTHENTICATED, EVERY_ACCOUNT})
_SYSTEM = ("system:",)
_SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})
Powers = dict[str, list[Grant]]


def powers(review: AccessReview, namespace: str) -> dict[Subject, Powers]:
    """By subject, the powers that it has in a namespace, over some object at least, each with what grants it."""
    found: dict[Subject, Powers] = {}
    for power, questions in POWERS.items():
        for asked in questions:
            for subject, grants in review.who_can(replace(asked, name=ANY), namespace).items():
                known = found.setdefault(subject, {}).setdefault(power, [])
                known.extend(grant for grant in grants if grant not in known)
    return found


@dataclass(frozen=True, slots=True)
class Reader:
    """A subject that can come to what a Secret holds, and how: ``directly``, or by another power.

    :param named: whether it is bound to Secrets that its roles name; it cannot read any other.
    """

    subject: Subject
    how: str
    grant: Grant
    named: bool = False

    def __str__(self) -> str:
        return f"{self.grant} ({self.how}{', named Secrets alone' if self.named else ''})"


def readers(review: AccessReview, namespace: str, secret: str = "") -> list[Reader]:
    """Who can read a Secret (or, without a name, some Secret of the namespace), directly or by way of other powers."""
    found: dict[tuple[Subject, str], Reader] = {}
    questions = [Asked(verb, "secrets", name=secret or ANY) for verb in READING]
    every = {subject for verb in READING for subject in review.who_can(Asked(verb, "secrets"), namespace)}
    for asked in questions:  # a LIST by metadata.name is held against resourceNames like a GET
        for subject, grants in review.who_can(asked, namespace).items():
            named = subject not in every
            found.setdefault((subject, "directly"), Reader(subject, "directly", grants[0], named))
    ways = [(power, asked) for power in DANGEROUS if power != "secrets" for asked in POWERS[power]]
    for power, asked in ways:
        if asked.resource == "pods/portforward":
            continue
        for subject, grants in review.who_can(replace(asked, name=ANY), namespace).items():
            found.setdefault((subject, power), Reader(subject, f"by {asked}", grants[0]))
    return sorted(found.values(), key=lambda one: (one.how != "directly", one.subject, one.how))


def is_broad(subject: Subject) -> bool:
    """Whether a subject stands for more than anybody could name: all users, all accounts, or whoever asks."""
    if subject.kind == "Group":
        return subject.name in BROAD or subject.name.startswith(f"{EVERY_ACCOUNT}:")
    return subject.name == ANONYMOUS if subject.kind == "User" else subject.name == "default"


def is_clusters_own(subject: Subject) -> bool:
    """Whether a subject is a part of Kubernetes itself (its names begin with ``system:``; its accounts' namespaces)."""
    if is_broad(subject):
        return False
    if subject.kind == "ServiceAccount":
        return subject.namespace in _SYSTEM_NAMESPACES
    return subject.name.startswith(_SYSTEM)


def wide(review: AccessReview, subject: Subject, namespace: str) -> Iterator[str]:
    """What is too wide in the rules that an account has by its own name: wildcards, writing in the whole cluster."""
    for grant, rule in review.own(subject, namespace):
        where = f"{grant.binding} of {grant.role}"
        if stars := [word for word, given in (("verbs", rule.verbs), ("resources", rule.resources),
                                              ("apiGroups", rule.groups)) if "*" in given]:  # fmt: skip
            yield f"has a wildcard in {' and '.join(stars)} by {where}"
        elif not grant.namespace and (writes := sorted(rule.verbs - set(READING))):
            # what everybody may ask about oneself is no write
            if not rule.resources or rule.groups <= {"authorization.k8s.io", "authentication.k8s.io"}:
                continue
            yield f"may {', '.join(writes)} {', '.join(sorted(rule.resources))} in the whole cluster by {where}"
