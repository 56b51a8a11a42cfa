# A release judged as it runs: each red reason, no pass without an observation, and how the release is observed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.release import (
    CHECKS,
    Reach,
    ReleaseFacts,
    running_digests,
    settled,
    youngest_s,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Signal, Status
from ansible_collections.bytebot.production.plugins.module_utils.checks.watched import not_rolled_out
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NoBackend,
    NotPermitted,
    NotThere,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, digests
from ansible_collections.bytebot.production.plugins.module_utils.model import State, Verdict, utc_now
from ansible_collections.bytebot.production.plugins.module_utils.observe_release import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.helm_fakes import (
    SHOP,
    HeldCluster,
    Object,
    deployment,
    obj,
    owned_by,
    pod,
    rendered,
    replica_set,
    running,
    stored,
)

NOW = "2026-01-01T01:00:00.000Z"
LONG_AGO, JUST_NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:59:56Z"
API = Identity("Deployment", SHOP, "api", "apps")


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


# ---------------------------------------------------------------------- observing

LIVE = deployment(1)
SET = replica_set(LIVE, 1)
CHART_SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": service()["spec"]}
CHART_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}}
RELEASE = rendered(CHART_SERVICE, CHART_DEPLOYMENT)
SCOPE = Scope(SHOP, "bytebot", quiet_s=10.0, settle_s=0.0)


def shop(*more: Object, started: str = LONG_AGO, labels: dict[str, str] | None = None) -> HeldCluster:
    live = {**LIVE, "metadata": {**LIVE["metadata"], "labels": labels or {}}}
    there = {**service(), "metadata": {**service()["metadata"], "labels": labels or {}}}
    cluster = HeldCluster(
        stored(RELEASE), live, SET, pod(SET, containerStatuses=[running(started)]), there, endpoint_slice(), *more
    )
    cluster.backends = {"api:http": 200}
    return cluster


