# Green over a namespace in order; containers, their root and resources, and exceptions from what is wanted of them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.inside import Inside, capabilities, mounts_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    ACCOUNTS,
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
    Justified,
)
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import as_workload
from tests.unit.collection.security_fixtures import (
    CONTAINER,
    MOUNTS,
    POD,
    STATUS,
    Object,
    deployment,
    live_pod,
    meta,
    namespace,
    quota,
    with_container,
)
from tests.unit.collection.security_judged import IN_API, both, context, inside, judged


@pytest.mark.parametrize("control", CHECKS.controls)
def test_a_namespace_in_order_is_green(control: str) -> None:
    verdict = judged(control)
    assert (verdict.state, verdict.weaker) == ("pass", ()), verdict.summary


@pytest.mark.parametrize("control", CHECKS.controls)
def test_what_may_not_be_read_is_pending_with_the_permission(control: str) -> None:
    sentence = "Not permitted to GET /x: cannot list resource. Grant that verb to this account."
    kind = "RoleBinding" if control in (PRODUCTION,) else "ServiceAccount" if control == ACCOUNTS else "Pod"
    verdict = judged(control, denied={kind: sentence})
    assert verdict.state == "pending"
    assert sentence in verdict.summary


CONTEXTS = [
    ("privileged", both(context(privileged=True)), f"{IN_API}: privileged is on."),
    ("a capability", both(context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})), "capabilities add NET_ADMIN"),
    ("hostPath", both({**POD, "volumes": [*POD["volumes"], {"name": "h", "hostPath": {"path": "/"}}]}),
     "Deployment api: volume h mounts the node's path /."),
    ("the namespace enforces nothing", {"namespace_object": namespace("")},
     "Namespace shop: it enforces pod security none, restricted is wanted."),
    ("the namespace enforces too little",
     {"namespace_object": namespace("baseline")}, "it enforces pod security baseline"),
    ("an ephemeral container",
     {"running": (as_workload(live_pod({**POD, "ephemeralContainers": [{"name": "dbg"}]}), {}),)},
     "Deployment api container dbg: allowPrivilegeEscalation is not false"),
    ("the image's user is root", both({**POD, "securityContext": {**POD["securityContext"], "runAsUser": None}})
     | {"image_users": {"registry.test/app:1": ""}}, "no runAsUser is set, and the image runs as root"),
    ("the image's user is a word", both({**POD, "securityContext": {**POD["securityContext"], "runAsUser": None}})
     | {"image_users": {"registry.test/app:1": "node:node"}}, "the image names its user node"),
    ("the kubelet refuses", {"running": (as_workload(live_pod(containerStatuses=[{"name": "app", "state": {"waiting": {
        "reason": "CreateContainerConfigError",
        "message": "container has runAsNonRoot and image will run as root (pod: \"x\", container: app)"}}}]), {}),)},
     "the kubelet does not start it: container has runAsNonRoot and image will run as root."),
    ("root inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "Uid": "0 0 0 0"}}),)},
     "inside, /proc/1/status runs as user 0 (root)"),
    ("capabilities inside",
     {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "CapBnd": "00000000a80425fb"}}),)},
     "can have capabilities AUDIT_WRITE, CHOWN, DAC_OVERRIDE and 10 more"),
    ("privileges to gain inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "NoNewPrivs": "0"}}),)},
     "may gain privileges"),
    ("no seccomp inside", {"inside": (inside(statuses={"/proc/1/status": {**STATUS, "Seccomp": "0"}}),)},
     "has no seccomp filter"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in CONTEXTS], ids=[row[0] for row in CONTEXTS])
