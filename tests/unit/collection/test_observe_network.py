# A namespace's network observed: pods that harm nobody, targets that are witnessed, and nothing left behind.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.network import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.network_facts import (
    WORKLOADS,
    NetworkFacts,
    Path,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done
from ansible_collections.bytebot.production.plugins.module_utils.clients.reachability import (
    NO_TOOL,
    command,
    outcomes,
)
from ansible_collections.bytebot.production.plugins.module_utils.network_classes import Unsafe, kinds_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_network import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import NEVER_READY, SCRATCH, Probe
from tests.unit.collection.test_observe_secrets import Kubernetes, database, secret
from tests.unit.real_servers import free_port

Object = dict[str, Any]
OURS = {SCRATCH: "network"}
OTHER = Path("the neighbour", "other_namespace", "web.shops.svc", 80, allowed=False)
OUTSIDE = Path("the internet", "outside", "203.0.113.10", 80, allowed=False)
SCOPE = Scope(
    "shop",
    Keys("bytebot-db-secret"),
    Keys("bytebot-redis-secret", required=("password", "host")),
    paths=(OTHER, OUTSIDE),
    probe=Probe("shop", "image:1", 0.0, pause=lambda _seconds: None),
    isolation=WORKLOADS,
    settle_s=0.0,
    pause=lambda _seconds: None,
)


def pod(name: str, labels: Mapping[str, str], **more: Any) -> Object:
    spec = {"containers": [{"ports": [{"containerPort": 3000}]}]}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": {**labels, "pod-template-hash": "x"}, **more},
        "spec": spec,
        "status": {"phase": "Running", "podIP": "10.0.0.7"},
    }


def policy(name: str = "own", **spec: Any) -> Object:
    body = {"podSelector": {"matchLabels": {"app": "shop"}}, "policyTypes": ["Ingress", "Egress"], **spec}
    return {"kind": "NetworkPolicy", "metadata": {"name": name}, "spec": body}


def service(**more: Any) -> Object:
    return {
        "kind": "Service",
        "metadata": {"name": "api"},
        "spec": {"selector": {"app": "shop", "tier": "api"}, **more},
    }


API = pod("api-1", {"app": "shop", "tier": "api"})
SECRETS = (database(), secret("bytebot-redis-secret", password="y" * 32, host="cache.shop"))


class World:
    """A cluster, and what its pods reach: ``shut`` says of each target for which pods it is not open."""

    def __init__(self, *objects: Object) -> None:
        self.cluster = Kubernetes(*SECRETS, *objects)
        self.runs: list[str] = []
        self.members: set[str] = set()
        self.late = 0

    def run(self, name: str, words: Sequence[str]) -> Done:
        self.runs.append(name)
        (labels,) = [one["metadata"]["labels"] for one in self.cluster.pods if one["metadata"]["name"] == name]
        member = labels.get("app") == "shop"
        hosts = words[5::2]
        return Done("\n".join(f"{i} {self.outcome(host, member)}" for i, host in enumerate(hosts)))

    def outcome(self, host: str, member: bool) -> str:
        if host == "10.0.0.7":
            return "open" if member else "timeout"
        barred = host in (OTHER.host, OUTSIDE.host, "169.254.169.254")
        if barred and self.late:
            self.late -= 1
            return "open"
        return "timeout" if barred and member else "open"

    def facts(self, scope: Scope = SCOPE) -> NetworkFacts:
        return observe(self.cluster, scope, Redactor(), self.run)  # type: ignore[arg-type]

    def state(self, scope: Scope = SCOPE) -> str:
        (found,) = CHECKS.judge(self.facts(scope))
        return str(found.verdict.state)


def test_one_run_in_each_pod_and_nothing_is_left() -> None:
    world = World(API, pod("api-2", {"app": "shop", "tier": "api"}), policy(), service())
    facts = world.facts()
    assert len(world.runs) == 2
    assert [one.path.zone for one in facts.tried] == [
        "other_namespace", "outside", "dns", "metadata", "database", "cache", "same_namespace", "same_namespace",
    ]  # fmt: skip
    assert [one.verdict.state for one in CHECKS.judge(facts)] == ["pass"]
    assert [one["metadata"]["name"] for one in world.cluster.pods] == ["api-1", "api-2"]
    assert len(world.cluster.list("", "NetworkPolicy")) == 1


def test_pods_of_others_need_not_reach_what_the_release_must() -> None:
    """They have needs of their own; what must be shut, must be shut for them, too."""
    own = pod("api-1", {"app": "shop", "tier": "api", "app.kubernetes.io/instance": "shop"})
    stranger = pod("other-1", {"app": "other"})
    world = World(own, stranger, policy(), policy("others", podSelector={"matchLabels": {"app": "other"}}))
    facts = world.facts(replace(SCOPE, release="shop"))
    tried = [(one.path.zone, one.wanted) for one in facts.tried if one.by == "a pod with app=other"]
    assert tried == [("other_namespace", False), ("outside", False), ("metadata", False)]
    assert not [one for one in facts.tried if one.path.name == "pod other-1"]
    assert [one.by for one in facts.tried if one.wanted and one.path.zone == "database"] == ["a pod with app=shop"]
    (found,) = CHECKS.judge(facts)  # in this world only pods of the shop are kept from anything
    assert found.verdict.state == "fail"
    assert "from a pod with app=other" in found.verdict.summary


@pytest.mark.parametrize("release", ["", "another"])
def test_where_no_pod_is_known_as_the_releases_each_counts(release: str) -> None:
    pods = [API, pod("web-1", {"app": "web", "app.kubernetes.io/instance": "shop"})]
    assert [one.ours for one in kinds_of(pods, [policy()], [], release)] == [True, True]
    assert [one.ours for one in kinds_of(pods, [policy()], [], "shop")] == [False, True]


