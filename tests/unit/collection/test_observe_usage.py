# What containers tell of their control groups, and what became of them, by fake streams and pods.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_usage
from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import Sample, Usage
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Told
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.observe_usage import Watch

V2 = """@@ /sys/fs/cgroup/memory.current
73400320
@@ /sys/fs/cgroup/memory.stat
anon 62914560
file 10485760
inactive_file 3145728
@@ /sys/fs/cgroup/cpu.stat
usage_usec 2500000
nr_periods 100
nr_throttled 4
@@ /sys/fs/cgroup/memory.events
oom 0
oom_kill {kills}
@@ limits
20000
@@ files
25
@@ end
"""
V1 = """@@ /sys/fs/cgroup/memory/memory.usage_in_bytes
73687040
@@ /sys/fs/cgroup/memory/memory.stat
rss 1
total_rss 69861376
total_inactive_file 466944
@@ /sys/fs/cgroup/cpu/cpu.stat
nr_periods 3520
nr_throttled 7
@@ /sys/fs/cgroup/cpuacct/cpuacct.usage
6778842637
@@ /sys/fs/cgroup/memory/memory.oom_control
oom_kill_disable 0
oom_kill {kills}
@@ limits
@@ files
@@ end
"""


class Client:
    """The websocket of an exec stream that answers each line with what a container tells."""

    def __init__(self, told: Callable[[int], str]) -> None:
        self._told, self._asked, self._out = told, 0, b""
        self._read, self._write = os.pipe()
        self.sock = self
        self.closed = False

    def fileno(self) -> int:
        return self._read

    def write_stdin(self, _data: bytes) -> None:
        text = self._told(self._asked)
        self._asked += 1
        if not text:
            self.closed = True
        self._out += text.encode()
        os.write(self._write, b"x")

    def update(self, timeout: float) -> None:
        """All is there."""

    def is_open(self) -> bool:
        return not self.closed

    def read_channel(self, channel: int) -> bytes:
        out, self._out = (self._out, b"") if channel == 1 else (b"", self._out)
        return out

    def close(self) -> None:
        self.closed = True


def pod(name: str = "api-1", restarts: int = 0, **status: Any) -> dict[str, Any]:
    told = {"name": "api", "restartCount": restarts, "state": {"running": {}}, **status}
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "labels": {"pod-template-hash": "57f"},
            "ownerReferences": [{"name": "bytebot-api-57f"}],
        },
        "spec": {"containers": [{"name": "api", "resources": {"limits": {"memory": "256Mi", "cpu": "500m"}}}]},
        "status": {"phase": "Running", "containerStatuses": [told]},
    }


class Cluster:
    def __init__(self, told: Callable[[int], str], *pods: dict[str, Any]) -> None:
        self.told, self.pods = told, list(pods)

    def list(self, *_given: Any, **_named: Any) -> list[dict[str, Any]]:
        return copy.deepcopy(self.pods)

    def exec(self, *_given: Any) -> Client:
        return Client(self.told)


def watched(cluster: Cluster, then: Callable[[], None] = lambda: None, prometheus: Any = None) -> Usage:
    watch = Watch(cluster, "production", "bytebot", prometheus)  # type: ignore[arg-type]
    watch.begin()
    one_look = watch._tick if any(one.stream for one in watch._watched) else None
    for _turn in range(2):
        if one_look:
            one_look(0.0)
        elif prometheus:
            watch._ask(prometheus, 0.0)
    then()
    return watch.end()


def sample(usage: Usage) -> Sample:
    return usage.replicas[0].samples[0]


def test_control_groups_of_the_second_version() -> None:
    usage = watched(Cluster(lambda _turn: V2.format(kills=0), pod()))
    (replica,) = usage.replicas
    assert (replica.workload, replica.memory_limit, replica.cpu_limit) == ("bytebot-api", 256 * 1024 * 1024, 0.5)
    assert replica.files_limit == 20000
    one = sample(usage)
    assert (one.anonymous, one.working, one.cpu_s) == (62914560, 70254592, 2.5)
    assert (one.periods, one.throttled, one.files) == (100, 4, 25)
    assert usage.changes == ()


def test_control_groups_of_the_first_version() -> None:
    one = sample(watched(Cluster(lambda _turn: V1.format(kills=0), pod())))
    assert (one.anonymous, one.working) == (69861376, 73220096)
    assert one.cpu_s == pytest.approx(6.778842637)
    assert (one.periods, one.throttled, one.files) == (3520, 7, None)


def test_a_process_killed_for_its_memory_is_seen_without_a_restart() -> None:
    usage = watched(Cluster(lambda turn: V2.format(kills=turn), pod()))
    assert [one.killed for one in usage.changes] == [True]


def test_restarts_and_pods_that_are_gone_are_told() -> None:
    cluster = Cluster(lambda _turn: V2.format(kills=0), pod("api-1"), pod("api-2"), pod("api-3"))
    ended = {"lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}
    other = {"lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}

    def change() -> None:
        cluster.pods[:] = [pod("api-1", 1, **ended), pod("api-2", 1, **other)]

    found = {one.where: one for one in watched(cluster, change).changes}
    assert found["api-1/api"].killed
    assert "ended (Error, status 1)" in found["api-2/api"].what
    assert found["api-3/api"].gone


def test_a_container_without_a_shell_says_so() -> None:
    (replica,) = watched(Cluster(lambda _turn: "", pod())).replicas
    assert not replica.samples
    assert "no sh" in replica.problem


def test_one_that_tells_without_end_is_left() -> None:
    (replica,) = watched(Cluster(lambda _turn: "x" * 100_000, pod())).replicas
    assert not replica.samples


class Denied(Cluster):
    def exec(self, *_given: Any) -> Client:
        raise NotPermitted("This account may not exec.")


class Metrics:
    def query(self, expression: str) -> Told:
        value = {"container_memory_rss": "1000", "container_memory_working_set_bytes": "2000"}.get(
            expression.partition("{")[0]
        )
        labels = {"pod": "api-1", "container": "api"}
        return Told(data=[(labels, value)] if value else [])


def test_prometheus_is_asked_where_exec_is_denied() -> None:
    usage = watched(Denied(lambda _turn: "", pod()), prometheus=Metrics())
    assert (sample(usage).anonymous, sample(usage).working) == (1000, 2000)
    assert usage.source.startswith("Prometheus")


def test_where_nothing_may_be_seen_it_is_said() -> None:
    usage = watched(Denied(lambda _turn: "", pod()))
    assert not usage.replicas[0].samples
    assert "may not exec" in usage.problem
    assert "pods/exec" in usage.remedy


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_program_that_runs_inside_ends_with_its_input(shell: str, tmp_path: Path) -> None:
    told = tmp_path / "memory.current"
    told.write_text("5\n")
    command = [shell, "-c", observe_usage._SCRIPT, shell, str(told), str(tmp_path / "absent")]
    done = subprocess.run(command, input="\n\n", capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.count("@@ end") == 2
    assert done.stdout.startswith(f"@@ {told}\n5\n@@ limits\n")
    assert done.stderr == ""
