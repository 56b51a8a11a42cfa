# Who may do what: RBAC resolved through bindings, groups, aggregated roles and wildcards; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
RoleKey = tuple[str, str, str]  # kind, namespace, name
ANY = "*"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
EVERY_ACCOUNT = "system:serviceaccounts"
ANONYMOUS = "system:anonymous"
_ACCOUNT_USER = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """Who a binding names: a User, a Group, or a ServiceAccount of a namespace."""

    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def groups(self, members: Mapping[str, Iterable[str]] | None = None) -> frozenset[str]:
        """The groups that it is in: those that the API server gives by itself, and those of ``members`` (by group)."""
        known = {group for group, names in (members or {}).items() if self.kind == "User" and self.name in set(names)}
        if self.kind == "ServiceAccount":
            return frozenset({EVERY_ACCOUNT, f"{EVERY_ACCOUNT}:{self.namespace}", AUTHENTICATED})
        if self.kind != "User":
            return frozenset()
        return frozenset(known | {UNAUTHENTICATED if self.name == ANONYMOUS else AUTHENTICATED})


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that may be done, as RBAC is asked for it.

    :param resource: with its subresource, as in ``pods/exec``.
    :param name: of the object; empty where it names none (as a LIST does), ``*`` for some object, whichever it is.
    :param cluster: the resource belongs to no namespace, so only a ClusterRoleBinding grants it.
    """

    verb: str
    resource: str
    group: str = ""
    name: str = ""
    cluster: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" {self.name}" if self.name not in ("", ANY) else "")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a role."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Rule:
        """From a rule as the API shows it."""
        return cls(*(frozenset(raw.get(key) or ()) for key in ("verbs", "apiGroups", "resources", "resourceNames")))

    def allows(self, asked: Asked) -> bool:
        """Whether the rule grants it (k8s.io/kubernetes, pkg/apis/rbac/v1/evaluation_helpers.go)."""
        return (
            bool(self.verbs & {ANY, asked.verb})
            and bool(self.groups & {ANY, asked.group})
            and self._of_resource(asked.resource)
            and (not self.names or asked.name == ANY or asked.name in self.names)
        )

    def _of_resource(self, resource: str) -> bool:
        below = resource.partition("/")[2]
        return bool(self.resources & {ANY, resource}) or (bool(below) and f"*/{below}" in self.resources)


@dataclass(frozen=True, slots=True)
class Grant:
    """By which binding and which role a subject may do something; ``namespace`` is empty where it holds everywhere."""

    subject: Subject
    binding: str
    role: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.subject} by {self.binding} of {self.role}"


@dataclass(frozen=True, slots=True)
class _Binding:
    name: str
    namespace: str
    role: RoleKey
    subjects: tuple[Subject, ...]


@dataclass
class Count:
    """What a review has done so far: rules held against a question, bindings gone through."""

    rules: int = 0
    bindings: int = 0


@dataclass
class AccessReview:
    """Roles and bindings, indexed once. Each role is held against each question once, however many bindings name it."""

    roles: Iterable[Object] = ()
    cluster_roles: Iterable[Object] = ()
    role_bindings: Iterable[Object] = ()
    cluster_role_bindings: Iterable[Object] = ()
    members: Mapping[str, Iterable[str]] = field(default_factory=dict)
    count: Count = field(default_factory=Count)

    def __post_init__(self) -> None:
        self._rules: dict[RoleKey, tuple[Rule, ...]] = {}
        for one in self.roles:
            self._rules["Role", one["metadata"].get("namespace", ""), one["metadata"]["name"]] = _rules_of(one)
        cluster_roles = list(self.cluster_roles)
        for name, rules in _aggregated(cluster_roles).items():
            self._rules["ClusterRole", "", name] = rules
        self._bindings: dict[str, dict[RoleKey, list[_Binding]]] = {}  # by namespace, by role
        for one in (*self.cluster_role_bindings, *self.role_bindings):
            made = _binding_of(one)
            self._bindings.setdefault(made.namespace, {}).setdefault(made.role, []).append(made)
        self._allowed: dict[tuple[RoleKey, Asked], bool] = {}

    @property
    def unresolved(self) -> list[str]:
        """Bindings whose role is not there: they grant nothing until somebody makes it."""
        by_role = ((role, bound) for roles in self._bindings.values() for role, bound in roles.items())
        lost = [(role, one) for role, bound in by_role if role not in self._rules for one in bound]
        return sorted(f"{one.name} of {_told(role)}" for role, one in lost)

    def rules(self, kind: str, name: str, namespace: str = "") -> tuple[Rule, ...]:
        """The rules of a role, those that it aggregates included."""
        return self._rules.get((kind, namespace if kind == "Role" else "", name), ())

    def who_can(self, asked: Asked, namespace: str) -> dict[Subject, list[Grant]]:
        """The subjects that bindings name and that may do something in a namespace, each with what grants it."""
        found: dict[Subject, list[Grant]] = {}
        for binding in self._granting(namespace, asked):
            for subject in binding.subjects:
                grant = Grant(subject, binding.name, _told(binding.role), binding.namespace)
                found.setdefault(subject, []).append(grant)
        return found

    def resolved(self, asked: Asked, namespace: str, accounts: Iterable[Subject] = ()) -> dict[Subject, list[Grant]]:
        """As :meth:`who_can`, with the known users and accounts that groups among them stand for."""
        found = self.who_can(asked, namespace)
        users = {name for names in self.members.values() for name in names}
        for subject in (*accounts, *(Subject("User", name) for name in sorted(users))):
            for group in sorted(subject.groups(self.members)):
                if grants := found.get(Subject("Group", group)):
                    found.setdefault(subject, []).extend(grants)
        return found

    def may(self, subject: Subject, asked: Asked, namespace: str) -> list[Grant]:
        """What lets one subject do something, by its own name or by a group of it; empty where nothing does."""
        granted = self.who_can(asked, namespace)
        names = (subject, *(Subject("Group", group) for group in sorted(subject.groups(self.members))))
        return [grant for name in names for grant in granted.get(name, ())]

    def own(self, subject: Subject, namespace: str) -> Iterator[tuple[Grant, Rule]]:
        """The rules that bindings in a namespace and of the whole cluster give to a subject by its own name."""
        for place in dict.fromkeys(("", namespace)):
            for binding in (one for bound in self._bindings.get(place, {}).values() for one in bound):
                self.count.bindings += 1
                if subject in binding.subjects:
                    grant = Grant(subject, binding.name, _told(binding.role), binding.namespace)
                    yield from ((grant, rule) for rule in self._rules.get(binding.role, ()))

    def _granting(self, namespace: str, asked: Asked) -> Iterator[_Binding]:
        """The bindings, of the whole cluster and of the namespace, whose role allows it."""
        for place in ("",) if asked.cluster or not namespace else ("", namespace):
            for role, bound in self._bindings.get(place, {}).items():
                if self._allows(role, asked):
                    self.count.bindings += len(bound)
                    yield from bound

    def _allows(self, role: RoleKey, asked: Asked) -> bool:
        known = self._allowed.get((role, asked))
        if known is None:
            known = False
            for rule in self._rules.get(role, ()):
                self.count.rules += 1
                if rule.allows(asked):
                    known = True
                    break
            self._allowed[role, asked] = known
        return known


def _rules_of(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    return tuple(Rule.of(rule) for rule in role.get("rules") or ())


def _told(role: RoleKey) -> str:
    kind, _namespace, name = role
    return f"{kind} {name}"


def _binding_of(raw: Mapping[str, Any]) -> _Binding:
    metadata, reference = raw["metadata"], raw.get("roleRef") or {}
    namespace = metadata.get("namespace", "")
    kind = str(reference.get("kind", ""))
    told = f"RoleBinding {namespace}/{metadata['name']}" if namespace else f"ClusterRoleBinding {metadata['name']}"
    subjects = tuple(dict.fromkeys(subject_of(one, namespace) for one in raw.get("subjects") or ()))
    return _Binding(
        told, namespace, (kind, namespace if kind == "Role" else "", str(reference.get("name", ""))), subjects
    )


def subject_of(raw: Mapping[str, Any], namespace: str = "") -> Subject:
    """A subject as a binding names it; an account may also be named as the user that it is to the API server."""
    kind, name = str(raw.get("kind", "")), str(raw.get("name", ""))
    if kind == "User" and name.startswith(_ACCOUNT_USER) and name.count(":") == _ACCOUNT_USER.count(":") + 1:
        place, _colon, own = name.removeprefix(_ACCOUNT_USER).partition(":")
        return Subject("ServiceAccount", own, place)
    if kind == "ServiceAccount":
        return Subject(kind, name, str(raw.get("namespace") or namespace))
    return Subject(kind, name)


# ---------------------------------------------------------------------------- aggregated roles


def _aggregated(cluster_roles: list[Object]) -> dict[str, tuple[Rule, ...]]:
    """The rules of each ClusterRole with those of the roles that it aggregates, and that these aggregate.

    The controller writes them into the live role; in rendered manifests it has not done so yet.
    """
    by_name = {one["metadata"]["name"]: one for one in cluster_roles}
    takes = {name: _selected(one, cluster_roles) for name, one in by_name.items() if one.get("aggregationRule")}
    found: dict[str, tuple[Rule, ...]] = {}
    for name in by_name:
        reached, left = {name: None}, [name]
        while left:
            fresh = [other for other in takes.get(left.pop(), ()) if other not in reached]
            reached |= dict.fromkeys(fresh)
            left += fresh
        found[name] = tuple(dict.fromkeys(rule for one in reached for rule in _rules_of(by_name[one])))
    return found


def _selected(role: Object, cluster_roles: list[Object]) -> list[str]:
    selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    return [
        one["metadata"]["name"]
        for one in cluster_roles
        if any(selects(selector, one["metadata"].get("labels") or {}) for selector in selectors)
    ]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects labels (Kubernetes API reference, LabelSelector)."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(one, labels) for one in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False
