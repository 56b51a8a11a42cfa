# The documented semantics of NetworkPolicy, case by case, and what must hold for any policies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import random
import shutil
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.components.network_policy.objects import selects
from sandbox.components.network_policy.rules import LAST_PORT, derive
from tests.unit.sandbox.policy_cases import CASES, NAMED_IN, NAMESPACES, PODS, PORT, WHERE
from tests.unit.sandbox.policy_world import accepted_by_nft, address, pod, policies, render, world


@pytest.mark.parametrize(("text", "flow", "passes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_documented(text: str, flow: str, passes: bool) -> None:
    source, destination, protocol, port = flow.split()
    rules = derive(world(PODS, NAMESPACES, policies(text)))
    ends = [address(WHERE.get(name) or WHERE.get(f"shop/{name}") or name) for name in (source, destination)]
    assert rules.permits(*ends, protocol, int(port)) is passes


def test_no_case_stands_twice() -> None:
    assert len({case[0] for case in CASES}) == len(CASES) == len({case[1:3] for case in CASES})


SELECTORS = [
    ({}, {}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
    ({"matchLabels": {"a": "1", "b": "3"}}, {"a": "1", "b": "2"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"b": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"b": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
]


@pytest.mark.parametrize(("selector", "labels", "chosen"), SELECTORS)
def test_selectors(selector: dict[str, Any], labels: dict[str, str], chosen: bool) -> None:
    assert selects(selector, labels) is chosen


def test_an_operator_that_the_api_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="Gt"):
        selects({"matchExpressions": [{"key": "a", "operator": "Gt"}]}, {})


def test_where_two_pods_claim_an_address_the_one_that_stays_has_it() -> None:
    going, staying = pod("shop/a", "10.244.0.7", {"app": "api"}, born="2"), pod("shop/b", "10.244.0.7", born="1")
    going["metadata"]["deletionTimestamp"] = "3"
    for pods in ([going, staying], [staying, going]):
        assert derive(world(pods, NAMESPACES, policies(PORT))).ingress == {}
    del going["metadata"]["deletionTimestamp"]
    assert set(derive(world([going, staying], NAMESPACES, policies(PORT))).ingress) == {address("10.244.0.7")}


def test_ports_of_sidecars_have_names_and_those_of_init_containers_have_none() -> None:
    one = pod("shop/api", "10.244.0.2", {"app": "api"})
    ports = [{"name": "http", "containerPort": 81}]
    for restart, passes in (("Always", True), (None, False)):
        one["spec"]["initContainers"] = [{"ports": ports, "restartPolicy": restart}]
        rules = derive(world([one], NAMESPACES, policies(NAMED_IN)))
        assert rules.permits(address("1.1.1.1"), address("10.244.0.2"), "TCP", 81) is passes


# ------------------------------------------------------------------ whatever the policies


LABELS = st.sampled_from([{"app": "web"}, {"app": "api"}, {"app": "db"}, {"tier": "back"}, {}])
PEERS = st.one_of(
    st.builds(lambda labels: {"podSelector": {"matchLabels": labels}}, LABELS),
    st.builds(lambda team: {"namespaceSelector": {"matchLabels": {"team": team}}}, st.sampled_from("abc")),
    st.builds(
        lambda labels, team: {
            "podSelector": {"matchLabels": labels}, "namespaceSelector": {"matchLabels": {"team": team}},
        },
        LABELS, st.sampled_from("ab"),
    ),
    st.sampled_from([
        {"ipBlock": {"cidr": "0.0.0.0/0"}},
        {"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.2/31"]}},
        {"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.0/24"]}},
        {"ipBlock": {"cidr": "2001:db8::/32"}},
    ]),
)  # fmt: skip
PORTS = st.one_of(
    st.builds(lambda protocol, port: {"protocol": protocol, "port": port},
              st.sampled_from(["TCP", "UDP", "SCTP"]), st.sampled_from([53, 3000, 5432, 8080, "http", "sql", "none"])),
    st.builds(lambda first, more: {"port": first, "endPort": min(first + more, LAST_PORT)},
              st.integers(1, LAST_PORT), st.integers(0, 9000)),
    st.just({"protocol": "UDP"}),
)  # fmt: skip


def rule(peers: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {}, optional={peers: st.lists(PEERS, max_size=3), "ports": st.lists(PORTS, max_size=3)}
    )


SPECS = st.fixed_dictionaries(
    {"in": st.sampled_from(["shop", "data"]), "podSelector": st.builds(lambda one: {"matchLabels": one}, LABELS)},
    optional={
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        "ingress": st.lists(rule("from"), max_size=2),
        "egress": st.lists(rule("to"), max_size=2),
    },
)


def made(specs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "metadata": {"namespace": spec["in"], "name": str(number)},
            "spec": {k: v for k, v in spec.items() if k != "in"},
        }
        for number, spec in enumerate(specs)
    ]


ENDS = [address(text) for text in {*WHERE.values(), "203.0.113.77"} if text]
FLOWS = [
    (source, destination, protocol, port)
    for source in ENDS
    for destination in ENDS
    for protocol, port in (("TCP", 3000), ("TCP", 5432), ("TCP", 8080), ("UDP", 53), ("SCTP", 1))
]