def test_a_pod_with_the_releases_labels_is_never_served() -> None:
    world = World(API, policy(), service())
    made: list[Object] = []
    world.cluster.create = lambda obj: made.append(obj) or Kubernetes.create(world.cluster, obj)  # type: ignore
    world.facts()
    member, outsider = made
    assert member["metadata"]["labels"]["app"] == "shop"
    assert not {"tier", "pod-template-hash"} & member["metadata"]["labels"].keys()
    assert member["spec"]["readinessGates"] == [{"conditionType": NEVER_READY}]
    assert "app" not in outsider["metadata"]["labels"]


def test_leftovers_of_a_run_that_was_killed_go() -> None:
    left = [{"kind": kind, "metadata": {"name": f"old-{kind}", "labels": OURS}} for kind in ("Pod", "NetworkPolicy")]
    world = World(API, policy(), *left)
    world.facts()
    assert not world.cluster.list("", "Pod", labels=f"{SCRATCH}=network")
    assert not world.cluster.list("", "NetworkPolicy", labels=f"{SCRATCH}=network")


def test_where_everything_is_isolated_the_witness_gets_a_policy_of_its_own() -> None:
    world = World(API, policy(), policy("deny", podSelector={}))
    made: list[Object] = []
    world.cluster.create = lambda obj: made.append(obj) or Kubernetes.create(world.cluster, obj)  # type: ignore
    world.facts()
    (opened,) = [one for one in made if one["kind"] == "NetworkPolicy"]
    assert opened["spec"]["podSelector"]["matchLabels"] == {**OURS, f"{SCRATCH}-witness": "true"}
    assert len(world.cluster.list("", "NetworkPolicy")) == 2


def test_rules_that_follow_a_moment_later_are_waited_for() -> None:
    world = World(API, policy())
    world.late = 3
    assert world.state(replace(SCOPE, settle_s=60.0)) == "pass"
    world.late = 1000
    assert world.state() == "fail"


@pytest.mark.parametrize(
    ("changes", "zones"),
    [
        ({"paths": ()}, {"other_namespace", "outside"}),
        ({"paths": (OTHER,)}, {"outside"}),
        ({"database": Keys("another")}, {"database"}),
    ],
)
def test_zones_without_a_target_are_named(changes: Object, zones: set[str]) -> None:
    world = World(API, policy())
    scope = replace(SCOPE, **changes)
    assert set(world.facts(scope).unknown) == zones
    assert world.state(scope) == "pending"


def test_what_may_not_be_read_or_made_is_pending() -> None:
    world = World(API, policy())
    world.cluster.forbidden.add("NetworkPolicy")
    assert world.state() == "pending"
    world = World(API, policy())
    world.cluster.status = {"phase": "Failed"}
    assert world.state() == "pending"
    assert world.state(replace(SCOPE, probe=None, no_probe="no probe")) == "pending"


@pytest.mark.parametrize(
    ("pods", "services"),
    [
        ([API], [service(selector={"app": "shop"}, publishNotReadyAddresses=True)]),
        ([pod("agent-1", {"app": "shop"}, ownerReferences=[{"kind": "DaemonSet"}])], []),
    ],
)
def test_labels_that_would_do_harm_are_not_used(pods: list[Object], services: list[Object]) -> None:
    with pytest.raises(Unsafe):
        kinds_of(pods, [policy()], services)


def test_pods_that_policies_tell_apart_are_kinds_of_their_own() -> None:
    pods = [API, pod("web-1", {"app": "web"}), pod("api-2", {"app": "shop", "tier": "job"})]
    assert [one.pod for one in kinds_of(pods, [policy()], [])] == ["api-1", "web-1"]
    assert len(kinds_of(pods, [policy(podSelector={"matchLabels": {"tier": "job"}})], [])) == 3


# ---------------------------------------------------------------------- the program in the pod


def _said(paths: Sequence[Path], **environment: str) -> list[str]:
    done = subprocess.run(
        command(paths, 1.0), capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **environment}
    )
    return outcomes(Done(done.stdout, done.stderr.strip() if done.returncode else ""), paths)


@pytest.mark.parametrize("hidden", [(), ("python3",)], ids=["python", "shell"])
def test_the_program_tells_open_refused_and_unresolved(tmp_path: Any, hidden: tuple[str, ...]) -> None:
    for tool in {"sh", "bash", "timeout", "python3", "getent"} - set(hidden):
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        # Not a wrapper that wants more than is in this folder, as pyenv's is.
        (tmp_path / tool).symlink_to(os.path.realpath(sys.executable) if tool == "python3" else found)
    with socket.create_server(("127.0.0.1", 0)) as server:
        paths = [
            Path("open", "outside", "127.0.0.1", server.getsockname()[1], allowed=False),
            Path("shut", "outside", "127.0.0.1", free_port(), allowed=False),
            Path("nobody", "outside", "nobody.invalid", 80, allowed=False),
            Path("name", "dns", "localhost", 0, allowed=True),
            Path("no name", "dns", "nobody.invalid", 0, allowed=True),
        ]
        assert _said(paths, PATH=str(tmp_path)) == ["open", "refused", "unresolved", "open", "unresolved"]


def test_an_image_without_tools_is_told() -> None:
    assert outcomes(Done("", NO_TOOL), [OTHER]) == [
        "not tried: the image has none of python3, bash with timeout, and nc"
    ]
    assert outcomes(Done("", "exit 1"), [OTHER]) == ["not tried: exit 1"]
