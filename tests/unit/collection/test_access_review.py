# RBAC resolved: each rule has its row, the review agrees with the plain definition, and large clusters cost little.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_powers import (
    POWERS,
    is_broad,
    is_clusters_own,
    powers,
    readers,
    wide,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import (
    AccessReview,
    Asked,
    Rule,
    Subject,
    selects,
    subject_of,
)

Object = dict[str, Any]
SHOP = "shop"
GET_SECRET = Asked("get", "secrets", name="db")
ALICE = {"kind": "User", "name": "alice"}
OPS = {"kind": "Group", "name": "ops"}
APP = {"kind": "ServiceAccount", "name": "app", "namespace": SHOP}


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> Object:
    made = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split() or [""]}
    return made | ({"resourceNames": names.split()} if names else {})


def role(name: str, *rules: Object, namespace: str = SHOP) -> Object:
    return {"kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": list(rules)}


def cluster_role(name: str, *rules: Object, labels: dict[str, str] | None = None, takes: Any = None) -> Object:
    made: Object = {"kind": "ClusterRole", "metadata": {"name": name, "labels": labels or {}}, "rules": list(rules)}
    return made | ({"aggregationRule": {"clusterRoleSelectors": takes}} if takes else {})


def binding(of: str, *subjects: Object, namespace: str = SHOP, kind: str = "Role", name: str = "") -> Object:
    metadata = {"name": name or f"b-{of}"} | ({"namespace": namespace} if namespace else {})
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": of}, "subjects": list(subjects)}


# ---------------------------------------------------------------------- one rule

RULES = [
    ("verb and resource", rule("get", "secrets"), GET_SECRET, True),
    ("another verb", rule("list", "secrets"), GET_SECRET, False),
    ("any verb", rule("*", "secrets"), GET_SECRET, True),
    ("any resource", rule("get", "*"), GET_SECRET, True),
    ("any group", rule("get", "secrets", "*"), GET_SECRET, True),
    ("another group", rule("get", "secrets", "apps"), GET_SECRET, False),
    ("this name", rule("get", "secrets", names="db"), GET_SECRET, True),
    ("another name", rule("get", "secrets", names="tls"), GET_SECRET, False),
    ("a name where none is asked", rule("list", "secrets", names="db"), Asked("list", "secrets"), False),
    ("a subresource is another resource", rule("create", "pods"), Asked("create", "pods/exec"), False),
    ("the subresource", rule("create", "pods/exec"), Asked("create", "pods/exec"), True),
    ("some object, whichever", rule("get", "secrets", names="tls"), Asked("get", "secrets", name="*"), True),
    ("the subresource of anything", rule("create", "*/exec"), Asked("create", "pods/exec"), True),
    ("which is no resource by itself", rule("create", "*/exec"), Asked("create", "pods"), False),
    ("anything holds subresources", rule("create", "*"), Asked("create", "serviceaccounts/token"), True),
    ("a part of a name is none", rule("get", "secret"), GET_SECRET, False),
]


@pytest.mark.parametrize(("raw", "asked", "allowed"), [row[1:] for row in RULES], ids=[row[0] for row in RULES])
def test_a_rule(raw: Object, asked: Asked, allowed: bool) -> None:
    assert Rule.of(raw).allows(asked) is allowed


# ---------------------------------------------------------------------- who can


def named(found: dict[Subject, Any]) -> list[str]:
    return sorted(str(subject) for subject in found)


def test_bindings_hold_where_they_stand() -> None:
    review = AccessReview(
        roles=[role("reader", rule("get", "secrets")), role("reader", rule("get", "pods"), namespace="other")],
        cluster_roles=[cluster_role("view-all", rule("*", "*", "*"))],
        role_bindings=[
            binding("reader", ALICE),
            binding("reader", OPS, namespace="other"),
            binding("view-all", APP, kind="ClusterRole"),
        ],
        cluster_role_bindings=[binding("view-all", OPS, namespace="", kind="ClusterRole")],
    )
    assert named(review.who_can(GET_SECRET, SHOP)) == ["Group ops", "ServiceAccount shop/app", "User alice"]
    assert named(review.who_can(GET_SECRET, "other")) == ["Group ops"]
    # what belongs to no namespace is not granted in one
    assert named(review.who_can(Asked("get", "nodes/proxy", cluster=True), SHOP)) == ["Group ops"]
    (grant,) = review.who_can(GET_SECRET, SHOP)[Subject("User", "alice")]
    assert str(grant) == "User alice by RoleBinding shop/b-reader of Role reader"