@given(st.lists(SPECS, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_policies_and_pods_does_not_matter(specs: list[dict[str, Any]], chance: random.Random) -> None:
    given_policies, pods = made(specs), list(PODS)
    text = render(derive(world(pods, NAMESPACES, given_policies)))
    chance.shuffle(given_policies)
    chance.shuffle(pods)
    assert render(derive(world(pods, list(reversed(NAMESPACES)), given_policies))) == text


@given(st.lists(SPECS, min_size=1, max_size=3), st.data())
def test_one_more_rule_never_takes_a_flow_away(specs: list[dict[str, Any]], data: st.DataObject) -> None:
    """In a policy whose types are given: a rule may not isolate by being there."""
    for spec in specs:
        spec.setdefault("policyTypes", ["Ingress", "Egress"])
    before = derive(world(PODS, NAMESPACES, made(specs)))
    direction, peers = data.draw(st.sampled_from([("ingress", "from"), ("egress", "to")]))
    one = data.draw(st.sampled_from(specs))
    one[direction] = [*(one.get(direction) or []), data.draw(rule(peers))]
    after = derive(world(PODS, NAMESPACES, made(specs)))
    assert [flow for flow in FLOWS if before.permits(*flow) and not after.permits(*flow)] == []


@given(st.lists(SPECS, min_size=1, max_size=4))
def test_a_flow_between_isolated_pods_is_the_union_of_what_each_policy_allows(specs: list[dict[str, Any]]) -> None:
    """Judged for one direction at a time, each policy on its own beside a denial of everything."""
    for spec in specs:
        spec["policyTypes"] = ["Ingress"]
    deny = [{"in": one, "podSelector": {}, "policyTypes": ["Ingress"]} for one in ("shop", "data")]
    together = derive(world(PODS, NAMESPACES, made([*deny, *specs])))
    alone = [derive(world(PODS, NAMESPACES, made([*deny, one]))) for one in specs]
    assert [f for f in FLOWS if together.permits(*f) is not any(one.permits(*f) for one in alone)] == []


@given(
    st.integers(0, 2**32 - 1), st.integers(8, 32), st.lists(st.tuples(st.integers(0, 2**24), st.integers(0, 8))),
    st.integers(0, 2**24),
)  # fmt: skip
def test_a_block_is_its_addresses_without_those_of_its_exceptions(
    base: int, length: int, holes: list[tuple[int, int]], offset: int
) -> None:
    block = IPv4Network((base, length), strict=False)
    inside = [
        IPv4Network((int(block[at % block.num_addresses]), min(32, length + more)), strict=False) for at, more in holes
    ]
    spec = {"ipBlock": {"cidr": str(block), "except": [str(one) for one in inside]}}
    rules = derive(world(PODS, NAMESPACES, made([{"in": "shop", "podSelector": {}, "ingress": [{"from": [spec]}]}])))
    tried = block[offset % block.num_addresses]
    expected = not any(tried in one for one in inside)
    target = address("10.244.0.2") if tried != address("10.244.0.2") else address("10.244.0.1")
    assert rules.permits(IPv4Address(tried), target, "TCP", 1) is expected


# ------------------------------------------------------------------ the text


needs_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"),
    reason="checking the text with nft needs root and the package nftables",
)


@needs_nft
def test_nft_takes_the_text_of_every_case() -> None:
    texts = {render(derive(world(PODS, NAMESPACES, policies(case[1])))) for case in CASES}
    assert len(texts) > 20
    assert [said for text in sorted(texts) if (said := accepted_by_nft(text))] == []


@needs_nft
def test_nft_takes_the_text_of_random_policies() -> None:
    """One call for many: what hypothesis finds first, as tables of other names."""
    texts: list[str] = []

    @given(st.lists(SPECS, max_size=6))
    def collect(specs: list[dict[str, Any]]) -> None:
        text = render(derive(world(PODS, NAMESPACES, made(specs))))
        texts.append(text.replace("bytebot-policy", f"t{len(texts)}"))

    collect()
    assert len(texts) >= 50
    assert accepted_by_nft("".join(texts)) == ""


@needs_nft
def test_nft_refuses_what_is_wrong() -> None:
    text = render(derive(world(PODS, NAMESPACES, policies(PORT))))
    assert accepted_by_nft(text.replace("dport", "dpart")) != ""


def test_replicas_share_a_chain_and_the_former_table_goes_in_the_same_transaction() -> None:
    replicas = [pod(f"shop/r{n}", f"10.244.0.{n}", {"app": "api"}) for n in range(10, 15)]
    text = render(derive(world(replicas, NAMESPACES, policies(PORT))))
    assert text.count("chain ingress-") == 1
    assert text.startswith(
        "add table inet bytebot-policy\ndelete table inet bytebot-policy\ntable inet bytebot-policy {"
    )


def test_without_isolated_pods_there_is_a_table_and_no_hook() -> None:
    text = render(derive(world(PODS, NAMESPACES, [])))
    assert "hook" not in text
    assert text.rstrip().endswith("table inet bytebot-policy {\n}")
