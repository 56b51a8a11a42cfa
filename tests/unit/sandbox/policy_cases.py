# The semantics of NetworkPolicy as documented, one case a line.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501

from __future__ import annotations

from tests.unit.sandbox.policy_world import namespace, pod

NAMESPACES = [namespace("shop", team="a"), namespace("data", team="b"), namespace("empty", team="b")]
PODS = [
    pod("shop/web", "10.244.0.1", {"app": "web"}, ports={"http": "TCP/8080", "who": "UDP/53"}),
    pod("shop/api", "10.244.0.2", {"app": "api", "tier": "back"}, ports={"http": "TCP/3000"}),
    pod("data/db", "10.244.0.3", {"app": "db"}, ports={"sql": "TCP/5432"}),
    pod("data/api", "10.244.0.4", {"app": "api"}),
    pod("shop/far", "10.244.1.1", {"app": "web"}, node="other"),
    pod("shop/agent", "10.250.0.2", {"app": "web"}, host=True),
    pod("shop/done", "10.244.0.9", {"app": "web"}, phase="Succeeded"),
    pod("shop/new", "", {"app": "web"}),
]
WHERE = {
    **{f"{one['metadata']['namespace']}/{one['metadata']['name']}": one["status"]["podIP"] for one in PODS},
    "outside": "203.0.113.5", "machine": "10.250.0.1", "freed": "10.244.0.9",
}  # fmt: skip

API = "in: shop\npodSelector: {matchLabels: {app: api}}\n"
ALL = "in: shop\npodSelector: {}\n"
DENY_IN = ALL + "policyTypes: [Ingress]\n"
DENY_OUT = ALL + "policyTypes: [Egress]\n"
FROM_WEB = API + "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]\n"
FROM_TEAM_B = API + "ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}]}]\n"
BOTH = (
    API + "ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}, podSelector: {matchLabels: {app: api}}}]}]\n"
)
EITHER = (
    API
    + "ingress: [{from: [{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}]}]\n"
)
BLOCK = API + "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.4/30, 203.0.113.200/32]}}]}]\n"
PORT = API + "ingress: [{ports: [{port: 3000}]}]\n"
RANGE = API + "ingress: [{ports: [{port: 3000, endPort: 3010}]}]\n"
UDP = API + "ingress: [{ports: [{port: 53, protocol: UDP}]}]\n"
SCTP = API + "ingress: [{ports: [{port: 99, protocol: SCTP}]}]\n"
NAMED_IN = ALL + "ingress: [{ports: [{port: http}]}]\n"
ANY_TCP = API + "ingress: [{ports: [{protocol: TCP}]}]\n"
NAMED_OUT = API + "policyTypes: [Egress]\negress: [{to: [{podSelector: {}}], ports: [{port: http}]}]\n"
NAMED_OUT_ANY = API + "policyTypes: [Egress]\negress: [{ports: [{port: sql}, {port: 443}]}]\n"
NAMED_OUT_BLOCK = (
    API + "policyTypes: [Egress]\negress: [{to: [{ipBlock: {cidr: 10.244.0.0/30}}], ports: [{port: http}]}]\n"
)
TO_DB = (
    API
    + "policyTypes: [Egress]\negress: [{to: [{namespaceSelector: {matchLabels: {team: b}}}], ports: [{port: 5432}]}]\n"
)
TWO_RULES = (
    API
    + "ingress: [{from: [{podSelector: {}}], ports: [{port: 1}]}, {from: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 2}]}]\n"
)
EXPRESSIONS = (
    API
    + "ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}, namespaceSelector: {}}]}]\n"
)

