# Faults in network policies and their enforcement, each seen by what a pod then reaches or by the kernel's rules.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import subprocess
import xmlrpc.client
from collections.abc import Mapping
from typing import Any

from sandbox.components.network_policy.table import TABLE
from sandbox.errors import SandboxError
from sandbox.faults.fault import API, NAMESPACE, Act, Fault, Hands
from sandbox.files import put
from sandbox.host.netns import enter_command
from sandbox.shell import environment
from sandbox.supervisor import Supervisor

ENFORCER, INTERNET = "network-policy", "internet"
POLICIES = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies"
POLICY = f"{POLICIES}/bytebot-network-policy"
OPENED = f"{POLICIES}/sandbox-opened"
KEPT = "network-policy.json"
# Beside HTTPS nothing of the outside may be reached, and nothing at all at the metadata address.
HTTP = 80
TRIED_FOR_S = 3
KEPT_APART = ("security_configuration.network.policies",)


def stop(hands: Hands) -> None:
    """End the enforcer, which takes its rules out of the kernel: policies are stored, and not enforced.

    :raises SandboxError: this sandbox has no enforcer.
    """
    supervisor = Supervisor(hands.settings)
    _state(supervisor)
    supervisor.stop([ENFORCER])
    hands.until(lambda: _state(supervisor) in {"STOPPED", "EXITED"}, "the enforcer has ended")


def start(hands: Hands) -> None:
    """Start the enforcer again, and wait for its rules."""
    supervisor = Supervisor(hands.settings)
    _state(supervisor)
    supervisor.start(ENFORCER)
    hands.until(lambda: _state(supervisor) == "RUNNING", "the enforcer runs")
    hands.until(lambda: not unenforced(hands), "its rules are in the kernel")


def unenforced(hands: Hands) -> bool:
    """Whether the kernel has no rules, as nft tells."""
    command = [*enter_command(hands.settings), "nft", "--terse", "list", "table", *TABLE.split()]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode != 0


def take_away(hands: Hands) -> None:
    """Delete the release's policy, and keep it.

    :raises SandboxError: there is none, and none was kept: it was never deployed.
    """
    found = hands.cluster.get(POLICY)
    if found is None:
        if (hands.folder / KEPT).exists():
            return
        raise SandboxError("fault", f"{POLICY} is not there", remedy="make demo deploys it")
    keep(hands, found)
    hands.delete(POLICY)


def keep(hands: Hands, found: Mapping[str, Any]) -> None:
    """Only the first time: what is kept is the policy as it was before."""
    if (hands.folder / KEPT).exists():
        return
    meta = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    kept = {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": meta, "spec": found["spec"]}
    put(hands.folder / KEPT, json.dumps(kept))


def give_back(hands: Hands) -> None:
    """Make the policy again as it was; where none was kept, none was taken."""
    kept = hands.folder / KEPT
    if kept.exists():
        hands.apply(POLICY, json.loads(kept.read_text()))


def select_nothing(hands: Hands) -> None:
    """The policy stays, and selects pods that there are not.

    :raises SandboxError: there is no policy.
    """
    found = hands.cluster.get(POLICY)
    if found is None:
        raise SandboxError("fault", f"{POLICY} is not there", remedy="make demo deploys it")
    keep(hands, found)
    hands.patch(POLICY, {"spec": {"podSelector": {"matchLabels": {"app": "bytebot-renamed"}}}})


def _opened(spec: Mapping[str, Any]) -> Act:
    """One more policy beside the release's own: what policies allow adds up."""

    def act(hands: Hands) -> None:
        if hands.cluster.get(API) is None:
            raise SandboxError("fault", f"{API} is not there", remedy="make demo deploys it")
        meta = {"name": OPENED.rpartition("/")[2], "namespace": NAMESPACE}
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta}
        hands.apply(OPENED, {**body, "spec": {"podSelector": {}, **spec}})

    return act


def _shut(hands: Hands) -> None:
    hands.delete(OPENED)


def _out_to(address: str) -> Mapping[str, Any]:
    return {"policyTypes": ["Egress"], "egress": [{"to": [{"ipBlock": {"cidr": f"{address}/32"}}]}]}


def reaches(hands: Hands, address: str, port: int = HTTP) -> bool:
    """Whether a pod of the release gets a connection; where nothing is deployed, none does."""
    if hands.cluster.get(API) is None:
        return False
    code = (
        "import socket, sys\n"
        f"try: socket.create_connection(({address!r}, {port}), {TRIED_FOR_S}).close()\n"
        "except OSError as error: print('no:', error)\n"
        "else: print('yes')"
    )
    said = hands.exec(NAMESPACE, "deployment/bytebot-api", "api", ["python3", "-c", code])
    return said.startswith("yes")


def reaches_internet(hands: Hands) -> bool:
    return reaches(hands, hands.settings.internet_address)


def reaches_metadata(hands: Hands) -> bool:
    return reaches(hands, hands.settings.metadata_address)


def _state(supervisor: Supervisor) -> str:
    try:
        return supervisor.state(ENFORCER).state
    except xmlrpc.client.Fault as fault:
        remedy = "run `make sandbox-up PROFILE=full`"
        raise SandboxError("fault", "this sandbox does not enforce network policies", remedy=remedy) from fault


def _let_out(address: str) -> Act:
    return _opened(_out_to(address))


FAULTS = (
    Fault(
        name="cni_ignores_policies", says="nothing enforces network policies", layer="network",
        turns_red=KEPT_APART, component=ENFORCER, put=stop, heal=start, seen=unenforced,
    ),
    Fault(
        name="network_policy_deleted", says="the release's network policy is gone", layer="network",
        turns_red=KEPT_APART, component=INTERNET, put=take_away, heal=give_back, seen=reaches_metadata,
    ),
    Fault(
        name="network_policy_selects_nothing", says="the release's network policy selects no pod", layer="network",
        turns_red=KEPT_APART, component=INTERNET, put=select_nothing, heal=give_back, seen=reaches_metadata,
    ),
    Fault(
        name="network_policy_allow_all", says="another policy allows what the release's own does not", layer="network",
        turns_red=KEPT_APART, component=INTERNET,
        put=_opened({"policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}),
        heal=_shut, seen=reaches_internet,
    ),
    Fault(
        name="internet_reachable", says="pods reach the internet in clear text", layer="network",
        turns_red=KEPT_APART, component=INTERNET,
        put=lambda hands: _let_out(hands.settings.internet_address)(hands), heal=_shut, seen=reaches_internet,
    ),
    Fault(
        name="metadata_reachable", says="pods reach the cloud's metadata service", layer="network",
        turns_red=KEPT_APART, component=INTERNET,
        put=lambda hands: _let_out(hands.settings.metadata_address)(hands), heal=_shut, seen=reaches_metadata,
    ),
)  # fmt: skip