def test_groups_stand_for_their_members() -> None:
    every = {"kind": "Group", "name": "system:serviceaccounts"}
    review = AccessReview(
        roles=[role("reader", rule("get", "secrets"))],
        role_bindings=[binding("reader", OPS), binding("reader", every, name="all")],
        members={"ops": ["bob"], "others": ["eve"]},
    )
    app = Subject("ServiceAccount", "app", "elsewhere")
    assert named(review.resolved(GET_SECRET, SHOP, [app])) == [
        "Group ops", "Group system:serviceaccounts", "ServiceAccount elsewhere/app", "User bob",
    ]  # fmt: skip
    assert review.may(app, GET_SECRET, SHOP)
    assert review.may(Subject("User", "bob"), GET_SECRET, SHOP)
    assert not review.may(Subject("User", "eve"), GET_SECRET, SHOP)


GROUPS = [
    (Subject("User", "alice"), {"system:authenticated"}),
    (Subject("User", "system:anonymous"), {"system:unauthenticated"}),
    (Subject("Group", "ops"), set()),
    (
        Subject("ServiceAccount", "app", SHOP),
        {"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:shop"},
    ),
]


@pytest.mark.parametrize(("subject", "groups"), GROUPS, ids=[str(row[0]) for row in GROUPS])
def test_groups_that_the_api_server_gives(subject: Subject, groups: set[str]) -> None:
    assert subject.groups() == groups


def test_an_account_is_one_subject_by_both_of_its_names() -> None:
    account = Subject("ServiceAccount", "app", SHOP)
    assert subject_of({"kind": "User", "name": "system:serviceaccount:shop:app"}) == account
    assert subject_of({"kind": "ServiceAccount", "name": "app"}, SHOP) == account
    assert subject_of({"kind": "User", "name": "system:serviceaccount:shop"}).kind == "User"


def test_aggregated_roles_are_followed_to_their_end_and_in_circles() -> None:
    def label(name: str) -> dict[str, str]:
        return {f"to-{name}": "true"}

    takes_b = [{"matchLabels": label("a")}]
    roles = [
        cluster_role("a", takes=takes_b, labels=label("c")),
        cluster_role("b", rule("get", "pods"), labels=label("a"), takes=[{"matchLabels": label("b")}]),
        cluster_role("c", rule("get", "secrets"), labels=label("b"), takes=[{"matchLabels": label("c")}]),
    ]
    review = AccessReview(cluster_roles=roles, role_bindings=[binding("a", ALICE, kind="ClusterRole")])
    assert named(review.who_can(GET_SECRET, SHOP)) == ["User alice"]
    assert len(review.rules("ClusterRole", "a")) == 2


SELECTORS = [
    ({}, True),
    ({"matchLabels": {"a": "1"}}, True),
    ({"matchLabels": {"a": "2"}}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
    ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "b", "operator": "Exists"}]}, False),
    ({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}, True),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
]


@pytest.mark.parametrize(("selector", "selected"), SELECTORS)
def test_selectors(selector: Object, selected: bool) -> None:
    assert selects(selector, {"a": "1"}) is selected


def test_a_binding_without_its_role_grants_nothing_and_is_told() -> None:
    review = AccessReview(role_bindings=[binding("gone", ALICE)])
    assert review.who_can(GET_SECRET, SHOP) == {}
    assert review.unresolved == ["RoleBinding shop/b-gone of Role gone"]


# ---------------------------------------------------------------------- powers, and ways to a Secret

