# What has to be done and why: every reason, drift, refusals, what nobody could say, and whose pods are replaced.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from base64 import b64encode
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.drift import Difference, differences
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    NotPermitted,
    NotThere,
    Refused,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import Plan, make_plan, with_ownership
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, identity
from tests.unit.collection.helm_fakes import SHOP, HeldCluster, Object, rendered


def config(text: str = "hello", name: str = "motd") -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}}


def api(image: str = "registry/api:1", replicas: int = 2) -> Object:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "app", "image": image}]}}
    spec = {"replicas": replicas, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}


def release(*objects: Object, **more: Any) -> Release:
    return Release.from_helm(rendered(*objects, **more))


def agreed(*objects: Object) -> list[Difference]:
    """The cluster is as the objects say."""
    placed = [{**one, "metadata": {**one["metadata"], "namespace": SHOP}} for one in objects]
    return [Difference(identity(one), one, copy.deepcopy(one)) for one in placed]


def plan(known: list[Release], wanted: Release, found: list[Difference] | None = None) -> Plan:
    return make_plan(known, wanted, agreed(*wanted.objects) if found is None else found, SHOP)


SAME = (config(), api())


def test_nothing_differs() -> None:
    found = plan([release(*SAME)], release(*SAME, revision=2))
    assert (found.changed, found.reasons, found.refusals, found.not_asked, found.replaced) == (False, (), (), (), ())
    assert not found.change
    assert (found.diff["before"], found.diff["after"]) == ("", "")


HOOK = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
}
NEWER_CHART = {"metadata": {"name": "bytebot", "version": "1.1.0", "appVersion": "1.0.0"}}
REASONS = [
    ("the release is not there", [], release(*SAME)),
    ("revision 1 is failed", [release(*SAME, status="failed")], release(*SAME)),
    ("revision 3 is uninstalled", [release(*SAME, status="uninstalled", revision=3)], release(*SAME)),
    ("chart bytebot 1.0.0 becomes bytebot 1.1.0", [release(*SAME)], release(*SAME, chart=NEWER_CHART)),
    ("values differ", [release(*SAME)], release(*SAME, config={"a": 1})),
    ("manifests differ", [release(*SAME)], release(config("bye"), api())),
    ("hooks differ", [release(*SAME)], release(*SAME, hooks=[HOOK])),
]


@pytest.mark.parametrize(("reason", "known", "wanted"), REASONS, ids=[row[0] for row in REASONS])
def test_each_reason(reason: str, known: list[Release], wanted: Release) -> None:
    found = plan(known, wanted)
    assert found.changed
    assert found.reasons == (reason,)


def test_only_the_newest_revision_counts() -> None:
    known = [release(*SAME, revision=3), release(config("old"), revision=2, status="failed")]
    assert not plan(known, release(*SAME)).changed


def test_created_changed_and_deleted() -> None:
    found = plan([release(config(), config(name="gone"))], release(config("bye"), config(name="made")))
    assert found.change.to_dict() == {
        "created": ["ConfigMap shop/made"],
        "changed": ["ConfigMap shop/motd"],
        "deleted": ["ConfigMap shop/gone"],
    }


# ---------------------------------------------------------------------- drift


def drifted(wanted: Object, **live: Any) -> list[Difference]:
    found = agreed(wanted)[0]
    return [Difference(found.identity, None if live.get("gone") else {**(found.live or {}), **live}, found.planned)]


def test_drift_is_a_reason_and_is_shown_live_against_planned() -> None:
    found = plan([release(config())], release(config()), drifted(config(), data={"text": "by hand"}))
    assert found.reasons == ("the cluster has drifted: ConfigMap shop/motd",)
    assert found.drifted
    assert found.change.to_dict()["changed"] == ["ConfigMap shop/motd"]
    assert "by hand" in found.diff["before"]
    assert "hello" in found.diff["after"]


def test_drift_beside_a_change_is_shown_once_and_hides_nothing() -> None:
    other, newer = config("old", "other"), config("new", "other")
    found = plan(
        [release(config(), other)],
        release(config(), newer),
        [*drifted(config(), data={"text": "by hand"}), *drifted(newer, data={"text": "old"})],
    )
    assert found.reasons[0] == "manifests differ"
    assert [found.diff["before"].count(text) for text in ("by hand", "text: old", "hello")] == [1, 1, 0]
    assert [found.diff["after"].count(text) for text in ("hello", "text: new", "text: old")] == [1, 1, 0]


def test_a_change_that_is_wanted_is_no_drift() -> None:
    newer = config("new")
    found = plan([release(config())], release(newer), drifted(newer, data={"text": "hello"}))
    assert found.reasons == ("manifests differ",)
    assert not found.drifted


def test_what_somebody_else_changed_of_a_changing_object_is_drift() -> None:
    newer, by_hand = config("new"), {"text": "by hand"}
    standing, asked_now = drifted(config(), data=by_hand), drifted(newer, data=by_hand)
    found = make_plan([release(config())], release(newer), asked_now, SHOP, standing=standing)
    assert found.reasons == ("manifests differ", "the cluster has drifted: ConfigMap shop/motd")
    assert found.drifted


