# What a fault is: something wrong that is put into the sandbox, what it must turn red, and how it is healed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sandbox import catalog, diagnosis
from sandbox.api import ApiError
from sandbox.cluster import APPLY, Cluster
from sandbox.errors import SandboxError
from sandbox.files import render
from sandbox.pki import Pki
from sandbox.settings import Settings
from sandbox.shell import run

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
NAMESPACE = "bytebot-production"
API = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-api"
WITHIN_S = 180.0
DOCUMENTS_COPY = "documents"
LAYERS = ("application", "values", "cluster", "database", "network", "inputs")


@dataclass(frozen=True)
class Hands:
    """What faults work with.

    :param reports: the folder of the reports, which also has what was signed.
    :param keeps: what faults keep is below this folder, where not in the sandbox's own.
    :param place: of one among several faults that are in at once; empty for one alone.
    :param applied: by the path of an object, the place of the fault that described it: two would undo each other.
    """

    settings: Settings
    cluster: Cluster
    pki: Pki
    reports: Path = Path("reports")
    keeps: Path | None = None
    place: str = ""
    applied: dict[str, str] = field(default_factory=dict)

    @property
    def common(self) -> Path:
        """Where all faults that are in at once keep what they need; it goes with healing."""
        return self.keeps or self.settings.state / "faults"

    @property
    def folder(self) -> Path:
        """Where one fault keeps what it needs: what the others keep has the same names."""
        return self.common / self.place

    def patch(self, path: str, body: Mapping[str, Any], kind: str = MERGE) -> None:
        self.cluster.call("PATCH", path, json.dumps(body), kind)

    def apply(self, path: str, body: Mapping[str, Any]) -> None:
        if (before := self.applied.setdefault(path, self.place)) != self.place:
            raise SandboxError("fault", f"{before} and {self.place} both describe {path}", remedy="put in one of them")
        self.cluster.call("PATCH", f"{path}?fieldManager=bytebot-fault&force=true", json.dumps(body), APPLY)

    def delete(self, path: str) -> None:
        """Delete an object and wait until it is gone; one that is not there is fine."""
        try:
            self.cluster.call("DELETE", f"{path}?propagationPolicy=Background")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        self.until(lambda: self.cluster.get(path) is None, f"{path} is gone")

    def restart(self, path: str) -> None:
        """A new pod for a StatefulSet of one, which reads its configuration anew."""
        found = self.cluster.get(path) or {}
        former = {pod["metadata"]["uid"] for pod in self.cluster.pods_of(found)}
        meta = found["metadata"]
        pod = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}-0"
        try:
            self.cluster.call("DELETE", f"{pod}?gracePeriodSeconds=5")
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

        def renewed() -> bool:
            pods = self.cluster.pods_of(found)
            return self.settled(path) and not former & {pod["metadata"]["uid"] for pod in pods}

        self.until(renewed, f"{path} has a new pod that is ready")

    def declare(self, component: str, values: Mapping[str, Any]) -> None:
        """Apply a component's objects as they are declared, by the values of its templates."""
        for template in sorted((catalog.FOLDER / component).glob("*.yaml.j2")):
            text = render(template, {"s": self.settings, "pki": self.pki, **values})
            self.cluster.apply(component, text)

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> str:
        """Run a command in a container, and return what it says."""
        kubectl: list[str | Path] = [
            self.settings.bin / "kubectl",
            f"--kubeconfig={self.settings.kubeconfig}",
            "-n",
            namespace,
        ]
        return run("fault", [*kubectl, "exec", pod, "-c", container, "--", *command])

    def refuses(self, path: str) -> bool:
        """Whether admission refuses a change of an object now; nothing is changed."""
        try:
            body = json.dumps({"metadata": {"annotations": {"bytebot.test/asked": "1"}}})
            self.cluster.call("PATCH", f"{path}?dryRun=All", body, MERGE)
        except ApiError as error:
            return "denied" in str(error)
        return False

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds.

        :raises SandboxError: it does not within the bound.
        """
        end = time.monotonic() + WITHIN_S
        while not holds():
            if time.monotonic() > end:
                raise SandboxError("fault", f"after {WITHIN_S:g} s it is not so that {what}", remedy="make heal")
            time.sleep(0.3)

    def settled(self, path: str) -> bool:
        """Whether a workload has as many ready pods as it wants, all of its newest kind, and no other."""
        found = self.cluster.get(path)
        if found is None or not diagnosis.rolled_out(found):
            return False
        wanted: int = found["spec"].get("replicas", 1)
        return len(self.cluster.pods_of(found)) == wanted

    def rolled_out(self, path: str = API) -> bool:
        """Whether a Deployment's pods are all of its newest kind, available, and none is left of before."""
        found = self.cluster.get(path)
        if found is None:
            return False
        status, wanted = found.get("status", {}), found["spec"].get("replicas", 1)
        return (
            status.get("observedGeneration") == found["metadata"]["generation"]
            and all(status.get(name, 0) == wanted for name in ("updatedReplicas", "availableReplicas", "replicas"))
            and len(self.cluster.pods_of(found)) == wanted
        )

    def recovered(self) -> bool:
        """Whether the API is ready again after what it rests on was away; so it is where nothing is deployed."""
        return self.cluster.get(API) is None or self.rolled_out()


