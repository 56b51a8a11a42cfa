# What is judged of a namespace in order with one thing changed, for the tests of security_check.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.access_review import AccessReview, Subject
from ansible_collections.bytebot.production.plugins.module_utils.checks.inside import Inside, mounts_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import Authorized, SecurityFacts
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import as_workload
from tests.unit.collection.security_fixtures import (
    CONTAINER,
    MOUNTS,
    SHOP,
    STATUS,
    Object,
    account,
    config_map,
    deployment,
    live_pod,
    namespace,
    secret,
    with_container,
)
from tests.unit.collection.test_access_review import binding, cluster_role, role, rule

APP = {"kind": "ServiceAccount", "name": "app", "namespace": SHOP}
ALICE, OPS = {"kind": "User", "name": "alice"}, {"kind": "Group", "name": "ops"}
EVERYBODY = {"kind": "Group", "name": "system:authenticated"}
IN_API = "Deployment api container app"


def inside(**changes: Any) -> Inside:
    given = {
        "where": IN_API,
        "pod": "api-6d4-x1",
        "statuses": {"/proc/1/status": STATUS},
        "mounts": mounts_of(MOUNTS),
        "wrote": "refused",
        "said": "refused Read-only file system",
        "declared": frozenset({"/tmp"}),
        **changes,
    }
    return Inside(**given)


GOOD = SecurityFacts(
    namespace=SHOP,
    described=(deployment(),),
    running=(as_workload(live_pod(), {}),),
    pods=(live_pod(),),
    namespace_object=namespace(),
    config_maps=(config_map(HOST="db", LOG_LEVEL="info"),),
    secrets=(secret(),),
    accounts=(account("app"), account("default")),
    references={"db": (("password", IN_API),)},
    inside=(inside(),),
    review=AccessReview(roles=[role("deployer", rule("*", "secrets"))], role_bindings=[binding("deployer", ALICE)]),
    authorized=(Authorized(Subject("User", "alice")),),
    logs_read=1,
    encryption="on",
    encryption_seen="told by metrics",
    today="2027-01-15",
)


def judged(control: str, **changes: Any) -> Verdict:
    (result,) = CHECKS.judge(replace(GOOD, **changes), [control])
    return result.verdict


def both(pod: Object) -> Object:
    """A changed pod, as it is described and as it runs."""
    live = live_pod(pod)
    return {"described": (deployment(pod),), "running": (as_workload(live, {}),), "pods": (live,)}


def context(**changes: Any) -> Object:
    return with_container(securityContext={**CONTAINER["securityContext"], **changes})


def review(of: Object, *subjects: Object, everywhere: bool = False) -> AccessReview:
    if everywhere:
        bound = [binding("r", *subjects, kind="ClusterRole", namespace="")]
        return AccessReview(cluster_roles=[cluster_role("r", of)], cluster_role_bindings=bound)
    return AccessReview(roles=[role("r", of)], role_bindings=[binding("r", *subjects)])
