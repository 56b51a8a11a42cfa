# A small world of pods for the tests of network policies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from typing import Any

import yaml

from sandbox.components.network_policy import objects, table
from sandbox.components.network_policy.rules import Rules, World

NODE = "sandbox"
SERVICES = "10.96.0.0/16"
Object = dict[str, Any]


def pod(name: str, address: str, labels: Object | None = None, **more: Any) -> Object:
    """A running pod, as the API tells of it; `name` is NAMESPACE/NAME, `ports` are NAME: PROTOCOL/NUMBER."""
    space, _, own = name.partition("/")
    ports = [
        {"name": port, "protocol": text.split("/")[0], "containerPort": int(text.split("/")[1])}
        for port, text in more.get("ports", {}).items()
    ]
    meta = {"namespace": space, "name": own, "labels": labels or {}, "creationTimestamp": more.get("born", "")}
    spec = {
        "nodeName": more.get("node", NODE),
        "hostNetwork": more.get("host", False),
        "containers": [{"ports": ports}],
    }
    return {"metadata": meta, "spec": spec, "status": {"phase": more.get("phase", "Running"), "podIP": address}}


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def policies(text: str) -> list[Object]:
    """Each document is a spec with `in`, the namespace, beside it."""
    found = []
    for number, spec in enumerate(yaml.safe_load_all(text)):
        found.append({"metadata": {"namespace": spec.pop("in"), "name": f"p{number}"}, "spec": spec})
    return found


def world(pods: Iterable[Object], namespaces: Iterable[Object], given: Iterable[Object]) -> World:
    parsed: Sequence[objects.Policy] = [objects.policy(one) for one in given]
    return World(NODE, [objects.pod(one) for one in pods], [objects.namespace(one) for one in namespaces], parsed)


def render(rules: Rules) -> str:
    return table.render(rules, SERVICES)


def address(text: str) -> IPv4Address:
    return IPv4Address(text)


def accepted_by_nft(text: str) -> str:
    """What nft says against a text, in a network namespace that is gone afterwards; empty where nothing."""
    command = ["unshare", "--net", "nft", "--check", "--file", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    return done.stderr if done.returncode else ""
