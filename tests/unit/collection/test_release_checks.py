# A release judged as it runs: each red reason, and no pass without an observation.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.release import (
    CHECKS,
    Reach,
    settled,
    youngest_s,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Signal, Status
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.model import State
from tests.unit.collection.helm_fakes import SHOP, Object, obj, owned_by, pod, running
from tests.unit.collection.release_objects import (
    API,
    FACTS,
    HEALTH,
    JUST_NOW,
    LONG_AGO,
    NAMED,
    NOW,
    PODS,
    SERVICES,
    endpoint_slice,
    service,
    verdict,
    with_status,
)


def test_the_controls() -> None:
    assert set(CHECKS.controls) == {PODS, SERVICES, HEALTH}


@pytest.mark.parametrize("control", CHECKS.controls)
def test_a_good_release_passes_with_evidence(control: str) -> None:
    found = verdict(control)
    assert (found.state, found.remedy) == (State.PASS, "")
    assert found.evidence[0].observed_at == NOW


NOTHING: dict[str, Any] = {"workloads": (), "pods": (), "services": (), "slices": (), "reaches": ()}


@pytest.mark.parametrize("control", CHECKS.controls)
@pytest.mark.parametrize("probed", [True, False])
def test_nothing_observed_is_never_a_pass(control: str, probed: bool) -> None:
    assert verdict(control, **NOTHING, probed=probed).state == State.FAIL


SIGN = Signal("image_missing", Identity("Pod", SHOP, "api-1-x"), "ErrImagePull", "not found", "api-1-x", "app")
JOB_POD = {
    **with_status(name="migrate-x"),
    "metadata": {**obj("Pod", "migrate-x")["metadata"], "ownerReferences": owned_by(obj("Job", "migrate"))},
}
SIDECAR = {
    "containers": [{"name": "app", "image": "registry/api:1"}],
    "initContainers": [
        {"name": "proxy", "image": "registry/proxy:1", "restartPolicy": "Always"},
        {"name": "init", "image": "registry/init:1"},
    ],
}
DIGEST = "sha256:aaa"
PINNED = f"registry/api@{DIGEST}"


def sidecar_pod(proxy: int, init: int) -> Object:
    initial = [
        running(LONG_AGO, proxy, name="proxy"),
        {**running(LONG_AGO, init, name="init"), "state": {"terminated": {}}},
    ]
    return {**with_status(running(LONG_AGO), initContainerStatuses=initial), "spec": SIDECAR}


def with_image(image: str, image_id: str) -> Object:
    return {
        **with_status(running(LONG_AGO, image_id=image_id)),
        "spec": {"containers": [{"name": "app", "image": image}]},
    }