def no_pause(_seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


def looked(cluster: HeldCluster, scope: Scope = SCOPE, *, probe: bool = True, pause: Any = no_pause) -> ReleaseFacts:
    return observe(cluster, scope, Redactor(), probe=probe, pause=pause)  # type: ignore[arg-type]


def states(facts: ReleaseFacts) -> set[str]:
    return {str(one.verdict.state) for one in CHECKS.judge(facts)}


def test_a_running_release_is_green() -> None:
    facts = looked(
        shop(pod(None, "stranger", ready=False), {**service(), "metadata": {**service()["metadata"], "name": "other"}})
    )
    assert states(facts) == {"pass"}
    assert [one["metadata"]["name"] for one in facts.pods] == ["api-1-x"]
    assert [one["metadata"]["name"] for one in facts.services] == ["api"]


def test_an_application_without_helm_is_found_by_its_labels() -> None:
    scope = Scope(SHOP, selector="app=api", settle_s=0.0)
    assert states(looked(shop(labels={"app": "api"}), scope)) == {"pass"}
    assert states(looked(shop(), scope)) == {"fail"}


def test_a_release_that_is_not_there_is_red() -> None:
    assert states(looked(HeldCluster())) == {"fail"}


def test_a_service_that_somebody_deleted_is_missed() -> None:
    cluster = shop()
    cluster.objects = [one for one in cluster.objects if one["kind"] != "Service"]
    assert looked(cluster).missing_services == ("api",)


def test_a_service_whose_selector_somebody_took_out_is_still_judged() -> None:
    cluster = shop()
    cluster.objects = [
        {**one, "spec": {"ports": one["spec"]["ports"]}} if one["kind"] == "Service" else one
        for one in cluster.objects
        if one["kind"] != "EndpointSlice"
    ]
    assert CHECKS.judge(looked(cluster), [SERVICES])[0].verdict.state == State.FAIL


BACKENDS = [
    (200, "connected"),
    (404, "connected"),
    (503, "connected"),  # the application's own answer
    (NoBackend("No backend answers: dial tcp 10.0.0.1:80: connect: connection refused."), "refused"),
    (NoBackend('No backend answers: no endpoints available for service "api".'), "refused"),
    (NoBackend('No backend answers: net/http: malformed HTTP response "x".'), "connected"),
    (NoBackend("No backend answers: EOF."), "connected"),
    (NoBackend("No backend answers within 30 s."), "unknown"),
    (NotPermitted("Not permitted to GET: cannot get resource services/proxy."), "unknown"),
    (NotThere("services not found."), "unknown"),
]


@pytest.mark.parametrize(("answer", "outcome"), BACKENDS)
def test_how_a_connection_ended(answer: Any, outcome: str) -> None:
    cluster = shop()
    cluster.backends = {"api:http": answer}
    facts = looked(cluster)
    assert [reach.outcome for reach in facts.reaches] == [outcome]
    expected = {"connected": "pass", "refused": "fail", "unknown": "inconclusive"}[outcome]
    assert str(CHECKS.judge(facts, [SERVICES])[0].verdict.state) == expected


@pytest.mark.parametrize("words", ["EOF occurred in violation of protocol", "connection refused", "connection reset"])
def test_an_api_server_that_is_away_says_nothing_about_the_backend(words: str) -> None:
    cluster = shop()
    cluster.backends = {"api:http": Unreachable(words)}
    with pytest.raises(Unreachable, match=words):
        looked(cluster)


def test_check_mode_probes_nothing() -> None:
    cluster = shop()
    cluster.backends = {}
    facts = looked(cluster, probe=False)
    assert facts.reaches == ()
    assert CHECKS.judge(facts, [SERVICES])[0].verdict.state == State.PENDING


def test_endpoints_may_follow_a_moment_later() -> None:
    cluster = shop()
    late = cluster.objects.pop()
    pauses: list[float] = []

    def appears(seconds: float) -> None:
        pauses.append(seconds)
        cluster.objects.append(late)

    assert states(looked(cluster, replace(SCOPE, settle_s=30.0), pause=appears)) == {"pass"}
    assert len(pauses) == 1


def test_the_rest_of_the_quiet_period_is_waited_for_and_restarts_are_seen() -> None:
    cluster = shop(started=utc_now())
    pauses: list[float] = []

    def crashes(seconds: float) -> None:
        pauses.append(seconds)
        again = pod(SET, containerStatuses=[running("2026-01-01T00:00:00Z", 1)])
        cluster.objects = [again if one["kind"] == "Pod" else one for one in cluster.objects]

    facts = looked(cluster, pause=crashes)
    assert 8 < pauses[0] <= 10
    assert facts.restarts_before == {"api-1-x/app": 0}
    found = CHECKS.judge(facts, [PODS])[0].verdict
    assert (found.state, "api-1-x/app" in found.summary) == (State.FAIL, True)


def test_what_is_not_rolled_out_is_not_waited_for() -> None:
    cluster = shop(started=utc_now())
    cluster.objects = [deployment(2, 1) if one["kind"] == "Deployment" else one for one in cluster.objects]
    assert CHECKS.judge(looked(cluster), [PODS])[0].verdict.state == State.FAIL


def test_a_failed_roll_out_is_red_with_its_causes() -> None:
    seen = {"causes": [{"cause": "image_missing", "remedy": "Push it."}], "waiting": ["Deployment shop/api"]}
    result = not_rolled_out("Image not found.", seen)
    assert (result.control, result.verdict.state) == ("deployment.execution.pods", State.FAIL)
    assert (result.verdict.summary, result.verdict.remedy) == ("Image not found.", "Push it.")
    assert result.verdict.evidence[0].observed == seen
    assert not_rolled_out("It is slow.", {}).verdict.remedy


def test_the_digests_that_run_are_each_told_once_and_only_of_what_is_rolled_out() -> None:
    ids = ["reg/a@sha256:1", "reg/b@sha256:2", "reg/a@sha256:1", "", "no-digest"]
    pods = tuple(with_status({**running(LONG_AGO), "imageID": id_}, name=f"api-{n}") for n, id_ in enumerate(ids))
    done = ReleaseFacts(SHOP, ("api",), Status((), ()), pods)
    assert running_digests(done) == ("sha256:1", "sha256:2")
    assert running_digests(replace(done, status=Status(("Deployment api",), ()))) == ()
    assert running_digests(replace(done, pods=())) == ()


# ---------------------------------------------------------------------- what is wanted


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


NAMED = {"Deployment shop/api container api": "registry.example/api:1"}


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


def test_images_are_observed_in_what_helm_deployed_and_in_what_runs() -> None:
    def with_image(workload: Object, image: str) -> Object:
        template = {"spec": {"containers": [{"name": "api", "image": image}]}}
        return {**workload, "spec": {**workload["spec"], "template": template}}

    named, live = (with_image(LIVE, f"registry.example/api:{number}") for number in (1, 2))
    facts = looked(HeldCluster(stored(rendered(named)), live, SET, pod(SET, containerStatuses=[running(LONG_AGO)])))
    assert facts.named_images == NAMED
    assert facts.live_images == {next(iter(NAMED)): "registry.example/api:2"}


def test_what_helm_deployed_is_known_by_object_and_a_secret_by_its_keys_alone() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "one"}}
    other = {**secret, "stringData": {"a": "two"}}
    assert digests([secret], SHOP) == digests([other], SHOP)
    assert digests([secret], SHOP) != digests([{**secret, "stringData": {"b": "one"}}], SHOP)
    facts = looked(shop())
    assert facts.revision
    assert set(facts.deployed_objects) >= {"Deployment shop/api"}
