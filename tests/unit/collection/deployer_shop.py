# A cluster, a helm and a deployer, for the tests of what is deployed and of what fails at it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.deploy import Deployer
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import with_ownership
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import (
    SHOP,
    FakeHelm,
    HeldCluster,
    Object,
    deployment,
    pod,
    prints,
    rendered,
    replica_set,
    stored,
    waiting,
)

AT_ONCE = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))


def chart_api(image: str = "registry/api:1") -> Object:
    template = {"spec": {"containers": [{"name": "app", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"replicas": 1, "template": template},
    }


def live_api(image: str = "registry/api:1", ready: int = 1) -> Object:
    """The Deployment as helm applied it."""
    applied = with_ownership(chart_api(image), "bytebot", SHOP)
    held = deployment(1, ready)
    return {**held, **applied, "status": held["status"], "metadata": {**held["metadata"], **applied["metadata"]}}


def piece(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


class Shop:
    """A cluster, a helm and a deployer; an upgrade stores what was rendered."""

    def __init__(
        self,
        *objects: Object,
        known: list[Object] | None = None,
        version: str = "v3.16.0",
        patience: Patience = AT_ONCE,
    ) -> None:
        self.cluster = HeldCluster(*objects, *(stored(one) for one in known or []))
        self.helm = FakeHelm(version=Completed(0, version, ""), upgrade=self._upgraded, uninstall=Completed(0, "", ""))
        self.redactor = Redactor()
        self.after: list[Object] = [live_api()]
        self.cli = self.helm.cli()
        self.work = ReleaseWork(self.cluster, self.cli, self.redactor, patience)  # type: ignore[arg-type]
        self.deployer = Deployer(self.work)
        self.render(chart_api(), revision=len(known or []) + 1)

    def render(self, *objects: Object, **more: Any) -> None:
        self.rendered = rendered(*objects, **more)
        self.helm.on["render"] = prints(self.rendered)

    def _upgraded(self) -> Completed:
        self.cluster.objects = [*self.after, stored(self.rendered)]
        return Completed(0, "", "")

    def present(self, *, check_mode: bool = False, wait: bool = True, **changes: Any) -> dict[str, Any]:
        options: dict[str, Any] = {
            "name": "bytebot",
            "namespace": SHOP,
            "chart": "./chart",
            "values": Values(),
            **changes,
        }
        return self.deployer.present(Wanted(**options), check_mode=check_mode, wait=wait)


def broken(owner: Object) -> list[Object]:
    newest = replica_set(owner, 2)
    return [
        newest,
        pod(newest, "api-2-x", ready=False, containerStatuses=[waiting("ErrImagePull", "registry/api:9: not found")]),
    ]