ROWS: list[tuple[str, str, dict[str, Any], State, str]] = [
    # ------------------------------------------------ rolled out
    (
        "the cause before the wait",
        PODS,
        {"status": Status(("Deployment shop/api: 0 of 1",), (SIGN,))},
        State.FAIL,
        "image not found",
    ),
    (
        "the wait without a cause",
        PODS,
        {"status": Status(("Deployment shop/api: 0 of 1 replicas",), ())},
        State.FAIL,
        "0 of 1 replicas",
    ),
    (
        "an update is held back",
        PODS,
        {"status": Status((), (), ("StatefulSet shop/db: partition 2 keeps 2 of 3",))},
        State.FAIL,
        "partition 2",
    ),
    ("scaled to nothing", PODS, {"pods": (), "status": Status((), (), (), (str(API),))}, State.FAIL, "Nothing runs"),
    (
        "one of two wants no pod",
        PODS,
        {"status": Status((), (), (), (str(API),))},
        State.PASS,
        "no pod is wanted of Deployment shop/api",
    ),
    ("restarted a moment ago", PODS, {"pods": (with_status(running(JUST_NOW, 1)),)}, State.FAIL, "api-1-x/app"),
    (
        "restarted while watched",
        PODS,
        {"pods": (with_status(running(LONG_AGO, 2)),), "restarts_before": {"api-1-x/app": 1}},
        State.FAIL,
        "api-1-x/app",
    ),
    (
        "restarted long ago",
        PODS,
        {"pods": (with_status(running(LONG_AGO, 2)),), "restarts_before": {"api-1-x/app": 2}},
        State.PASS,
        "no restart",
    ),
    ("young", PODS, {"pods": (with_status(running(JUST_NOW)),)}, State.INCONCLUSIVE, "only 4 s"),
    (
        "young, and another restarted long ago",
        PODS,
        {"pods": (with_status(running(JUST_NOW)), with_status(running(LONG_AGO, 2), name="old"))},
        State.INCONCLUSIVE,
        "only 4 s",
    ),
    (
        "replaced while watched",
        PODS,
        {
            "pods": (with_status(running(JUST_NOW), name="new"),),
            "watched_s": 10.0,
            "restarts_before": {"api-1-x/app": 0},
        },
        State.INCONCLUSIVE,
        "only 4 s",
    ),
    (
        "started in the future of this clock",
        PODS,
        {"pods": (with_status(running("2026-01-01T01:00:30Z")),)},
        State.INCONCLUSIVE,
        "only 0 s",
    ),
    (
        "shorter quiet period",
        PODS,
        {"pods": (with_status(running(JUST_NOW)),), "quiet_s": 3.0},
        State.PASS,
        "within 3 s",
    ),
    # ------------------------------------------------ healthy
    ("not ready", HEALTH, {"pods": (with_status(), pod(ready=False))}, State.FAIL, "Pod api-1-x is not Ready"),
    (
        "no condition at all",
        HEALTH,
        {"pods": (obj("Pod", "x", None, {"phase": "Running"}),)},
        State.FAIL,
        "Pod x is not Ready",
    ),
    ("evicted", HEALTH, {"pods": (pod(ready=False, phase="Failed", reason="Evicted"),)}, State.FAIL, "being evicted"),
    (
        "about to be evicted",
        HEALTH,
        {
            "pods": (
                pod(conditions=[{"type": "DisruptionTarget", "status": "True"}, {"type": "Ready", "status": "True"}]),
            )
        },
        State.FAIL,
        "being evicted",
    ),
    (
        "being deleted for long",
        HEALTH,
        {"pods": ({**pod(), "metadata": {**pod()["metadata"], "deletionTimestamp": LONG_AGO}},)},
        State.FAIL,
        "being deleted, and should have ended",
    ),
    (
        "being deleted in order, as where an autoscaler wants fewer",
        HEALTH,
        {
            "pods": (
                pod(),
                {**pod(name="other"), "metadata": {**pod(name="other")["metadata"], "deletionTimestamp": NOW}},
            )
        },
        State.PASS,
        "",
    ),
    (
        "too many restarts",
        HEALTH,
        {"pods": (with_status(running(LONG_AGO, 4)),)},
        State.FAIL,
        "restarted 4 times, 3 are accepted",
    ),
    ("restarts as accepted", HEALTH, {"pods": (with_status(running(LONG_AGO, 3)),)}, State.PASS, "at most 3 restarts"),
    ("a sidecar restarts", HEALTH, {"pods": (sidecar_pod(9, 0),)}, State.FAIL, "container proxy restarted 9 times"),
    ("an init container tried often", HEALTH, {"pods": (sidecar_pod(0, 9),)}, State.PASS, "at most 0 restarts"),
    (
        "several",
        HEALTH,
        {"pods": (pod(ready=False), pod(name="b", ready=False), pod(name="c", ready=False))},
        State.FAIL,
        "(and 2 more)",
    ),
    (
        "a finished job beside it",
        HEALTH,
        {"pods": (with_status(), {**JOB_POD, "status": {"phase": "Succeeded"}})},
        State.PASS,
        "Every pod is Ready (1)",
    ),
    (
        "a job's failed try beside it",
        HEALTH,
        {"pods": (with_status(), {**JOB_POD, "status": {"phase": "Failed"}})},
        State.PASS,
        "Every pod is Ready (1)",
    ),
    (
        "a failed pod of a Deployment",
        HEALTH,
        {"pods": (with_status(), pod(name="b", ready=False, phase="Failed"))},
        State.FAIL,
        "Pod b is not Ready",
    ),
    (
        "a finished job alone",
        HEALTH,
        {"pods": ({**JOB_POD, "status": {"phase": "Succeeded"}},)},
        State.FAIL,
        "no pod that runs",
    ),
    (
        "the pinned digest runs",
        HEALTH,
        {"pods": (with_image(PINNED, PINNED),)},
        State.PASS,
        "the wanted image digests run",
    ),
    (
        "another digest than pinned",
        HEALTH,
        {"pods": (with_image(PINNED, "registry/api@sha256:bbb"),)},
        State.FAIL,
        "sha256:bbb, sha256:aaa is wanted",
    ),
    ("pinned, and nobody says what runs", HEALTH, {"pods": (with_image(PINNED, ""),)}, State.FAIL, "an unknown digest"),
    (
        "not pinned, and nobody says what runs",
        HEALTH,
        {"pods": (with_image("registry/api:1", ""),)},
        State.PASS,
        "names no digest",
    ),
    (
        "the expected digest runs",
        HEALTH,
        {"expected_digests": {"registry/api:1": DIGEST}},
        State.PASS,
        "the wanted image digests run",
    ),
    (
        "another digest than expected",
        HEALTH,
        {"expected_digests": {"registry/api:1": "sha256:ccc"}},
        State.FAIL,
        "sha256:ccc is wanted",
    ),
    (
        "the expected image runs nowhere",
        HEALTH,
        {"expected_digests": {"registry/api:2": DIGEST}},
        State.FAIL,
        "runs in no pod",
    ),
    (
        "two digests of one tag",
        HEALTH,
        {"pods": (with_status(), with_status(running(LONG_AGO, image_id="registry/api@sha256:bbb"), name="b"))},
        State.FAIL,
        "2 different versions",
    ),
    # ------------------------------------------------ services
    ("no endpoint", SERVICES, {"slices": ()}, State.FAIL, "Service api port http has no ready endpoint"),
    ("endpoints not ready", SERVICES, {"slices": (endpoint_slice(ready=False),)}, State.FAIL, "no ready endpoint"),
    (
        "readiness unknown counts as ready",
        SERVICES,
        {"slices": (endpoint_slice(ready=None),)},
        State.PASS,
        "Every Service (1)",
    ),
    (
        "endpoints of another Service",
        SERVICES,
        {"slices": (endpoint_slice(service_name="web"),)},
        State.FAIL,
        "no ready endpoint",
    ),
    (
        "endpoints of another namespace",
        SERVICES,
        {"slices": ({**endpoint_slice(), "metadata": {**endpoint_slice()["metadata"], "namespace": "test"}},)},
        State.FAIL,
        "no ready endpoint",
    ),
    (
        "no endpoint on one of two ports",
        SERVICES,
        {"services": (service({"name": "http", "port": 80}, {"name": "metrics", "port": 9090}),)},
        State.FAIL,
        "port metrics has no ready endpoint",
    ),
    (
        "target port of no name that a pod has",
        SERVICES,
        {"slices": (endpoint_slice(ports=[{"name": "http", "port": None}]),)},
        State.FAIL,
        "no ready",
    ),
    (
        "headless, without ports",
        SERVICES,
        {"services": ({**service(), "spec": {"selector": {"a": "b"}}},), "slices": ()},
        State.FAIL,
        "no ready endpoint",
    ),
    (
        "one is not there",
        SERVICES,
        {"missing_services": ("web",)},
        State.FAIL,
        "Service web of the release is not there",
    ),
    (
        "none is there",
        SERVICES,
        {"services": (), "reaches": (), "missing_services": ("web",)},
        State.FAIL,
        "Service web",
    ),
    (
        "nothing listens",
        SERVICES,
        {"reaches": (Reach("api", "http", "refused", "connection refused"),)},
        State.FAIL,
        "where nothing listens",
    ),
    (
        "nobody could say",
        SERVICES,
        {"reaches": (Reach("api", "http", "unknown", "Not permitted"),)},
        State.INCONCLUSIVE,
        "Not permitted",
    ),
    (
        "one of two could not be said",
        SERVICES,
        {"reaches": (*FACTS.reaches, Reach("api", "x", "unknown", "no"))},
        State.INCONCLUSIVE,
        "api:x: no",
    ),
    ("no connection was tried", SERVICES, {"reaches": ()}, State.INCONCLUSIVE, "no connection was tried"),
    ("check mode", SERVICES, {"reaches": (), "probed": False}, State.PENDING, "check mode sends none"),
    (
        "check mode, and no endpoint",
        SERVICES,
        {"reaches": (), "probed": False, "slices": ()},
        State.FAIL,
        "no ready endpoint",
    ),
]