CASES = [
    # id, policies, flow, whether it passes
    ("without policies all passes", "", "shop/web data/db TCP 5432", True),
    ("without policies the outside gets in", "", "outside shop/web TCP 8080", True),
    ("deny all ingress", DENY_IN, "data/api shop/api TCP 3000", False),
    ("deny all ingress, same namespace too", DENY_IN, "shop/web shop/api TCP 3000", False),
    ("deny all ingress, outside too", DENY_IN, "outside shop/api TCP 3000", False),
    ("deny all ingress isolates not for egress", DENY_IN, "shop/api data/db TCP 5432", True),
    ("deny all ingress isolates only its namespace", DENY_IN, "shop/api data/api UDP 1", True),
    ("deny all egress", DENY_OUT, "shop/api data/db TCP 5432", False),
    ("deny all egress, outside too", DENY_OUT, "shop/api outside TCP 443", False),
    ("deny all egress, names too", DENY_OUT, "shop/api data/db UDP 53", False),
    ("deny all egress isolates not for ingress", DENY_OUT, "data/db shop/api TCP 1", True),
    ("deny both, in", ALL + "policyTypes: [Ingress, Egress]\n", "data/db shop/api TCP 1", False),
    ("deny both, out", ALL + "policyTypes: [Ingress, Egress]\n", "shop/api data/db TCP 1", False),
    ("a pod reaches itself whatever is denied", ALL + "policyTypes: [Ingress, Egress]\n", "shop/api shop/api TCP 1", True),
    ("types absent: ingress", ALL, "data/db shop/api TCP 1", False),
    ("types absent, no egress rules: egress passes", ALL, "shop/api data/db TCP 1", True),
    ("types absent, egress rules: egress is isolated", ALL + "egress: [{ports: [{port: 1}]}]\n", "shop/api data/db TCP 2", False),
    ("types absent, egress rules: they allow", ALL + "egress: [{ports: [{port: 1}]}]\n", "shop/api data/db TCP 1", True),
    ("types absent, egress rules: ingress is isolated", ALL + "egress: [{}]\n", "data/db shop/api TCP 1", False),
    ("types Egress only: ingress rules do not count", API + "policyTypes: [Egress]\ningress: [{}]\n", "web shop/api TCP 1", True),
    ("types Ingress only: egress rules do not count", API + "policyTypes: [Ingress]\negress: [{ports: [{port: 1}]}]\n", "shop/api outside TCP 2", True),
    ("an empty rule allows all in", ALL + "ingress: [{}]\n", "outside shop/api SCTP 7", True),
    ("an empty rule allows all out", ALL + "policyTypes: [Egress]\negress: [{}]\n", "shop/api outside UDP 7", True),
    ("empty from is all", API + "ingress: [{from: [], ports: [{port: 3000}]}]\n", "outside shop/api TCP 3000", True),
    ("empty ports is all", API + "ingress: [{from: [{podSelector: {}}], ports: []}]\n", "shop/web shop/api UDP 9", True),
    ("a selector selects", PORT, "outside shop/api TCP 1", False),
    ("a selector leaves others alone", PORT, "outside shop/web TCP 1", True),
    ("a policy is of its namespace", PORT, "outside data/api TCP 1", True),
    ("podSelector alone: same namespace", FROM_WEB, "shop/web shop/api TCP 1", True),
    ("podSelector alone: a pod of another node", FROM_WEB, "shop/far shop/api TCP 1", True),
    ("podSelector alone: not another namespace", API + "ingress: [{from: [{podSelector: {}}]}]\n", "data/api shop/api TCP 1", False),
    ("podSelector alone: not another label", FROM_WEB, "data/db shop/api TCP 1", False),
    ("podSelector: no finished pod's address", FROM_WEB, "freed shop/api TCP 1", False),
    ("podSelector: no pod on the node's network", FROM_WEB, "shop/agent shop/api TCP 1", False),
    ("namespaceSelector alone: all its pods", FROM_TEAM_B, "data/db shop/api TCP 1", True),
    ("namespaceSelector alone: not its own namespace", FROM_TEAM_B, "shop/web shop/api TCP 1", False),
    ("empty namespaceSelector: all pods", API + "ingress: [{from: [{namespaceSelector: {}}]}]\n", "data/db shop/api TCP 1", True),
    ("empty namespaceSelector: pods, not the outside", API + "ingress: [{from: [{namespaceSelector: {}}]}]\n", "outside shop/api TCP 1", False),
    ("both in one entry: and", BOTH, "data/api shop/api TCP 1", True),
    ("both in one entry: pod only", BOTH, "shop/web shop/api TCP 1", False),
    ("both in one entry: namespace only", BOTH, "data/db shop/api TCP 1", False),
    ("two entries: or, the first", EITHER, "data/db shop/api TCP 1", True),
    ("two entries: or, the second", EITHER, "shop/web shop/api TCP 1", True),
    ("two entries: neither", EITHER, "outside shop/api TCP 1", False),
    ("expressions as peer", EXPRESSIONS, "data/db shop/api TCP 1", True),
    ("expressions as peer, not", EXPRESSIONS, "shop/web shop/api TCP 1", False),
    ("ipBlock", BLOCK, "203.0.113.9 shop/api TCP 1", True),
    ("ipBlock: first of the block", BLOCK, "203.0.113.0 shop/api TCP 1", True),
    ("ipBlock: beside the block", BLOCK, "203.0.114.1 shop/api TCP 1", False),
    ("ipBlock: except", BLOCK, "203.0.113.5 shop/api TCP 1", False),
    ("ipBlock: the other except", BLOCK, "203.0.113.200 shop/api TCP 1", False),
    ("ipBlock: right behind the except", BLOCK, "203.0.113.8 shop/api TCP 1", True),
    ("ipBlock except does not deny what another rule allows", BLOCK + "---\n" + PORT, "203.0.113.5 shop/api TCP 3000", True),
    ("ipBlock of IPv6 allows no IPv4", API + "ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]\n", "outside shop/api TCP 1", False),
    ("port", PORT, "outside shop/api TCP 3000", True),
    ("port: another", PORT, "outside shop/api TCP 3001", False),
    ("port: protocol is TCP by default", PORT, "outside shop/api UDP 3000", False),
    ("port: UDP", UDP, "outside shop/api UDP 53", True),
    ("port: UDP is not TCP", UDP, "outside shop/api TCP 53", False),
    ("port: SCTP", SCTP, "outside shop/api SCTP 99", True),
    ("port: SCTP is not TCP", SCTP, "outside shop/api TCP 99", False),
    ("protocol without port is all its ports", ANY_TCP, "outside shop/api TCP 65535", True),
    ("protocol without port is no other protocol", ANY_TCP, "outside shop/api UDP 1", False),
    ("endPort: first", RANGE, "outside shop/api TCP 3000", True),
    ("endPort: last", RANGE, "outside shop/api TCP 3010", True),
    ("endPort: below", RANGE, "outside shop/api TCP 2999", False),
    ("endPort: above", RANGE, "outside shop/api TCP 3011", False),
    ("named port in: of this pod", NAMED_IN, "outside shop/api TCP 3000", True),
    ("named port in: of that pod", NAMED_IN, "outside shop/web TCP 8080", True),
    ("named port in: not the other's number", NAMED_IN, "outside shop/api TCP 8080", False),
    ("named port in: the name must be of that protocol", ALL + "ingress: [{ports: [{port: who}]}]\n", "outside shop/web TCP 53", False),
    ("named port in: with its protocol", ALL + "ingress: [{ports: [{port: who, protocol: UDP}]}]\n", "outside shop/web UDP 53", True),
    ("named port that nobody has allows nothing", ALL + "ingress: [{ports: [{port: nobody}]}]\n", "outside shop/api TCP 3000", False),
    ("named port out: the receiver's", NAMED_OUT, "shop/api shop/web TCP 8080", True),
    ("named port out: not the sender's", NAMED_OUT, "shop/api shop/web TCP 3000", False),
    ("named port out: not the outside", NAMED_OUT, "shop/api outside TCP 8080", False),
    ("named port out to all: the receiver's", NAMED_OUT_ANY, "shop/api data/db TCP 5432", True),
    ("named port out to all: not one without the name", NAMED_OUT_ANY, "shop/api data/api TCP 5432", False),
    ("named port out to all: beside it a number", NAMED_OUT_ANY, "shop/api outside TCP 443", True),
    ("named port out to a block: pods in it", NAMED_OUT_BLOCK, "shop/api shop/web TCP 8080", True),
    ("named port out to a block: no more of it", NAMED_OUT_BLOCK, "shop/api data/db TCP 8080", False),
    ("egress: peer and port", TO_DB, "shop/api data/db TCP 5432", True),
    ("egress: peer, other port", TO_DB, "shop/api data/db TCP 1", False),
    ("egress: other peer, port", TO_DB, "shop/api shop/web TCP 5432", False),
    ("each rule has its own peers and ports: first", TWO_RULES, "shop/web shop/api TCP 1", True),
    ("each rule has its own peers and ports: second", TWO_RULES, "outside shop/api TCP 2", True),
    ("each rule has its own peers and ports: not across", TWO_RULES, "shop/web shop/api TCP 2", False),
    ("each rule has its own peers and ports: nor back", TWO_RULES, "outside shop/api TCP 1", False),
    ("policies add up: one", PORT + "---\n" + FROM_WEB, "outside shop/api TCP 3000", True),
    ("policies add up: the other", PORT + "---\n" + FROM_WEB, "shop/web shop/api UDP 9", True),
    ("policies add up: neither", PORT + "---\n" + FROM_WEB, "outside shop/api TCP 1", False),
    ("deny beside allow: allow counts", DENY_IN + "---\n" + PORT, "outside shop/api TCP 3000", True),
    ("deny beside allow: others stay denied", DENY_IN + "---\n" + PORT, "outside shop/web TCP 8080", False),
    ("both ends must allow: the sender may not", DENY_OUT + "---\n" + PORT, "shop/web shop/api TCP 3000", False),
    ("both ends must allow: the receiver may not", TO_DB + "---\nin: data\npodSelector: {}\n", "shop/api data/db TCP 5432", False),
    ("both ends must allow: they do", TO_DB + "---\nin: data\npodSelector: {}\ningress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}]}]\n", "shop/api data/db TCP 5432", True),
    ("a pod on the node's network is not isolated", DENY_IN, "outside shop/agent TCP 1", True),
    ("a finished pod is not isolated", DENY_IN, "outside freed TCP 1", True),
    ("a pod of another node is isolated there", DENY_IN, "outside shop/far TCP 1", True),
]  # fmt: skip
