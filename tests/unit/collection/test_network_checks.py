# Network policies judged from tables: each trap is red, and what nobody reached is proved shut by nothing.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.network import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    OUTCOMES,
    WORKLOADS,
    NetworkFacts,
    Path,
    Tried,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_policies import (
    DIRECTIONS,
    directions_of,
    keys_used,
    selecting_all,
    selects,
    wide_open,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

Object = dict[str, Any]
APP = {"app": "shop"}


def policy(name: str, **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"podSelector": {}, **spec}}


def pod(name: str = "shop-1", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": name, "labels": APP if labels is None else labels}, "spec": spec}


OWN = policy("own", podSelector={"matchLabels": APP}, policyTypes=["Ingress", "Egress"])
DENY = policy("deny", policyTypes=["Ingress", "Egress"])
DATABASE = Path("the database", "database", "db.data.svc", 5432, allowed=True)
METADATA = Path("the metadata", "metadata", "169.254.169.254", 80, allowed=False)
OTHER = Path("the neighbour", "other_namespace", "web.shops.svc", 80, allowed=False)


def tried(path: Path, outcome: str, seen: str = "open", wanted: bool | None = None) -> Tried:
    return Tried(path, "a pod of it", path.allowed if wanted is None else wanted, outcome, "another pod", seen)


SHUT = (tried(METADATA, "timeout"), tried(OTHER, "refused"))
GOOD = NetworkFacts("shop", (DENY, OWN), (pod(),), (tried(DATABASE, "open"), *SHUT))


def verdict(facts: NetworkFacts) -> Verdict:
    (found,) = CHECKS.judge(facts)
    return found.verdict


def test_pods_that_are_kept_apart_are_green() -> None:
    found = verdict(GOOD)
    assert (found.state, found.weaker) == ("pass", ())
    assert "1 target that must be open is open, and 2 targets that must be shut are shut" in found.summary


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"policies": ()}, "not restricted for shop-1 (no NetworkPolicy is there)"),
        ({"pods": (pod(labels={"app": "renamed"}),), "policies": (OWN,)}, "of NetworkPolicy own none selects"),
        ({"policies": (policy("in", policyTypes=["Ingress"]),)}, "What may go out is not restricted for shop-1"),
        ({"policies": (OWN,)}, "No NetworkPolicy denies ingress by default for every pod"),
        (
            {"policies": (DENY, policy("open", policyTypes=["Egress"], egress=[{}]))},
            "NetworkPolicy open allows all egress",
        ),
        (
            {"policies": (DENY, policy("open", ingress=[{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]))},
            "NetworkPolicy open allows all ingress",
        ),
        ({"policies": (DENY, policy("all", ingress=[{"from": [{"namespaceSelector": {}}]}]))}, "allows all ingress"),
        ({"pods": (pod(hostNetwork=True),)}, "the node's network"),
        ({"tried": (*SHUT, tried(DATABASE, "timeout"))}, "must be open, and is for other pods only"),
        ({"tried": (tried(METADATA, "open"), tried(OTHER, "timeout"))}, "the metadata (169.254.169.254:80)"),
        ({"tried": (tried(METADATA, "open", "timeout"), tried(OTHER, "timeout"))}, "must be shut and is open"),
    ],
)
def test_each_trap_is_red(changes: Object, said: str) -> None:
    found = verdict(replace(GOOD, **changes))
    assert found.state == "fail", found.summary
    assert said in found.summary
    assert found.remedy


def test_a_network_that_ignores_policies_is_told_so() -> None:
    found = verdict(replace(GOOD, tried=(tried(METADATA, "open"), tried(OTHER, "open"))))
    assert found.state == "fail"
    assert "Nothing enforces these policies" in found.summary


@pytest.mark.parametrize("policies", [(), (DENY, policy("open", ingress=[{}]))])
def test_where_policies_themselves_let_pass_their_enforcement_is_not_doubted(policies: tuple[Object, ...]) -> None:
    found = verdict(replace(GOOD, policies=policies, tried=(tried(METADATA, "open"), tried(OTHER, "open"))))
    assert "enforces" not in found.summary


