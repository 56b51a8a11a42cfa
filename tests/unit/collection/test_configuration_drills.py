# Copies for drills, the relay, the drill on autoscalers, and what is read inside: nobody is led there, all given back.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import drill_copies, drill_relay, drill_scaling
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import Facts
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_health import selects
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import PostgresFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys, Target
from ansible_collections.bytebot.production.plugins.module_utils.drill_relay import Dependency
from ansible_collections.bytebot.production.plugins.module_utils.errors import TimedOut
from ansible_collections.bytebot.production.plugins.module_utils.observe_answers import shown
from ansible_collections.bytebot.production.plugins.module_utils.observe_configuration import dependency_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_environment import Environment
from ansible_collections.bytebot.production.plugins.module_utils.observe_running import (
    exported,
    level_of,
    listening,
    running_of,
)
from tests.unit.collection.fakes import FakeCluster

Object = dict[str, Any]
PROBE = {"httpGet": {"path": "/live", "port": 3000}, "periodSeconds": 5}
LABELS = {"app": "shop", "part": "api", "tier": "back"}


def deployment(name: str = "shop-api", labels: Object | None = None, **container: Any) -> Object:
    one = {
        "name": "api",
        "image": "shop:1",
        "ports": [{"containerPort": 3000}],
        "livenessProbe": PROBE,
        "readinessProbe": PROBE,
    }
    given = LABELS if labels is None else labels
    pod = {
        "metadata": {"labels": dict(given)},
        "spec": {"initContainers": [{"name": "migrate"}], "containers": [one | container]},
    }
    selector = {"matchLabels": {"app": "shop", "part": given.get("part", "api")}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": selector, "template": pod},
    }


def service(name: str, **selector: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": selector}}


def policy(**labels: str) -> Object:
    return {"spec": {"podSelector": {"matchLabels": labels}}}


def ingress(**paths: str) -> Object:
    rules = [{"path": path, "backend": {"service": {"name": name}}} for name, path in paths.items()]
    return {"spec": {"rules": [{"http": {"paths": rules}}]}}


# ---------------------------------------------------------------------- copies


def test_nobody_is_led_to_a_copy_and_policies_let_it_through_alike() -> None:
    services = [service("api", app="shop", part="api"), service("all", tier="back")]
    labels = drill_copies.copy_labels(deployment(), services, [policy(app="shop")])
    assert labels == {"app": "shop"}
    assert not any(selects(one, labels) for one in services)


def test_the_one_that_the_widest_path_leads_to_is_copied() -> None:
    web = deployment("shop-web", {"app": "shop", "part": "web"})
    services = [service("web", part="web"), service("api", part="api")]
    found = drill_copies.subject_of([web, deployment()], services, [ingress(web="/ui", api="/")], [], "")
    assert isinstance(found, drill_copies.Subject)
    assert found.name == "Deployment shop-api"
    named = drill_copies.subject_of([web, deployment()], services, [], [], "shop-web")
    assert isinstance(named, drill_copies.Subject)
    assert named.name == "Deployment shop-web"


@pytest.mark.parametrize(
    ("workloads", "name", "words"),
    [([deployment()], "other", "no Deployment other"), ([deployment(livenessProbe=None)], "", "has a liveness")],
)
def test_what_cannot_be_copied_is_said(workloads: list[Object], name: str, words: str) -> None:
    found = drill_copies.subject_of(workloads, [service("api", part="api")], [], [], name)
    assert isinstance(found, str)
    assert words in found


def test_a_copy_is_like_its_pod_and_ends_by_itself() -> None:
    subject = drill_copies.subject_of([deployment()], [service("api", part="api")], [], [], "")
    assert isinstance(subject, drill_copies.Subject)
    before = copy.deepcopy(subject.workload)
    pod = drill_copies.copied(subject, "abc", relay=Dependency("db.example", 5432, "10.0.0.1"))
    spec = pod["spec"]
    assert [one["name"] for one in spec["containers"]] == [drill_relay.RELAY, "api"]
    assert spec["containers"][1] == before["spec"]["template"]["spec"]["containers"][0]
    assert spec["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["db.example"]}]
    assert spec["activeDeadlineSeconds"] == drill_copies.LIFE_S
    assert spec["initContainers"] == []
    assert subject.workload == before
    assert drill_copies.copied(subject, "abc", shared=True)["spec"]["shareProcessNamespace"] is True


def test_what_an_earlier_run_left_is_removed_first_and_all_of_it_in_the_end() -> None:
    subject = drill_copies.subject_of([deployment()], [service("api", part="api")], [], [], "")
    assert isinstance(subject, drill_copies.Subject)
    cluster = FakeCluster(namespaces=("shop",))
    cluster.create(drill_copies.copied(subject, "old"))
    with drill_copies.removing(cluster, "shop"):
        assert cluster.list("v1", "Pod", "shop") == []
        cluster.create(drill_copies.copied(subject, "new"))
    assert cluster.list("v1", "Pod", "shop") == []


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("db", "10.0.0.7"),
        ("db.data", "10.0.0.8"),
        ("db.data.svc.cluster.local", "10.0.0.8"),
        ("nothing.data.svc.cluster.local", "nothing.data.svc.cluster.local."),
        ("db.example.org", "db.example.org."),
    ],
)
def test_the_relay_finds_the_database_though_its_pod_has_lost_the_name(host: str, address: str) -> None:
    def named(place: str, cluster_ip: str) -> Object:
        meta = {"name": "db", "namespace": place}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"clusterIP": cluster_ip}}

    cluster = FakeCluster(named("shop", "10.0.0.7"), named("data", "10.0.0.8"), namespaces=("shop", "data"))
    found = dependency_of(cluster, with_database(host))
    assert found == Dependency(host, 5432, address)