WAYS = [
    ("directly", rule("get", "secrets"), "directly"),
    ("by its name", rule("watch", "secrets", names="db"), "directly"),
    ("another's name", rule("get", "secrets", names="tls"), None),
    ("a pod that mounts it", rule("create", "pods"), "by create pods"),
    ("a changed Deployment", rule("patch", "deployments", "apps"), "by patch deployments"),
    ("a CronJob", rule("create", "cronjobs", "batch"), "by create cronjobs"),
    ("exec", rule("create", "pods/exec"), "by create pods/exec"),
    ("exec by a websocket's GET", rule("get", "pods/exec"), "by get pods/exec"),
    ("an ephemeral container", rule("patch", "pods/ephemeralcontainers"), "by patch pods/ephemeralcontainers"),
    ("a token", rule("create", "serviceaccounts/token"), "by create serviceaccounts/token"),
    ("impersonation", rule("impersonate", "serviceaccounts"), "by impersonate serviceaccounts"),
    ("a wider role", rule("escalate", "roles", "rbac.authorization.k8s.io"), "by escalate roles"),
    ("a wider binding", rule("bind", "clusterroles", "rbac.authorization.k8s.io"), "by bind clusterroles"),
    ("a port alone", rule("create", "pods/portforward"), None),
    ("reading pods", rule("get list watch", "pods pods/log"), None),
]