Act = Callable[[Hands], None]


def scaled(path: str, number: int) -> Act:
    """Another number of pods of a Deployment or StatefulSet, and wait for it."""

    def act(hands: Hands) -> None:
        hands.patch(f"{path}/scale", {"spec": {"replicas": number}})
        hands.until(lambda: hands.settled(path), f"{path} has {number} ready pods and no other")

    return act


def nothing(_: Hands) -> None:
    """What faults do that consist of inputs only."""


def no_variables(_: Hands) -> Mapping[str, Any]:
    """What faults give to the playbook that are in the system itself."""
    return {}


def no_drills(_: Hands) -> Mapping[str, Any]:
    """For faults that show without load and without drills, which take a minute."""
    return {"bytebot_tests_allowed": ["writes"]}


def no_load(_: Hands) -> Mapping[str, Any]:
    """For faults that a drill has to tell from another one, and no load."""
    return {"bytebot_tests_allowed": ["writes", "drills"]}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    :param says: what is wrong, in one short sentence without a full stop.
    :param turns_red: the controls that it must turn red; what rests on them is blocked, all others stay as they are.
        None as long as nothing judges what it is about.
    :param playbook: ``verify`` judges what runs; ``deploy`` is needed where the fault shows while deploying;
        ``prepare`` judges the preparation of another namespace only, ``window`` what came after a go-live; ``review``
        what was since then, and asks no gate.
    :param shuts: whether the gate shuts; what is advice only leaves it open.
    :param variables: inputs that go with it: values of the chart, or what the environment says.
    :param seen: whether it is there, found out in another way than by the controls that it turns red; None where only
        they look.
    :param component: the part of the sandbox that it needs; a profile may be without it.
    :param before: sections that are judged before it is put in; :param beside: sections that are judged with it.
    :param signed: whether what it turns red is signed in a healthy sandbox. :param turns: the state that its controls
        get; what once counted and does so no more is stale.
    :param mark: the name by which the API does it of itself, where that is all that putting in and healing do, so that
        several come and go by one roll-out. Else empty.
    """

    name: str
    says: str
    layer: str
    turns_red: tuple[str, ...] = ()
    playbook: str = "verify"
    shuts: bool = True
    put: Act = nothing
    heal: Act = nothing
    variables: Callable[[Hands], Mapping[str, Any]] = field(default=no_variables)
    seen: Callable[[Hands], bool] | None = None
    component: str = ""
    before: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    signed: bool = False
    turns: str = "fail"
    mark: str = ""

    @property
    def section(self) -> str:
        """The section of the checklist that it belongs to; empty where it turns nothing red."""
        return self.turns_red[0].partition(".")[0] if self.turns_red else ""

    @property
    def sociable(self) -> bool:
        """Whether it may be in beside others: what is judged in a way or at a time of its own is so alone."""
        return self.playbook == "verify" and not self.before
