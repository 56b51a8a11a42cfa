# A good release as it is observed, for the tests that judge and observe releases: every test puts one thing wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.release import CHECKS, Reach, ReleaseFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Status
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from tests.unit.collection.helm_fakes import SHOP, Object, obj, pod, running

NOW = "2026-01-01T01:00:00.000Z"
LONG_AGO, JUST_NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:59:56Z"
API = Identity("Deployment", SHOP, "api", "apps")
NAMED = {"Deployment shop/api container api": "registry.example/api:1"}


def with_status(*containers: Object, name: str = "api-1-x", **more: Any) -> Object:
    return pod(None, name, containerStatuses=list(containers or [running(LONG_AGO)]), **more)


def service(*ports: Object, name: str = "api", **spec: Any) -> Object:
    return obj(
        "Service", name, {"selector": {"app": "api"}, "ports": list(ports or [{"name": "http", "port": 80}]), **spec}
    )


def endpoint_slice(ready: bool | None = True, port: str = "http", service_name: str = "api", **more: Any) -> Object:
    found = obj("EndpointSlice", f"{service_name}-abc", labels={"kubernetes.io/service-name": service_name})
    return {**found, "endpoints": [{"conditions": {"ready": ready}}], "ports": [{"name": port, "port": 8080}], **more}


FACTS = ReleaseFacts(
    namespace=SHOP,
    workloads=(str(API),),
    status=Status((), ()),
    pods=(with_status(),),
    services=(service(),),
    slices=(endpoint_slice(),),
    reaches=(Reach("api", "http", "connected", "HTTP 200"),),
    observed_at=NOW,
)


def verdict(control: str, **changes: Any) -> Verdict:
    return CHECKS.judge(replace(FACTS, **changes), [control])[0].verdict


PODS, SERVICES, HEALTH = "deployment.execution.pods", "deployment.execution.services", "deployment.health.pods"