@pytest.mark.parametrize(
    ("control", "changes", "state", "words"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_each_reason(control: str, changes: dict[str, Any], state: State, words: str) -> None:
    found = verdict(control, **changes)
    assert found.state == state, found.summary
    assert words in found.summary
    assert bool(found.remedy) == (state in (State.FAIL, State.INCONCLUSIVE))


def test_one_problem_is_one_and_the_evidence_shows_each_pod() -> None:
    found = verdict(HEALTH, pods=(with_status(), pod(name="b", ready=False)))
    assert found.summary == "Pod b is not Ready."
    assert found.evidence[0].observed["pods"] == {"api-1-x": "True", "b": "False"}


def test_settled_is_what_can_get_no_better() -> None:
    assert settled(FACTS)
    assert not settled(replace(FACTS, slices=()))
    assert not settled(replace(FACTS, reaches=(Reach("api", "http", "refused", ""),)))


@pytest.mark.parametrize("state", [{}, {"running": {}}, {"running": {"startedAt": None}}, {"waiting": {}}, None])
def test_a_container_that_says_no_start_has_no_age(state: Any) -> None:
    assert youngest_s((with_status({"name": "app", "state": state, "restartCount": None}),), NOW) is None


@pytest.mark.parametrize(
    ("wanted", "there", "words"),
    [
        ({"Deployment shop/api": "1"}, {"Deployment shop/api": "2"}, "Deployment shop/api differs in revision 3"),
        (
            {"Deployment shop/api": "1", "Service shop/api": "1"},
            {"Service shop/api": "1"},
            "Deployment shop/api is missing",
        ),
        ({"Service shop/api": "1"}, {"Service shop/api": "1", "Job shop/old": "1"}, "Job shop/old is too many"),
    ],
)
def test_another_release_than_what_is_wanted_is_red(wanted: Object, there: Object, words: str) -> None:
    found = verdict(PODS, expected_objects=wanted, deployed_objects=there, revision=3)
    assert (found.state, words in found.summary) == (State.FAIL, True), found.summary
    assert verdict(PODS, expected_objects=there, deployed_objects=there).state == State.PASS
    assert verdict(PODS, deployed_objects=there).state == State.PASS, "nobody asked"


@pytest.mark.parametrize(
    ("live", "state"),
    [
        ("registry.example/api:1", State.PASS),
        (f"registry.example/api:1@sha256:{'0' * 64}", State.PASS),
        ("registry.example/api:10", State.FAIL),
        ("registry.example/other:1", State.FAIL),
    ],
)
def test_an_image_that_was_changed_past_helm_is_red(live: str, state: State) -> None:
    there = {next(iter(NAMED)): live, "Deployment shop/api container istio-proxy": "registry.example/proxy:2"}
    found = verdict(HEALTH, named_images=NAMED, live_images=there, revision=3)
    assert found.state == state, found.summary
    if state == State.FAIL:
        assert f"container api runs image {live}, and revision 3 has registry.example/api:1" in found.summary
    assert verdict(HEALTH, named_images=NAMED).state == State.PASS, "a workload that is not there has none"


@pytest.mark.parametrize(
    ("live", "strangers", "state"),
    [
        (f"registry.example/api:1@sha256:{'0' * 64}", (), State.PASS),
        (f"registry.example/api:1@sha256:{'0' * 64}", ("kubectl-set",), State.FAIL),
        (f"registry.example/api@sha256:{'0' * 64}", ("kubectl-set",), State.FAIL),
        (f"registry.example/api@sha256:{'0' * 64}", (), State.INCONCLUSIVE),
        ("registry.example/api:1", ("kubectl-set",), State.PASS),
    ],
)
def test_a_digest_that_another_one_than_helm_wrote_pins_nothing(
    live: str, strangers: tuple[str, ...], state: State
) -> None:
    """Admission writes in the name of who asked; by hand any image may stand behind the same tag."""
    where = next(iter(NAMED))
    found = verdict(
        HEALTH, named_images=NAMED, live_images={where: live}, image_strangers={where: strangers}, revision=3
    )
    assert found.state == state, found.summary
    assert ("written by kubectl-set" in found.summary) is (state == State.FAIL)


ONE, TWO = (f"sha256:{letter * 64}" for letter in "12")


@pytest.mark.parametrize(
    ("named", "live", "state"),
    [
        ("registry.example/api:1", f"registry.example/api@{ONE}", State.INCONCLUSIVE),
        ("registry.example/api:1", f"registry.example/other@{ONE}", State.FAIL),
        ("registry.example/api:1", f"registry.example/api:2@{ONE}", State.FAIL),
        ("nginx:1", f"index.docker.io/library/nginx@{ONE}", State.INCONCLUSIVE),
        (f"registry.example/api:1@{ONE}", f"registry.example/api@{ONE}", State.PASS),
        (f"registry.example/api:1@{ONE}", f"registry.example/api@{TWO}", State.FAIL),
    ],
)
def test_a_digest_in_the_place_of_a_tag_is_neither_the_same_image_nor_another(
    named: str, live: str, state: State
) -> None:
    where = "Deployment shop/api container api"
    found = verdict(HEALTH, named_images={where: named}, live_images={where: live}, revision=3)
    assert (found.state, bool(found.remedy)) == (state, state != State.PASS), found.summary
    certain = {"expected_digests": {"registry/api:1": "sha256:ccc"}}
    both = verdict(HEALTH, named_images={where: named}, live_images={where: live}, **certain)
    assert both.state == State.FAIL, "what is certain is told first"
