# Real connections through the generated table, between network namespaces of the tests' own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import select
import shutil
import socket
from collections.abc import Iterator

import pytest

from sandbox.components.network_policy import kernel
from sandbox.components.network_policy.rules import derive
from sandbox.components.network_policy.table import GONE
from sandbox.errors import SandboxError
from sandbox.preflight import kernel_lacks
from tests.unit.sandbox.policy_net import ADDRESSES, NODE, OTHER_OUTSIDE, OUTSIDE, SERVICE, Net
from tests.unit.sandbox.policy_world import namespace, pod, policies, render, world


def lacks() -> str:
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    if missing := [name for name in ("ip", "nft") if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)}"
    if kernel_lacks():
        return f"the kernel lacks {', '.join(kernel_lacks())}"
    return ""


REASON = lacks()
pytestmark = pytest.mark.skipif(bool(REASON), reason=f"real connections: {REASON}")

A, B, C = (ADDRESSES[name] for name in "abc")
PODS = [
    pod("shop/a", A, {"app": "a"}),
    pod("shop/b", B, {"app": "b"}, ports={"web": "TCP/8080", "dns": "UDP/5353"}),
    pod("data/c", C, {"app": "c"}, ports={"web": "TCP/9090"}),
]
ON_B = "in: shop\npodSelector: {matchLabels: {app: b}}\n"
DENY_B = ON_B
FROM_A = ON_B + "ingress: [{from: [{podSelector: {matchLabels: {app: a}}}]}]\n"
BALANCER, CLUSTER = "198.51.100.7", "10.96.0.77"


def proxy(address: str, port: int) -> str:
    """What kube-proxy would make of a Service of this address and port, which leads to port 8080 of b."""
    lead = f"ip daddr {address} tcp dport {port} dnat to {B}:8080;"
    chains = [f"chain {hook} {{ type nat hook {hook} priority -100; {lead} }}" for hook in ("prerouting", "output")]
    return f"{NO_PROXY}table ip np-proxy {{\n{chr(10).join(chains)}\n}}\n"


NO_PROXY = "add table ip np-proxy\ndelete table ip np-proxy\n"


@pytest.fixture(scope="module")
def made() -> Iterator[Net]:
    net = Net()
    try:
        net.make()
        yield net
    finally:
        net.remove()


@pytest.fixture
def net(made: Net) -> Iterator[Net]:
    yield made
    made.close()
    made.load(GONE)


def enforce(net: Net, text: str) -> None:
    net.load(render(derive(world(PODS, [namespace("shop"), namespace("data", team="d")], policies(text)))))


def test_without_policies_all_passes(net: Net) -> None:
    net.listen("b", 8080)
    enforce(net, "")
    assert net.connects("a", B, 8080)
    assert net.connects(OUTSIDE, B, 8080)


def test_default_deny_drops_pods_and_outside_and_leaves_others_alone(net: Net) -> None:
    for name in "bc":
        net.listen(name, 8080)
    server = net.receive("b", 5353)
    enforce(net, DENY_B)
    assert not net.connects("a", B, 8080)
    assert not net.connects(OUTSIDE, B, 8080)
    assert not net.arrives("a", B, server)
    assert net.connects("a", C, 8080)
    assert net.connects("b", C, 8080)


def test_the_node_always_gets_in_and_is_always_reached(net: Net) -> None:
    net.listen("b", 8080)
    net.listen(NODE, 10250)
    enforce(net, ON_B + "policyTypes: [Ingress, Egress]\n")
    assert not net.connects("a", B, 8080)
    assert net.connects(NODE, B, 8080)
    assert net.connects("b", ADDRESSES[NODE], 10250)


def test_selected_pods_pass_in_tcp_and_udp(net: Net) -> None:
    net.listen("b", 8080)
    server = net.receive("b", 5353)
    enforce(net, FROM_A)
    assert net.connects("a", B, 8080)
    assert net.arrives("a", B, server)
    assert not net.connects("c", B, 8080)
    assert not net.arrives("c", B, server)


