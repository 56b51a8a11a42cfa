# A StatefulSet whose pods crash is judged as a Deployment is: its new pods, those made anew, and those that it leaves.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import RolloutFailed, TimedOut
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience, RolloutWatch
from tests.unit.collection.helm_fakes import SHOP, HeldCluster, Object, obj, pod, waiting

ENDED = {"lastState": {"terminated": {"exitCode": 3}}}
AT_ONCE = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))
OLD, NEW = "db-old", "db-new"


def stateful(spec: Any = None, revision: str = NEW) -> Object:
    status = {"observedGeneration": 1, "readyReplicas": 0, "updatedReplicas": 0, "updateRevision": revision}
    return obj("StatefulSet", "db", {"replicas": 3, **(spec or {})}, status)


def crashing(name: str = "db-0", revision: str = OLD, uid: str = "first", restarts: int = 5, **more: Any) -> Object:
    """A pod of the StatefulSet that crashes; pods made anew keep the name and have another uid."""
    states = [waiting("CrashLoopBackOff", "back-off", restarts, **ENDED)]
    made = pod(stateful(), name, ready=False, **{"containerStatuses": states, **more})
    made["metadata"] |= {"uid": uid, "labels": {"controller-revision-hash": revision}}
    return made


WANTED = [identity(stateful())]


def watching(*objects: Object, replaced: Any = WANTED) -> tuple[HeldCluster, RolloutWatch]:
    cluster = HeldCluster(*objects)
    return cluster, RolloutWatch(cluster, SHOP, AT_ONCE, replaced=replaced)  # type: ignore[arg-type]


def causes(watch: RolloutWatch) -> list[str]:
    return [signal.cause for signal in watch.look(WANTED)]


def test_a_first_pod_that_crashes_is_a_crash_loop() -> None:
    cluster, watch = watching()
    cluster.objects = [stateful(), crashing(revision=NEW)]
    assert causes(watch) == ["crash_loop"]


def test_a_pod_made_anew_under_the_same_name_is_not_the_one_before() -> None:
    """Its own restarts count, though the one before had more of them and waited for the same reason."""
    cluster, watch = watching(stateful(), crashing(restarts=90), replaced=())
    assert causes(watch) == []
    cluster.objects = [stateful(), crashing(revision=NEW, uid="second", restarts=3)]
    assert causes(watch) == ["crash_loop"]


def test_a_crashing_pod_of_before_that_nothing_replaces_is_judged_once_it_was_tried_again() -> None:
    cluster, watch = watching(stateful(revision=OLD), crashing())
    cluster.objects = [stateful(), crashing()]
    assert causes(watch) == []  # what it lacked may be there by now
    cluster.objects = [stateful(), crashing(restarts=6)]
    cluster.log_text = "no such table"
    with pytest.raises(RolloutFailed, match=r"Pod shop/db-0 container app: .*StatefulSet") as failed:
        watch.wait(WANTED, lambda _seconds: None)
    (cause,) = failed.value.details["causes"]
    assert (cause["cause"], cause["log"]) == ("blocked", ["no such table"])
    assert "exit code 3, 6 restarts" in cause["message"]
    assert "kubectl delete pod" in cause["remedy"]


@pytest.mark.parametrize(
    ("spec", "blocks"),
    [
        ({"podManagementPolicy": "OrderedReady"}, True),
        ({"podManagementPolicy": "Parallel"}, False),  # it deletes what is not healthy
        ({"podManagementPolicy": "Parallel", "updateStrategy": {"rollingUpdate": {"partition": 1}}}, True),
        ({"podManagementPolicy": "Parallel", "updateStrategy": {"rollingUpdate": {"partition": 0}}}, False),
        ({"podManagementPolicy": "Parallel", "updateStrategy": {"type": "OnDelete"}}, True),
    ],
)
def test_only_what_a_statefulset_leaves_blocks_it(spec: Any, blocks: bool) -> None:
    cluster, watch = watching(stateful(spec, OLD), crashing(restarts=5))
    cluster.objects = [stateful(spec), crashing(restarts=6)]
    assert causes(watch) == (["blocked"] if blocks else [])


@pytest.mark.parametrize(
    "left",
    [
        crashing(restarts=6) | {"status": {"phase": "Running"}},  # it runs again
        crashing(restarts=2),  # too few to be sure
    ],
)
def test_what_may_still_come_up_blocks_nothing(left: Object) -> None:
    cluster, watch = watching(stateful(revision=OLD), crashing(restarts=1))
    cluster.objects = [stateful(), left]
    assert causes(watch) == []


def test_a_pod_that_has_the_new_template_already_is_judged_by_its_own_trouble() -> None:
    cluster, watch = watching(stateful(revision=OLD), crashing(revision=NEW))
    cluster.objects = [stateful(), crashing(revision=NEW)]
    assert causes(watch) == []
    cluster.objects = [stateful(), crashing(revision=NEW, restarts=6)]
    assert causes(watch) == ["crash_loop"]


def test_an_image_that_is_not_there_blocks_as_well() -> None:
    def unpulled(reason: str) -> Object:
        return crashing(containerStatuses=[waiting(reason, "registry/db:1: not found")])

    cluster, watch = watching(stateful(revision=OLD), unpulled("ImagePullBackOff"))
    cluster.objects = [stateful(), unpulled("ErrImagePull")]
    assert causes(watch) == ["blocked"]


def test_a_time_out_names_what_blocks() -> None:
    cluster, watch = watching(stateful(revision=OLD), crashing())
    cluster.objects = [stateful(), crashing()]
    assert causes(watch) == []
    late = watch.timed_out()
    assert isinstance(late, TimedOut)
    assert "kubectl delete pod" in late.sentence