def test_context(changes: Object, said: str) -> None:
    verdict = judged(CONTEXT, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary
    assert {judged(control, **changes).state for control in (STORED, PROTECTION, ACCOUNTS)} == {"pass"}


def test_what_both_template_and_pod_have_wrong_is_told_once() -> None:
    assert judged(CONTEXT, **both(context(privileged=True))).summary == f"{IN_API}: privileged is on."


def test_baseline_can_be_enough_and_is_told_as_weaker() -> None:
    verdict = judged(CONTEXT, namespace_object=namespace("baseline"), pod_security="baseline")
    assert (verdict.state, verdict.weaker) == ("pass", ("pod security baseline wanted, document restricted",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inside": (), "not_looked": "Not permitted to exec in pod x"}, "not looked inside: Not permitted to exec"),
        ({"inside": (Inside(IN_API, "x", problem="it has no sh to ask by"),)}, "it has no sh to ask by"),
    ],
)
def test_where_nobody_may_look_inside_it_is_said_and_not_red(changes: Object, said: str) -> None:
    for control in (CONTEXT, ROOT):
        verdict = judged(control, **changes)
        assert verdict.state == "pass"
        assert said in verdict.summary


def test_check_mode_leaves_open_what_needs_a_probe_and_not_what_is_red() -> None:
    for control in (CONTEXT, ROOT):
        assert judged(control, check_mode=True, inside=()).state == "pending"
        assert (
            judged(control, check_mode=True, inside=(), **both({**POD, "containers": [{"name": "app"}]})).state
            == "fail"
        )


def test_capabilities_are_named() -> None:
    assert capabilities("0000000000000400") == ["NET_BIND_SERVICE"]
    assert capabilities("") == []
    assert capabilities("8000000000000000") == ["unknown ones"]
    assert capabilities("zz") == ["of the unreadable set zz"]


ROOTS = [
    ("not set", both(context(readOnlyRootFilesystem=None)), f"{IN_API}: readOnlyRootFilesystem is not true."),
    ("over the root", both(with_container(volumeMounts=[{"name": "tmp", "mountPath": "/usr/bin"}])),
     "a writable emptyDir lies over the system's path /usr/bin"),
    ("over /etc", both(with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc/"}])), "system's path /etc/"),
    ("a mount that is not named",
     {"writable_paths": ("/var/cache",)}, "mounted at /tmp, which is not among the writable"),
    ("a write that goes through", {"inside": (inside(wrote="written"),)}, "a file could be written to /"),
    ("mounted for writing", {"inside": (inside(mounts=mounts_of(MOUNTS.replace("ro,relatime", "rw,relatime"))),)},
     "/ is mounted for writing"),
    ("a mount nobody declared", {"inside": (inside(declared=frozenset()),)}, "/tmp can be written, and no volume"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in ROOTS], ids=[row[0] for row in ROOTS])
def test_read_only_root(changes: Object, said: str) -> None:
    verdict = judged(ROOT, **changes)
    assert verdict.state == "fail"
    assert said in verdict.summary


ALLOWED = [
    ("a read-only mount over the system",
     with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc", "readOnly": True}])),
    ("below /etc", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/etc/nginx/conf.d"}])),
    ("shared memory", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/dev/shm"}])),
    ("its home", with_container(volumeMounts=[{"name": "tmp", "mountPath": "/home/app"}])),
]  # fmt: skip


@pytest.mark.parametrize("pod", [row[1] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_volumes_away_from_the_system_may_be_written(pod: Object) -> None:
    assert judged(ROOT, **both(pod), inside=()).state == "pass"


def test_a_try_to_write_without_an_answer_proves_nothing() -> None:
    assert judged(ROOT, inside=(inside(wrote="unknown", said=""),)).state == "inconclusive"


AMOUNTS = CONTAINER["resources"]
RANGE = {"apiVersion": "v1", "kind": "LimitRange", "metadata": meta("range"), "spec": {"limits": [
    {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}}
]}}  # fmt: skip
RESOURCE_ROWS = [
    ("missing", both(with_container(resources=None)), f"{IN_API}: no cpu request"),
    ("best effort", both(with_container(resources=None)), "its pods are BestEffort, Burstable is wanted"),
    ("request above limit", both(with_container(resources={**AMOUNTS, "requests": {"cpu": "2", "memory": "64Mi"}})),
     "cpu request 2 is above its limit 1"),
    ("guaranteed wanted", {"qos": "Guaranteed"}, "its pods are Burstable, Guaranteed is wanted"),
    ("quota short", {"quotas": (quota(requests_cpu="100m"),)}, "Namespace shop: quota quota allows requests.cpu 100m"),
    ("beyond the range",
     {"limit_ranges": ({**RANGE, "spec": {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}},)},
     "has a cpu limit above 500m"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), [row[1:] for row in RESOURCE_ROWS], ids=[row[0] for row in RESOURCE_ROWS])
def test_resources(changes: Object, said: str) -> None:
    verdict = judged(RESOURCES, **changes)
    assert verdict.state == "fail"
    assert said in str(verdict.evidence[0].observed["findings"])


def test_what_a_limit_range_gives_counts() -> None:
    pod = with_container(resources=None)
    assert judged(RESOURCES, described=(deployment(pod),), limit_ranges=(RANGE,)).state == "pass"


def test_equal_requests_and_limits_are_guaranteed() -> None:
    amounts = {"cpu": "1", "memory": "1Gi"}
    pod = with_container(resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": amounts})
    assert judged(RESOURCES, **both(pod), qos="Guaranteed").state == "pass"


# ---------------------------------------------------------------------- exceptions

WRITABLE = both(context(readOnlyRootFilesystem=False))


def excepted(**changes: Any) -> Justified:
    given = {"workload": "Deployment/api", "control": ROOT, "reason": "it writes", "until": "2027-03-31", **changes}
    return Justified(**given)


def test_an_exception_holds_until_its_day_and_is_told() -> None:
    verdict = judged(ROOT, **WRITABLE, justified=(excepted(),))
    told = f"{IN_API}: readOnlyRootFilesystem is not true (excepted until 2027-03-31: it writes)"
    assert (verdict.state, verdict.weaker) == ("pass", (told,))
    over = judged(ROOT, **WRITABLE, justified=(excepted(until="2027-01-14"),))
    assert over.state == "fail"
    assert "its exception ran out on 2027-01-14" in over.summary
    assert judged(ROOT, **WRITABLE, justified=(excepted(until="2027-01-15"),)).state == "pass"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"workload": "api"}, "pass"),
        ({"container": "app"}, "pass"),
        ({"container": "other"}, "fail"),
        ({"workload": "StatefulSet/api"}, "fail"),
        ({"workload": "ap"}, "fail"),
        ({"control": CONTEXT}, "fail"),
    ],
    ids=str,
)
def test_an_exception_covers_what_it_names(changes: Object, state: str) -> None:
    assert judged(ROOT, **WRITABLE, justified=(excepted(**changes),)).state == state


def test_an_exception_that_covers_nothing_is_told() -> None:
    seen = judged(ROOT, justified=(excepted(container="app"),)).evidence[0].observed
    assert seen["exceptions_without_finding"] == ["Deployment/api container app until 2027-03-31"]
    assert "exceptions_without_finding" not in judged(ROOT, **WRITABLE, justified=(excepted(),)).evidence[0].observed