def test_egress_is_dropped_and_replies_to_others_pass(net: Net) -> None:
    for name, port in (("b", 8080), ("a", 8080), (OUTSIDE, 443), ("c", 9090)):
        net.listen(name, port)
    enforce(net, ON_B + "policyTypes: [Egress]\negress: [{to: [{namespaceSelector: {matchLabels: {team: d}}}]}]\n")
    assert not net.connects("b", A, 8080)
    assert not net.connects("b", ADDRESSES[OUTSIDE], 443)
    assert net.connects("b", C, 9090)
    assert net.connects("a", B, 8080)  # its handshake needs the replies of b


def test_a_named_port_is_the_receivers(net: Net) -> None:
    for name, port in (("b", 8080), ("b", 9090), ("c", 9090), ("c", 8080)):
        net.listen(name, port)
    out = "in: shop\npodSelector: {matchLabels: {app: a}}\npolicyTypes: [Egress]\negress: [{ports: [{port: web}]}]\n"
    enforce(net, out)
    assert net.connects("a", B, 8080)
    assert not net.connects("a", B, 9090)
    assert net.connects("a", C, 9090)
    assert not net.connects("a", C, 8080)


def test_a_range_of_ports_has_both_its_ends(net: Net) -> None:
    for port in (2999, 3000, 3010, 3011):
        net.listen("b", port)
    enforce(net, ON_B + "ingress: [{ports: [{port: 3000, endPort: 3010}]}]\n")
    assert [net.connects("a", B, port) for port in (2999, 3000, 3010, 3011)] == [False, True, True, False]


def test_a_block_passes_and_its_exception_does_not(net: Net) -> None:
    net.listen("b", 8080)
    enforce(net, ON_B + "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/30]}}]}]\n")
    assert net.connects(OUTSIDE, B, 8080, source=ADDRESSES[OUTSIDE])
    assert not net.connects(OUTSIDE, B, 8080, source=OTHER_OUTSIDE)
    assert not net.connects("a", B, 8080)


def test_a_service_is_judged_by_the_pod_that_it_leads_to(net: Net) -> None:
    net.listen("b", 8080)
    net.load(proxy(SERVICE, 80))
    port = "ingress: [{from: [{podSelector: {matchLabels: {app: a}}}], ports: [{port: 8080}]}]\n"
    enforce(net, ON_B + port)
    try:
        assert net.connects("a", SERVICE, 80)
        assert not net.connects("c", SERVICE, 80)
        assert net.connects(NODE, SERVICE, 80)
        egress = (
            "policyTypes: [Egress]\negress: [{to: [{podSelector: {matchLabels: {app: %s}}}], ports: [{port: 8080}]}]\n"
        )
        enforce(net, "in: shop\npodSelector: {matchLabels: {app: a}}\n" + egress % "b")
        assert net.connects("a", SERVICE, 80)
        enforce(net, "in: shop\npodSelector: {matchLabels: {app: a}}\n" + egress % "c")
        assert not net.connects("a", SERVICE, 80)
    finally:
        net.load(NO_PROXY)


FROM_A_TO = "in: shop\npodSelector: {matchLabels: {app: a}}\npolicyTypes: [Egress]\negress: [%s]\n"


@pytest.mark.parametrize(
    ("egress", "passes"),
    [
        ("{ports: [{port: 443}]}", True),  # asked for
        ("{to: [{ipBlock: {cidr: 198.51.100.7/32}}], ports: [{port: 443}]}", True),
        ("{to: [{podSelector: {matchLabels: {app: b}}}], ports: [{port: 8080}]}", True),  # where it leads to
        ("{ports: [{port: 80}]}", False),
        ("{ports: [{port: 443, protocol: UDP}]}", False),
        ("{to: [{ipBlock: {cidr: 198.51.100.8/32}}], ports: [{port: 443}]}", False),
        # Neither end: the pod at the port that was asked for, and the address asked for at the pod's port.
        ("{to: [{podSelector: {matchLabels: {app: b}}}], ports: [{port: 443}]}", False),
        ("{to: [{ipBlock: {cidr: 198.51.100.7/32}}], ports: [{port: 8080}]}", False),
    ],
)
def test_a_load_balancer_is_judged_by_what_was_asked_for_or_by_the_pod(net: Net, egress: str, passes: bool) -> None:
    net.listen("b", 8080)
    net.load(proxy(BALANCER, 443))
    try:
        enforce(net, FROM_A_TO % egress)
        assert net.connects("a", BALANCER, 443) is passes
    finally:
        net.load(NO_PROXY)