def test_what_has_not_drifted_is_not_in_the_diff_of_a_drift() -> None:
    calm = config("calm", "calm")
    found = plan(
        [release(config(), calm)],
        release(config(), calm),
        [*drifted(config(), data={"text": "by hand"}), *agreed(calm)],
    )
    assert "calm" not in found.diff["before"] + found.diff["after"]


def test_an_object_that_somebody_deleted_is_drift() -> None:
    found = plan([release(config())], release(config()), drifted(config(), gone=True))
    assert (found.changed, found.drifted) == (True, True)


def test_before_the_first_release_nothing_drifts() -> None:
    found = plan([], release(config()), drifted(config(), gone=True))
    assert found.reasons == ("the release is not there",)
    assert found.change.to_dict() == {"created": ["ConfigMap shop/motd"], "changed": [], "deleted": []}


def test_secret_data_is_not_in_the_diff_of_a_drift() -> None:
    wanted = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"key": b64encode(b"hunter22").decode()},
    }
    by_hand = {"key": b64encode(b"hunter23").decode()}
    found = plan([release(wanted)], release(wanted), drifted(wanted, data=by_hand))
    assert found.changed
    for data in (wanted["data"], by_hand):
        assert data["key"] not in repr(found.diff)
    assert "(changed)" in found.diff["after"]


# ---------------------------------------------------------------------- what nobody could say, and what is refused


def test_a_namespace_that_is_not_there_is_told_and_is_no_refusal() -> None:
    unknown = [Difference(Identity("ConfigMap", SHOP, "motd"), None, None)]
    found = plan([], release(config()), unknown)
    assert (found.not_asked, found.refusals, found.changed) == (("ConfigMap shop/motd",), (), True)


def test_a_refusal_is_told_and_is_no_drift() -> None:
    refused = [Difference(Identity("ConfigMap", SHOP, "motd"), None, None, "no such field")]
    found = plan([release(config())], release(config()), refused)
    assert (found.not_asked, found.refusals, found.drifted) == ((), ("ConfigMap shop/motd: no such field",), False)


# ---------------------------------------------------------------------- whose pods are replaced


@pytest.mark.parametrize(
    ("wanted", "replaced"),
    [(api(), False), (api("registry/api:2"), True), (api(replicas=5), False)],
)
def test_only_a_new_template_replaces_pods(wanted: Object, replaced: bool) -> None:
    found = plan([release(api())], release(wanted))
    assert found.replaced == ((Identity("Deployment", SHOP, "api", "apps"),) if replaced else ())


def test_a_new_workload_replaces_none() -> None:
    assert plan([], release(api())).replaced == ()


# ---------------------------------------------------------------------- asking the API server

LIVE = {
    **config(),
    "metadata": {"name": "motd", "namespace": SHOP, "uid": "u", "resourceVersion": "7", "managedFields": []},
}


def asked(cluster: HeldCluster, *objects: Object) -> list[Difference]:
    return differences(cluster, objects, SHOP, "helm")  # type: ignore[arg-type]


def test_an_object_as_it_must_be_has_not_drifted() -> None:
    found = asked(HeldCluster({**LIVE, "status": {"seen": True}}), config())
    assert [item.drifted for item in found] == [False]


def test_other_values_have_drifted_and_missing_objects_too() -> None:
    assert asked(HeldCluster({**LIVE, "data": {"text": "by hand"}}), config())[0].drifted
    assert asked(HeldCluster(), config())[0].drifted


def test_objects_are_asked_about_where_they_go() -> None:
    cluster = HeldCluster()
    asked(
        cluster,
        config(),
        {**config(), "metadata": {"name": "x", "namespace": "away"}},
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}},
    )
    assert [one["metadata"].get("namespace", "") for one in cluster.applied] == [SHOP, "away", ""]


@pytest.mark.parametrize(("error", "refusal"), [(Refused("invalid"), "invalid"), (NotThere("no namespace"), "")])
def test_refusals_and_missing_namespaces(error: Exception, refusal: str) -> None:
    cluster = HeldCluster()
    cluster.refuses["ConfigMap"] = error
    found = asked(cluster, config())[0]
    assert (found.planned, found.refusal, found.drifted) == (None, refusal, False)


@pytest.mark.parametrize("error", [NotPermitted("cannot patch"), Unreachable("429")])
def test_what_is_no_answer_is_an_error(error: Exception) -> None:
    cluster = HeldCluster()
    cluster.refuses["ConfigMap"] = error
    with pytest.raises(type(error)):
        asked(cluster, config())


def test_a_kind_that_the_cluster_does_not_serve_yet_is_not_asked_about() -> None:
    class Bare(HeldCluster):
        def namespaced(self, _api_version: str, kind: str) -> bool:
            raise NotThere(f"it does not serve {kind}")

    found = asked(Bare(), config())[0]
    assert (str(found.identity), found.planned, found.refusal) == ("ConfigMap shop/motd", None, "")


def test_ownership_is_what_helm_writes_and_keeps_the_rest() -> None:
    given = {**config(), "metadata": {"name": "motd", "labels": {"app": "api"}}}
    owned = with_ownership(given, "bytebot", SHOP)["metadata"]
    assert owned["labels"] == {"app": "api", "app.kubernetes.io/managed-by": "Helm"}
    assert owned["annotations"] == {"meta.helm.sh/release-name": "bytebot", "meta.helm.sh/release-namespace": SHOP}
    assert given["metadata"] == {"name": "motd", "labels": {"app": "api"}}