@pytest.mark.parametrize("host", ["10.0.0.1", "fd00::1", ""])
def test_what_has_no_name_cannot_be_relayed(host: str) -> None:
    assert isinstance(dependency_of(FakeCluster(), with_database(host)), str)


def with_database(host: str) -> Facts:
    return Facts("shop", "shop", database=PostgresFacts("shop", Keys(secret="db"), target=Target(host=host, port=5432)))


# ---------------------------------------------------------------------- the relay


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


def test_the_relay_passes_on_until_it_is_told_to_cut_and_again_when_told() -> None:
    """The program is started as in a copy, on one machine: both ends have the same port, and other addresses."""
    port = free_port()
    server = socket.create_server(("127.0.0.2", port))
    program = drill_relay.relay({"image": "x"}, Dependency("db", port, "127.0.0.2"))
    given = {one["name"]: one["value"] for one in program["env"]}
    relay = subprocess.Popen([sys.executable, "-c", given["DRILL_PYTHON"]], env=given)
    try:
        client, there = connected(port, server)
        client.sendall(b"one")
        assert there.recv(10) == b"one"
        relay.send_signal(signal.SIGHUP)
        assert client.recv(10) == b""
        with dial(port) as refused:
            assert refused.recv(10) == b""
        relay.send_signal(signal.SIGUSR2)
        client, there = connected(port, server)
        there.sendall(b"two")
        assert client.recv(10) == b"two"
    finally:
        relay.kill()
        relay.wait(10)
        server.close()


def dial(port: int) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), 10)
    one.settimeout(10)
    return one


def connected(port: int, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """A connection through the relay, once it listens and passes on."""
    for _ in range(100):
        try:
            client = dial(port)
        except ConnectionRefusedError:
            client = None
        server.settimeout(5 if client else 0.2)  # the relay has not begun to listen: nobody comes, and that is the wait
        try:
            there = server.accept()[0]
        except TimeoutError:
            continue
        assert client
        there.settimeout(10)
        return client, there
    raise AssertionError("the relay passes nothing on")


# ---------------------------------------------------------------------- autoscalers

METRIC = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
SCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "shop-api", "namespace": "shop"},
    "spec": {"minReplicas": 2, "maxReplicas": 9, "metrics": [METRIC]},
    "status": {"desiredReplicas": 2},
}


class Controlled(FakeCluster):
    """A cluster whose autoscalers do at once what they are told; ``deaf`` ones never do."""

    deaf = False

    def _patch(self, path: str, body: Object, query: Any, content_type: str) -> Object:
        meta = body.get("metadata") or {}
        if content_type.endswith("merge-patch+json"):
            one = self._stored[path]
            notes = one["metadata"].setdefault("annotations", {})
            for key, value in (meta.get("annotations") or {}).items():
                notes.pop(key, None) if value is None else notes.update({key: value})
            spec = one["spec"]
            for key, value in (body.get("spec") or {}).items():
                spec.pop(key, None) if value is None else spec.update({key: value})
            share = spec["metrics"][0]["resource"]["target"]["averageUtilization"]
            if not self.deaf:
                one["status"]["desiredReplicas"] = spec["maxReplicas"] if share == 1 else spec["minReplicas"]
            return one
        return super()._patch(path, body, query, content_type)