def test_behind_a_load_balancer_the_receiver_still_decides_for_itself(net: Net) -> None:
    net.listen("b", 8080)
    net.load(proxy(BALANCER, 443))
    try:
        enforce(net, FROM_A_TO % "{ports: [{port: 443}]}" + "---\n" + ON_B + "ingress: [{ports: [{port: 443}]}]\n")
        assert not net.connects("a", BALANCER, 443)
        enforce(net, FROM_A_TO % "{ports: [{port: 443}]}" + "---\n" + ON_B + "ingress: [{ports: [{port: 8080}]}]\n")
        assert net.connects("a", BALANCER, 443)
    finally:
        net.load(NO_PROXY)


def test_an_address_within_the_cluster_is_judged_by_the_pod_alone(net: Net) -> None:
    net.listen("b", 8080)
    net.load(proxy(CLUSTER, 443))
    try:
        enforce(net, FROM_A_TO % "{ports: [{port: 443}]}")
        assert not net.connects("a", CLUSTER, 443)
        enforce(net, FROM_A_TO % "{ports: [{port: 8080}]}")
        assert net.connects("a", CLUSTER, 443)
    finally:
        net.load(NO_PROXY)


def test_a_connection_stays_up_over_a_switch_that_forbids_new_ones(net: Net) -> None:
    server = net.listen("b", 8080)
    enforce(net, FROM_A)
    assert net.connects("a", B, 8080)
    client = net.sockets[-1]
    assert select.select([server], [], [], 10)[0]
    accepted, _ = server.accept()
    net.sockets.append(accepted)
    for text in (DENY_B, FROM_A, DENY_B):
        enforce(net, text)
        for sender, receiver in ((client, accepted), (accepted, client)):
            sender.sendall(b"still here")
            assert select.select([receiver], [], [], 10)[0]
            assert receiver.recv(32) == b"still here"
    assert not net.connects("a", B, 8080)


def test_a_wrong_table_leaves_the_former_one_in_force(net: Net) -> None:
    net.listen("b", 8080)
    enforce(net, DENY_B)
    wrong = (
        GONE + "table inet bytebot-policy {\n chain forward { type filter hook forward priority 0; no such word; }\n}\n"
    )
    with pytest.raises(SandboxError, match="nft ended with status 1"):
        net.load(wrong)
    assert not net.connects("a", B, 8080)


def test_ipv6_is_no_way_around(net: Net) -> None:
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110 - a file of the kernel
        pytest.skip("the kernel has no IPv6")
    net.listen("b", 8080, socket.AF_INET6)
    enforce(net, "")
    assert net.connects("a", "fd00::3", 8080)
    enforce(net, DENY_B)
    assert not net.connects("a", "fd00::3", 8080)


def test_taking_the_table_out_lets_all_pass(net: Net) -> None:
    net.listen("b", 8080)
    enforce(net, DENY_B)
    assert net.inside(NODE, kernel.present)
    net.inside(NODE, kernel.remove)
    assert not net.inside(NODE, kernel.present)
    assert net.connects("a", B, 8080)
    net.inside(NODE, kernel.remove)


def test_bridged_frames_must_be_shown_to_the_filter(net: Net) -> None:
    net.inside(NODE, kernel.require_bridged_frames)
    net.inside(NODE, lambda: kernel.BRIDGED.write_text("0"))
    try:
        with pytest.raises(SandboxError, match="is not 1"):
            net.inside(NODE, kernel.require_bridged_frames)
    finally:
        net.inside(NODE, lambda: kernel.BRIDGED.write_text("1"))
