# Faults in the enforcement of network policies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prepared, and not in the registry: no check judges policies by traffic yet, so that they would turn nothing red.

Once there is one, register ``network_policy_stopped`` (put: ``stop``, heal: ``start``) and ``network_policy_missing``
(put: ``take_away``, heal: ``give_back``), both of the layer ``network``, with the control that they turn red.
"""

from __future__ import annotations

import json
import xmlrpc.client

from sandbox.errors import SandboxError
from sandbox.faults.fault import NAMESPACE, Hands
from sandbox.files import put
from sandbox.supervisor import Supervisor

ENFORCER = "network-policy"
POLICY = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/networkpolicies/bytebot-network-policy"
KEPT = "network-policy.json"


def stop(hands: Hands) -> None:
    """End the enforcer, which takes its rules out of the kernel: policies are stored, and not enforced.

    :raises SandboxError: this sandbox has no enforcer.
    """
    supervisor = Supervisor(hands.settings)
    _state(supervisor)
    supervisor.stop([ENFORCER])
    hands.until(lambda: _state(supervisor) in {"STOPPED", "EXITED"}, "the enforcer has ended")


def start(hands: Hands) -> None:
    """Start the enforcer again."""
    supervisor = Supervisor(hands.settings)
    _state(supervisor)
    supervisor.start(ENFORCER)
    hands.until(lambda: _state(supervisor) == "RUNNING", "the enforcer runs")


def take_away(hands: Hands) -> None:
    """Delete the release's policy, and keep it; one that is not there was never deployed.

    :raises SandboxError: there is none.
    """
    found = hands.cluster.get(POLICY)
    if found is None:
        raise SandboxError("fault", f"{POLICY} is not there", remedy="make demo deploys it")
    meta = {key: found["metadata"][key] for key in ("name", "labels", "annotations") if key in found["metadata"]}
    kept = {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": meta, "spec": found["spec"]}
    put(hands.folder / KEPT, json.dumps(kept))
    hands.delete(POLICY)


def give_back(hands: Hands) -> None:
    """Make the policy again as it was; where none was kept, none was taken."""
    kept = hands.folder / KEPT
    if kept.exists():
        hands.apply(POLICY, json.loads(kept.read_text()))


def _state(supervisor: Supervisor) -> str:
    try:
        return supervisor.state(ENFORCER).state
    except xmlrpc.client.Fault as fault:
        remedy = "run `make sandbox-up PROFILE=full`"
        raise SandboxError("fault", "this sandbox does not enforce network policies", remedy=remedy) from fault