def controlled() -> Controlled:
    cluster = Controlled(copy.deepcopy(SCALER), namespaces=("shop",))
    one = cluster.live("HorizontalPodAutoscaler", "shop-api", "shop", "autoscaling/v2")
    assert one
    one["status"] = {"desiredReplicas": 2}
    return cluster


def no_pause(_: float) -> None:
    return


def test_an_autoscaler_scales_by_one_and_is_given_back_what_it_was() -> None:
    cluster = controlled()
    one = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", "shop")[0]
    told = drill_scaling.scale(cluster, copy.deepcopy(one), no_pause)
    assert (told.before, told.most, told.after, told.problem) == (2, 3, 2, "")
    after = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", "shop")[0]
    assert after["spec"] == SCALER["spec"]
    assert drill_scaling.KEPT not in after["metadata"].get("annotations", {})


def test_a_run_that_is_ended_heals_and_what_a_killed_one_left_is_healed_by_the_next() -> None:
    cluster = controlled()
    cluster.deaf = True

    def end(_: float) -> None:
        raise TimedOut("The drill was ended before its time.")

    one = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", "shop")[0]
    assert "ended before its time" in drill_scaling.scale(cluster, copy.deepcopy(one), end).problem
    left = cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", "shop")[0]
    assert left["spec"] == SCALER["spec"]
    kept = {name: SCALER["spec"].get(name) for name in ("minReplicas", "maxReplicas", "metrics", "behavior")}
    left["metadata"]["annotations"] = {drill_scaling.KEPT: json.dumps(kept)}
    left["spec"]["maxReplicas"] = 3
    assert drill_scaling.heal_all(cluster, [copy.deepcopy(left)])
    assert cluster.list("autoscaling/v2", "HorizontalPodAutoscaler", "shop")[0]["spec"] == SCALER["spec"]


# ---------------------------------------------------------------------- what is read


def test_variables_are_read_from_what_shells_print() -> None:
    dash = "export A='1'\nexport B='two\nlines'\nexport C='it'\"'\"'s'\nexport D=''\n"
    assert exported(dash) == ({"A": "1", "B": "two\nlines", "C": "it's", "D": ""}, frozenset())
    bash = "declare -x A=\"a \\$b\"\ndeclare -x OLDPWD\ndeclare -x Z=$'a\\tb'\n"
    found, unread = exported(bash)
    assert (found["A"], found["OLDPWD"], unread) == ("a $b", "", frozenset({"Z"}))


def test_a_container_that_is_in_the_pod_alone_was_injected() -> None:
    cluster, names = FakeCluster(), ("istio-proxy", "api")
    states = [{"name": name, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}} for name in names]
    pod = {
        "metadata": {"name": "shop-api-1"},
        "spec": {"containers": [{"name": name} for name in names]},
        "status": {"containerStatuses": states},
    }
    environment = Environment(cluster, "shop")  # type: ignore[arg-type]
    found, _why = running_of(cluster, "shop", [(pod, deployment())], environment, look=False)  # type: ignore[arg-type]
    assert [(one.where, one.injected) for one in found] == [
        ("Deployment shop-api container istio-proxy", True),
        ("Deployment shop-api container api", False),
    ]


def test_ports_are_read_from_the_kernels_table() -> None:
    head = "  sl  local_address rem_address   st\n"
    table = (
        head + "   0: 00000000:0BB8 00000000:0000 0A 0\n   1: 0100007F:240D 00000000:0000 0A 0\n   2: 0A:1 0A:2 01 0\n"
    )
    assert listening(table) == (3000, 9229)


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level": "DEBUG", "message": "x"}', "debug"),
        ('{"level": 20}', "debug"),
        ('{"severity": "info"}', "info"),
        ('{"message": "level=debug"}', ""),
        ("time=1 level=warn msg=x", "warn"),
        ("2026-01-01 00:00:00 DEBUG starts", "debug"),
        ("[INFO] it debugs nothing", "info"),
        ("a plain line about DEBUG mode of something else entirely", ""),
        ("{broken", ""),
    ],
)
def test_levels_of_lines(line: str, level: str) -> None:
    assert level_of(line) == level


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"details": {"stack": "Traceback (most recent call last):"}}}', "Python"),
        ("Error: x\\n    at Object.run (/app/dist/main.js:10:5)", "JavaScript"),
        ("at com.shop.Api.run(Api.java:12)", "Java"),
        ('{"error": {"code": "NOT_FOUND", "message": "There is no task at 10:20:30."}}', ""),
    ],
)
def test_stacks_in_answers(body: str, words: str) -> None:
    assert words in shown(body)
    assert bool(shown(body)) == bool(words)
