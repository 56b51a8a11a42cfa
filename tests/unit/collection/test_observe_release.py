# How a release is observed: its Services, what answers behind them, its quiet period, and what helm deployed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.release import (
    CHECKS,
    ReleaseFacts,
    running_digests,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import Status
from ansible_collections.bytebot.production.plugins.module_utils.checks.watched import not_rolled_out
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NoBackend,
    NotPermitted,
    NotThere,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.manifest import digests
from ansible_collections.bytebot.production.plugins.module_utils.model import State, utc_now
from ansible_collections.bytebot.production.plugins.module_utils.observe_release import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.helm_fakes import (
    SHOP,
    HeldCluster,
    Object,
    deployment,
    pod,
    rendered,
    replica_set,
    running,
    stored,
)
from tests.unit.collection.release_objects import LONG_AGO, NAMED, PODS, SERVICES, endpoint_slice, service, with_status

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


def test_images_are_observed_in_what_helm_deployed_and_in_what_runs() -> None:
    def with_image(workload: Object, image: str) -> Object:
        template = {"spec": {"containers": [{"name": "api", "image": image}]}}
        return {**workload, "spec": {**workload["spec"], "template": template}}

    named, live = (with_image(LIVE, f"registry.example/api:{number}") for number in (1, 2))
    written = {'k:{"name":"api"}': {".": {}, "f:image": {}}, 'k:{"name":"proxy"}': {"f:args": {}}}
    entry = {"manager": "kubectl-set", "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": written}}}}}
    status = {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {}}}
    live = {**live, "metadata": {**live["metadata"], "managedFields": [entry, status, {"manager": "odd"}]}}
    facts = looked(HeldCluster(stored(rendered(named)), live, SET, pod(SET, containerStatuses=[running(LONG_AGO)])))
    assert facts.named_images == NAMED
    assert facts.live_images == {next(iter(NAMED)): "registry.example/api:2"}
    assert facts.image_strangers == {next(iter(NAMED)): ("kubectl-set",)}


def test_what_helm_deployed_is_known_by_object_and_a_secret_by_its_keys_alone() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "one"}}
    other = {**secret, "stringData": {"a": "two"}}
    assert digests([secret], SHOP) == digests([other], SHOP)
    assert digests([secret], SHOP) != digests([{**secret, "stringData": {"b": "one"}}], SHOP)
    facts = looked(shop())
    assert facts.revision
    assert set(facts.deployed_objects) >= {"Deployment shop/api"}


@pytest.mark.parametrize(
    ("writers", "names_release", "strangers"),
    [
        (("helm",), "helm", ()),
        (("helm-controller", "kubectl-set"), "helm-controller", ()),
        (("kubectl-set",), "helm", ("kubectl-set",)),
        (("own-deployer",), "own-deployer", ()),  # Helm is built in, and writes under its program's name
        (("terraform-provider-helm_v3",), "kubectl-annotate", ()),  # adopted: the name of the release was there before
        ((), "helm", ()),
    ],
)
def test_who_else_than_helm_wrote_an_image_is_told_by_the_fields_managers(
    writers: tuple[str, ...], names_release: str, strangers: tuple[str, ...]
) -> None:
    image = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"api"}': {"f:image": {}}}}}}}
    release = {"f:metadata": {"f:annotations": {"f:meta.helm.sh/release-name": {}}}}
    entries = [{"manager": name, "fieldsV1": image} for name in writers]
    entries.append({"manager": names_release, "fieldsV1": release})
    live = {**LIVE, "metadata": {**LIVE["metadata"], "managedFields": entries}}
    facts = looked(HeldCluster(stored(rendered(LIVE)), live, SET, pod(SET, containerStatuses=[running(LONG_AGO)])))
    assert facts.image_strangers == ({next(iter(NAMED)): strangers} if strangers else {})