@pytest.mark.parametrize(
    ("changes", "state", "said"),
    [
        ({"tried": (tried(METADATA, "timeout", "timeout"),)}, "inconclusive", "nothing is proved"),
        ({"tried": (tried(METADATA, "timeout", ""),)}, "inconclusive", "not tried for another pod"),
        ({"tried": (*SHUT, tried(DATABASE, "refused", "refused"))}, "inconclusive", "nothing is proved"),
        ({"tried": ()}, "inconclusive", "No target was tried"),
        ({"unknown": {"outside": "no target"}}, "pending", "outside: no target"),
        ({"no_probe": "it needs a probe.", "tried": ()}, "pending", "it needs a probe"),
        ({"denied": "Not permitted to list."}, "pending", "Not permitted"),
        ({"pods": ()}, "pending", "No pod runs"),
    ],
)
def test_what_is_not_known_is_never_green(changes: Object, state: str, said: str) -> None:
    found = verdict(replace(GOOD, **changes))
    assert (found.state, said in found.summary) == (state, True), found.summary


def test_isolating_only_what_runs_is_weaker() -> None:
    found = verdict(replace(GOOD, policies=(OWN,), isolation=WORKLOADS))
    assert (found.state, len(found.weaker)) == ("pass", 1)
    assert verdict(replace(GOOD, isolation=WORKLOADS)).weaker == ()


@given(
    st.lists(
        st.builds(
            lambda wanted, outcome, seen: tried(DATABASE if wanted else METADATA, outcome, seen),
            st.booleans(),
            st.sampled_from(OUTCOMES),
            st.sampled_from([*OUTCOMES, ""]),
        )
    )
)
def test_it_is_green_only_where_all_is_as_wanted_and_witnessed(given_: list[Tried]) -> None:
    state = verdict(replace(GOOD, tried=tuple(given_))).state
    assert (state == "pass") == (bool(given_) and all(one.settled for one in given_))
    wrong = any(one.through != one.wanted and (one.through or one.witnessed) for one in given_)
    assert (state == "fail") == wrong


# ---------------------------------------------------------------------- the semantics of NetworkPolicy


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        (None, True),
        ({"matchLabels": APP}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["shop"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["shop"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["shop"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector: Object | None, chosen: bool) -> None:
    assert selects(selector, APP) is chosen


@pytest.mark.parametrize(
    ("spec", "directions"),
    [
        ({}, {"Ingress"}),
        ({"egress": [{}]}, {"Ingress", "Egress"}),
        ({"policyTypes": ["Egress"]}, {"Egress"}),
    ],
)
def test_directions(spec: Object, directions: set[str]) -> None:
    assert directions_of({"spec": spec}) == directions


@pytest.mark.parametrize(
    ("rule", "everything"),
    [
        ({}, True),
        ({"ports": [{"port": 443}]}, False),
        ({"to": []}, True),
        ({"to": [{"ipBlock": {"cidr": "::/0"}}]}, True),
        ({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]}, False),
        ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, False),
        ({"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": APP}}]}, False),
        ({"to": [{"podSelector": {}}]}, False),
    ],
)
def test_what_lets_everything_pass(rule: Object, everything: bool) -> None:
    assert bool(wide_open([policy("p", policyTypes=["Egress"], egress=[rule])])) is everything


def test_who_selects_all_and_by_which_labels_pods_are_told_apart() -> None:
    assert all(selecting_all([OWN, DENY], one) == ["deny"] for one in DIRECTIONS)
    peers = policy(
        "p", ingress=[{"from": [{"podSelector": {"matchExpressions": [{"key": "tier", "operator": "Exists"}]}}]}]
    )
    assert keys_used([OWN, peers]) == {"app", "tier"}
