# The three that are compared: helm_release, kubernetes.core.helm, and helm itself, each with the same chart and values.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.benchmark.errors import Broken
from tests.benchmark.peer import Environment
from tests.benchmark.processes import Command, Ended

CALLBACKS = Path(__file__).parent / "callback"
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where and what is deployed by all three: the cluster, the namespace, the chart, and a folder for plays."""

    kubeconfig: Path
    context: str
    namespace: str
    chart: Path
    work: Path

    def settings(self) -> Path:
        """An empty ansible.cfg, so that the same defaults hold for all."""
        path = self.work / "ansible.cfg"
        path.write_text("[defaults]\n", encoding="utf-8")
        return path


@dataclass(frozen=True, slots=True)
class Told:
    """What a run says of itself.

    :param task_s: seconds of the one task, None where there is no play; :param changed: None where it does not say;
    :param text: its words when it failed; :param phases: seconds by phase, as ``helm_release`` tells them.
    """

    failed: bool
    task_s: float | None = None
    changed: bool | None = None
    text: str = ""
    phases: Mapping[str, float] = field(default_factory=dict)


class Contender(Protocol):
    """One way to deploy."""

    @property
    def name(self) -> str:
        """For the progress and the rows."""
        ...

    @property
    def release(self) -> str:
        """The release that is its own."""
        ...

    def command(self, helm: Path, values: Values, timeout_s: int) -> Command:
        """What deploys with these values."""
        ...

    def told(self, ended: Ended) -> Told:
        """What the last run says."""
        ...


@dataclass(frozen=True)
class Play:
    """A play of one task (or none) in one environment."""

    name: str
    environment: Environment
    place: Place

    @property
    def release(self) -> str:
        return f"bench-{self.name}"

    def task(self, helm: Path, values: Values, timeout_s: int) -> dict[str, Any] | None:
        """The task; None for the bare start of Ansible."""
        return None

    def command(self, helm: Path, values: Values, timeout_s: int) -> Command:
        task = self.task(helm, values, timeout_s)
        play = {
            "hosts": "all",
            "gather_facts": False,
            "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": [{"name": "Deploy", **task}] if task else [],
        }
        path = self.place.work / f"{self.name}.yml"  # JSON is YAML
        path.write_text(json.dumps([play], indent=1), encoding="utf-8")
        self._times.write_text("", encoding="utf-8")
        arguments = [str(self.environment.playbook), "-i", "localhost,", str(path)]
        return Command(arguments, self.place.work, self._variables())

    def told(self, ended: Ended) -> Told:
        lines = self._times.read_text(encoding="utf-8").splitlines()
        if not lines:
            return Told(failed=ended.code != 0, text=ended.output)
        said = json.loads(lines[-1])
        return Told(said["failed"], said["seconds"], said["changed"], said["text"], said["phases"])

    @property
    def _times(self) -> Path:
        return self.place.work / f"{self.name}.times"

    def _variables(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "K8S_", "ANSIBLE_"))}
        own = {
            "PATH": f"{self.environment.bin}:{os.environ.get('PATH', '')}",
            "ANSIBLE_CONFIG": str(self.place.settings()),
            "ANSIBLE_HOME": str(self.place.work / f"home-{self.environment.bin.parent.name}"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "benchmark_timing",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            "ANSIBLE_NOCOLOR": "1",
            "BENCHMARK_TIMES": str(self._times),
        }
        return kept | own | ({"ANSIBLE_COLLECTIONS_PATH": found} if (found := self.environment.collections) else {})


@dataclass(frozen=True)
class Ours(Play):
    """``bytebot.production.helm_release``."""

    def task(self, helm: Path, values: Values, timeout_s: int) -> dict[str, Any]:
        return {
            "bytebot.production.helm_release": {
                "name": self.release,
                "namespace": self.place.namespace,
                "chart": str(self.place.chart),
                "values": dict(values),
                "kubeconfig": str(self.place.kubeconfig),
                "context": self.place.context,
                "binary_path": str(helm),
                "timeout": timeout_s,
            }
        }


@dataclass(frozen=True)
class Peer(Play):
    """``kubernetes.core.helm``, asked to wait as the others do."""

    def task(self, helm: Path, values: Values, timeout_s: int) -> dict[str, Any]:
        return {
            "kubernetes.core.helm": {
                "name": self.release,
                "release_namespace": self.place.namespace,
                "chart_ref": str(self.place.chart),
                "release_values": dict(values),
                "kubeconfig": str(self.place.kubeconfig),
                "context": self.place.context,
                "binary_path": str(helm),
                "wait": True,
                "timeout": f"{timeout_s}s",
            }
        }


@dataclass(frozen=True)
class Raw:
    """``helm upgrade --install --wait``."""

    place: Place
    name: str = "raw"

    @property
    def release(self) -> str:
        return f"bench-{self.name}"

    def command(self, helm: Path, values: Values, timeout_s: int) -> Command:
        where = ["--namespace", self.place.namespace, "--kube-context", self.place.context]
        arguments = [str(helm), "upgrade", self.release, str(self.place.chart), "--install", "--wait", *where]
        arguments += ["--timeout", f"{timeout_s}s"]
        for key, value in values.items():
            arguments += ["--set-string", f"{key}={value}"]
        return Command(arguments, self.place.work, {**os.environ, "KUBECONFIG": str(self.place.kubeconfig)})

    def told(self, ended: Ended) -> Told:
        return Told(failed=ended.code != 0, text=ended.output)


def expect(told: Told, contender: Contender, ended: Ended, *, failed: bool, changed: bool | None = None) -> None:
    """See that a run did what the case measures; a time of anything else is worth nothing.

    :raises Broken: it did not, with the end of its output.
    """
    wrong = told.failed != failed or (changed is not None and told.changed not in (None, changed))
    if wrong:
        wanted = "fail" if failed else "succeed" if changed is None else f"say changed={changed}"
        raise Broken(f"{contender.name} did not {wanted}: {(told.text or ended.output).strip()[-600:]}")