@pytest.mark.parametrize(("raw", "how"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_ways_to_a_secret(raw: Object, how: str | None) -> None:
    review = AccessReview(roles=[role("r", raw)], role_bindings=[binding("r", ALICE)])
    assert [one.how for one in readers(review, SHOP, "db")] == ([how] if how else [])


def test_readers_of_named_secrets_are_told_apart() -> None:
    named, all_ = rule("get", "secrets", names="db"), rule("list", "secrets")
    review = AccessReview(
        roles=[role("named", named), role("all", all_)],
        role_bindings=[binding("named", ALICE), binding("all", OPS)],
    )
    assert {str(one.subject): one.named for one in readers(review, SHOP)} == {"User alice": True, "Group ops": False}
    assert [str(one) for one in readers(review, SHOP, "db")][1].endswith("(directly, named Secrets alone)")
    assert [str(one.subject) for one in readers(review, SHOP, "tls")] == ["Group ops"]
    assert set(powers(review, SHOP)) == {Subject("User", "alice"), Subject("Group", "ops")}


def test_what_is_the_clusters_needs_a_binding_of_the_cluster() -> None:
    proxy = cluster_role("r", rule("get", "nodes/proxy"), rule("impersonate", "users"))
    inside = AccessReview(cluster_roles=[proxy], role_bindings=[binding("r", ALICE, kind="ClusterRole")])
    everywhere = AccessReview(
        cluster_roles=[proxy], cluster_role_bindings=[binding("r", ALICE, kind="ClusterRole", namespace="")]
    )
    assert powers(inside, SHOP) == {}
    assert set(powers(everywhere, SHOP)[Subject("User", "alice")]) == {"node proxy", "impersonate"}


def test_everything_is_every_power() -> None:
    admin = cluster_role("admin", rule("*", "*", "*"))
    review = AccessReview(
        cluster_roles=[admin], cluster_role_bindings=[binding("admin", ALICE, kind="ClusterRole", namespace="")]
    )
    assert set(powers(review, SHOP)[Subject("User", "alice")]) == set(POWERS)


@pytest.mark.parametrize(
    ("subject", "broad", "own"),
    [
        (Subject("Group", "system:authenticated"), True, False),
        (Subject("Group", "system:serviceaccounts:shop"), True, False),
        (Subject("Group", "system:masters"), False, True),
        (Subject("User", "system:anonymous"), True, False),
        (Subject("User", "system:kube-scheduler"), False, True),
        (Subject("User", "alice"), False, False),
        (Subject("ServiceAccount", "default", "other"), True, False),
        (Subject("ServiceAccount", "namespace-controller", "kube-system"), False, True),
        (Subject("ServiceAccount", "app", SHOP), False, False),
    ],
    ids=str,
)
def test_who_is_broad_and_who_is_kubernetes_itself(subject: Subject, broad: bool, own: bool) -> None:
    assert (is_broad(subject), is_clusters_own(subject)) == (broad, own)


WIDE = [
    ("its own namespace", rule("get", "pods"), False, []),
    ("any verb", rule("*", "pods"), False, ["has a wildcard in verbs by RoleBinding shop/b-r of ClusterRole r"]),
    ("reading everywhere", rule("get list", "pods"), True, []),
    (
        "writing everywhere",
        rule("get patch", "pods"),
        True,
        ["may patch pods in the whole cluster by ClusterRoleBinding b-r of ClusterRole r"],
    ),
    ("asking about itself", rule("create", "selfsubjectaccessreviews", "authorization.k8s.io"), True, []),
]


@pytest.mark.parametrize(("raw", "everywhere", "told"), [row[1:] for row in WIDE], ids=[row[0] for row in WIDE])
def test_what_is_too_wide(raw: Object, everywhere: bool, told: list[str]) -> None:
    bound = binding("r", APP, kind="ClusterRole", namespace="" if everywhere else SHOP)
    given_to = {"cluster_role_bindings": [bound]} if everywhere else {"role_bindings": [bound]}
    review = AccessReview(cluster_roles=[cluster_role("r", raw)], **given_to)
    assert list(wide(review, Subject("ServiceAccount", "app", SHOP), SHOP)) == told


# ---------------------------------------------------------------------- against the plain definition

VERBS, RESOURCES, NAMES, PLACES = (
    ("get", "list", "create", "*"),
    ("pods", "secrets", "pods/exec", "*", "*/exec"),
    ("a", "b"),
    ("x", "y"),
)
RAW_RULES = st.builds(
    lambda verbs, resources, groups, names: {
        "verbs": verbs, "resources": resources, "apiGroups": groups, **({"resourceNames": names} if names else {})
    },
    st.lists(st.sampled_from(VERBS), max_size=2),
    st.lists(st.sampled_from(RESOURCES), max_size=2),
    st.lists(st.sampled_from(("", "apps", "*")), min_size=1, max_size=2),
    st.lists(st.sampled_from(NAMES), max_size=1),
)  # fmt: skip
SUBJECTS = st.sampled_from(
    [ALICE, OPS, {"kind": "User", "name": "bob"}, APP, {"kind": "ServiceAccount", "name": "app"},
     {"kind": "Group", "name": "system:authenticated"}, {"kind": "Group", "name": "system:serviceaccounts:x"}]
)  # fmt: skip
ROLE_NAMES = st.sampled_from(("r", "s", "t"))
ROLES = st.lists(
    st.builds(lambda name, place, rules: role(name, *rules, namespace=place), ROLE_NAMES, st.sampled_from(PLACES),
              st.lists(RAW_RULES, max_size=2)),
    max_size=4, unique_by=lambda one: (one["metadata"]["name"], one["metadata"]["namespace"]),
)  # fmt: skip
LABELS = st.dictionaries(st.sampled_from(("l", "m")), st.just("1"), max_size=2)
CLUSTER_ROLES = st.lists(
    st.builds(
        lambda name, rules, labels, takes: cluster_role(
            name, *rules, labels=labels, takes=[{"matchLabels": {takes: "1"}}] if takes else None
        ),
        ROLE_NAMES, st.lists(RAW_RULES, max_size=2), LABELS, st.sampled_from(("", "l", "m")),
    ),
    max_size=3, unique_by=lambda one: one["metadata"]["name"],
)  # fmt: skip


def bindings_in(places: tuple[str, ...], kinds: tuple[str, ...]) -> Any:
    return st.lists(
        st.builds(
            lambda of, kind, place, subjects: binding(of, *subjects, namespace=place, kind=kind),
            ROLE_NAMES, st.sampled_from(kinds), st.sampled_from(places), st.lists(SUBJECTS, max_size=2),
        ),
        max_size=4,
    )  # fmt: skip


def plainly(world: dict[str, list[Object]], subject: Subject, asked: Asked, namespace: str) -> bool:
    """The definition: is there a binding in force here, naming the subject or a group of it, whose role has a rule?"""
    names = {subject} | {Subject("Group", one) for one in subject.groups({"ops": ["bob"]})}

    def rules_of(found: Object, seen: tuple[str, ...] = ()) -> list[Object]:
        rules = list(found["rules"])
        for selector in (found.get("aggregationRule") or {}).get("clusterRoleSelectors", ()):
            for other in world["cluster_roles"]:
                name = other["metadata"]["name"]
                if name not in seen and selector["matchLabels"].items() <= other["metadata"]["labels"].items():
                    rules += rules_of(other, (*seen, name))
        return rules

    def allows(raw: Object) -> bool:
        resource, _slash, below = asked.resource.partition("/")
        wanted = {"*", asked.resource} | ({f"*/{below}"} if below else set())
        return (
            any(verb in ("*", asked.verb) for verb in raw["verbs"])
            and any(group in ("*", asked.group) for group in raw["apiGroups"])
            and any(one in wanted for one in raw["resources"])
            and ("resourceNames" not in raw or asked.name in raw["resourceNames"])
            and bool(resource)
        )

    for one in (*world["cluster_role_bindings"], *world["role_bindings"]):
        place = one["metadata"].get("namespace", "")
        if place not in ("", namespace):
            continue
        if not names & {subject_of(raw, place) for raw in one["subjects"]}:
            continue
        reference = one["roleRef"]
        held = world["cluster_roles"] if reference["kind"] == "ClusterRole" else world["roles"]
        for found in held:
            same = found["metadata"]["name"] == reference["name"]
            here = reference["kind"] == "ClusterRole" or found["metadata"]["namespace"] == place
            if same and here and any(allows(raw) for raw in rules_of(found)):
                return True
    return False


@settings(max_examples=300)
@given(
    ROLES, CLUSTER_ROLES, bindings_in(PLACES, ("Role", "ClusterRole")), bindings_in(("",), ("ClusterRole",)),
    st.sampled_from(("get", "list", "create")), st.sampled_from(("pods", "secrets", "pods/exec")),
    st.sampled_from(("", "a", "b")),
)  # fmt: skip
def test_the_review_agrees_with_the_definition(
    roles: list[Object], cluster_roles: list[Object], role_bindings: list[Object], cluster_bindings: list[Object],
    verb: str, resource: str, name: str,
) -> None:  # fmt: skip
    world = {
        "roles": roles, "cluster_roles": cluster_roles, "role_bindings": role_bindings,
        "cluster_role_bindings": cluster_bindings,
    }  # fmt: skip
    review = AccessReview(**world, members={"ops": ["bob"]})
    asked = Asked(verb, resource, name=name)
    subjects = [Subject("User", "alice"), Subject("User", "bob"), Subject("ServiceAccount", "app", "x"),
                Subject("ServiceAccount", "app", SHOP), Subject("Group", "ops")]  # fmt: skip
    for place in PLACES:
        resolved = review.resolved(asked, place, [one for one in subjects if one.kind == "ServiceAccount"])
        for subject in subjects:
            wanted = plainly(world, subject, asked, place)
            assert bool(review.may(subject, asked, place)) is wanted
            if subject != Subject("User", "alice"):  # whom no list of members names
                assert (subject in resolved) is wanted


# ---------------------------------------------------------------------- at size


def test_a_large_cluster_costs_each_role_one_look_for_each_question() -> None:
    count, kinds, per_role = 5000, 250, 4
    roles = [cluster_role(f"r{at}", *[rule("get list", f"kind{at}-{no}") for no in range(per_role - 1)],
                          rule("get", "secrets" if at % 10 == 0 else "pods")) for at in range(kinds)]  # fmt: skip
    bound = [
        binding(f"r{at % kinds}", {"kind": "User", "name": f"u{at}"}, kind="ClusterRole", namespace=SHOP, name=f"b{at}")
        for at in range(count)
    ]
    review = AccessReview(cluster_roles=roles, role_bindings=bound)
    began = time.perf_counter()
    found = readers(review, SHOP, "db")
    asked = len({(asked.verb, asked.resource) for questions in POWERS.values() for asked in questions})
    assert len(found) == count // 10
    assert review.count.rules <= kinds * per_role * (asked + 3)  # three verbs are asked twice
    assert review.count.bindings == 2 * (count // 10)  # those that grant it: some Secret, and every Secret
    sys.stdout.write(f"{count} bindings, {kinds} roles: {time.perf_counter() - began:.3f} s, {review.count}\n")
    before = review.count.rules
    assert len(readers(review, SHOP, "db")) == count // 10
    assert review.count.rules == before  # what is known is not worked out again
    assert len(powers(review, SHOP)) == count
