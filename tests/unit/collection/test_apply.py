# Server-side apply of lists of objects: order, truth about changes, check mode, conflicts, deletion.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import apply as under_test
from ansible_collections.bytebot.production.plugins.module_utils.apply import (
    Applier,
    conflict,
    ordered,
    placed,
    settled,
    wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotThere,
    Refused,
    TimedOut,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.fakes import FakeCluster

EMPTY = {"created": [], "changed": [], "deleted": [], "unchanged": []}


def obj(kind: str, name: str, namespace: str = "", api_version: str = "v1", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def config(name: str = "motd", namespace: str = "trial", **data: str) -> dict[str, Any]:
    return obj("ConfigMap", name, namespace, data=data or {"text": "be kind"})


NAMESPACE = obj("Namespace", "trial")
CRD = obj(
    "CustomResourceDefinition",
    "widgets.example.com",
    api_version="apiextensions.k8s.io/v1",
    spec={
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": True, "storage": True}],
    },
)
WIDGET = obj("Widget", "one", "trial", "example.com/v1", spec={"size": 1})


def run(
    cluster: FakeCluster,
    *objects: dict[str, Any],
    check: bool = False,
    force: bool = False,
    absent: bool = False,
    namespace: str = "",
) -> dict[str, Any]:
    ready = placed(cluster, wanted(copy.deepcopy(list(objects)), []), namespace, absent=absent)
    applier = Applier(cluster, Redactor(), check=check, force=force)
    return (applier.absent(ready) if absent else applier.present(ready)).result(with_diff=True)


# ---------------------------------------------------------------------- present


def test_a_second_run_changes_nothing() -> None:
    cluster = FakeCluster()
    first = run(cluster, config(), NAMESPACE)
    assert first["changes"] == {**EMPTY, "created": ["Namespace trial", "ConfigMap trial/motd"]}
    assert first["changed"]
    cluster.writes = 0
    second = run(cluster, config(), NAMESPACE)
    assert second == {
        "changed": False,
        "changes": {**EMPTY, "unchanged": ["Namespace trial", "ConfigMap trial/motd"]},
        "not_asked": [],
    }
    assert cluster.writes == 0


def test_changes_are_told_with_a_diff_and_left_out_fields_go() -> None:
    cluster = FakeCluster(namespaces=("trial",))
    run(cluster, config(text="be kind", more="x"), config("other"))
    changed = run(cluster, config(text="be brave"), config("other"))
    assert changed["changes"] == {**EMPTY, "changed": ["ConfigMap trial/motd"], "unchanged": ["ConfigMap trial/other"]}
    assert cluster.live("ConfigMap", "motd", "trial")["data"] == {"text": "be brave"}
    assert "be kind" in changed["diff"]["before"] and "be brave" in changed["diff"]["after"]
    assert "other" not in changed["diff"]["after"]
    assert "managedFields" not in changed["diff"]["after"]


@pytest.mark.parametrize(
    "bookkeeping", ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"]
)
def test_bookkeeping_is_no_change(bookkeeping: str) -> None:
    one = config()
    other = {**config(), "status": {"phase": "x"}, "metadata": {**one["metadata"], bookkeeping: "2"}}
    assert settled(other) == one
    assert settled({**one, "metadata": {**one["metadata"], "labels": {"a": "b"}}}) != one


def test_taking_over_ownership_alone_is_no_change() -> None:
    cluster = FakeCluster(config(), namespaces=("trial",))
    assert not run(cluster, config())["changed"]
    assert "bytebot.production" in str(cluster.live("ConfigMap", "motd", "trial")["metadata"]["managedFields"])


def test_order() -> None:
    given = [config("a"), CRD, config("b"), NAMESPACE, WIDGET]
    names = [item["metadata"]["name"] for item in ordered(given)]
    assert names == ["trial", "widgets.example.com", "a", "b", "one"]
    assert [item["metadata"]["name"] for item in ordered(given, absent=True)] == names[::-1]


def test_the_namespace_is_filled_in_only_where_objects_live_in_one() -> None:
    cluster = FakeCluster()
    bare = [
        obj("Namespace", "trial"),
        obj("ConfigMap", "motd", data={}),
        CRD,
        obj("Widget", "one", "", "example.com/v1"),
    ]
    made = run(cluster, *bare, config("own", "default"), namespace="trial")["changes"]["created"]
    assert made == [
        "Namespace trial",
        "CustomResourceDefinition widgets.example.com",
        "ConfigMap trial/motd",
        "Widget trial/one",
        "ConfigMap default/own",
    ]
    with pytest.raises(InputError, match="ConfigMap motd lives in a namespace and names none"):
        run(cluster, obj("ConfigMap", "motd"))


# ---------------------------------------------------------------------- check mode


def test_check_mode_asks_and_stores_nothing() -> None:
    cluster = FakeCluster(namespaces=("trial",))
    asked = run(cluster, config(), check=True)
    assert asked["changes"] == {**EMPTY, "created": ["ConfigMap trial/motd"]}
    assert (cluster.writes, cluster.live("ConfigMap", "motd", "trial")) == (0, None)
    assert any(method == "PATCH" for method, _path, _body in cluster.sent)
    done = run(cluster, config())
    assert asked == done
    assert not run(cluster, config(), check=True)["changed"]


def test_what_check_mode_cannot_ask_is_told() -> None:
    cluster = FakeCluster(namespaces=("there",))
    objects = [NAMESPACE, CRD, config(), WIDGET, config("asked", "there")]
    asked = run(cluster, *objects, check=True)
    assert asked["not_asked"] == ["ConfigMap trial/motd", "Widget trial/one"]
    assert len(asked["changes"]["created"]) == 5
    assert cluster.writes == 0
    done = run(cluster, *objects)
    assert (done["not_asked"], done["changes"]) == ([], asked["changes"])


def test_a_custom_object_whose_definition_comes_along_is_not_asked_in_a_namespace_that_exists() -> None:
    cluster = FakeCluster(namespaces=("trial",))
    assert run(cluster, CRD, WIDGET, check=True)["not_asked"] == ["Widget trial/one"]


@pytest.mark.parametrize("check", [True, False])
def test_a_namespace_that_nobody_makes_is_an_error_in_both_modes(check: bool) -> None:
    with pytest.raises(NotThere, match=r'^ConfigMap trial/motd cannot be applied: .* namespaces "trial" not found'):
        run(FakeCluster(), config(), check=check)


@pytest.mark.parametrize("check", [True, False])
def test_a_kind_that_is_not_served_is_an_error(check: bool) -> None:
    with pytest.raises(NotThere, match=r"Widget trial/one cannot be applied: the cluster .* does not serve Widget"):
        run(FakeCluster(namespaces=("trial",)), WIDGET, check=check)


# ---------------------------------------------------------------------- conflicts


def test_a_conflict_says_who_owns_which_field() -> None:
    cluster = FakeCluster(namespaces=("trial",))
    cluster.put(config(text="by hand", more="by hand"), manager="kubectl-edit")
    cluster.put(obj("ConfigMap", "motd", "trial", metadata_only="x"), manager="helm")
    with pytest.raises(Refused) as caught:
        run(cluster, config("free"), config(text="a", more="b", metadata_only="x"))
    assert caught.value.sentence == (
        "ConfigMap trial/motd cannot be applied, for kubectl-edit owns .data.more, .data.text. "
        "Set force to take these fields over, or leave them out of the object."
    )
    assert caught.value.details["changes"]["created"] == ["ConfigMap trial/free"]  # what was done before it
    assert caught.value.details["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_force_takes_over(check: bool) -> None:
    cluster = FakeCluster(namespaces=("trial",))
    cluster.put(config(text="by hand"), manager="kubectl-edit")
    result = run(cluster, config(text="ours"), force=True, check=check)
    assert result["changes"]["changed"] == ["ConfigMap trial/motd"]
    assert cluster.live("ConfigMap", "motd", "trial")["data"] == {"text": "by hand" if check else "ours"}
    if not check:
        assert not run(cluster, config(text="ours"))["changed"]  # owned now, so force is not needed again


@pytest.mark.parametrize(
    ("sentence", "owners"),
    [
        (
            'The Kubernetes API refused to PATCH /x (409): Apply failed with 1 conflict: conflict with "kubectl-edit" '
            "using apps/v1: .spec.replicas.",
            "kubectl-edit owns .spec.replicas",
        ),
        (
            'refused (409): Apply failed with 3 conflicts: conflicts with "helm" using apps/v1: - .spec.replicas '
            '- .metadata.labels.app.kubernetes.io/name conflicts with "hpa" with subresource "scale" using apps/v1 at '
            '2026-01-01T00:00:00Z: - .spec.template.spec.containers[name="api"].image.',
            "helm owns .spec.replicas, .metadata.labels.app.kubernetes.io/name and "
            'hpa owns .spec.template.spec.containers[name="api"].image',
        ),
        ("The Kubernetes API refused to PATCH /x (409): the object has been modified.", ""),
    ],
)
def test_conflict_messages(sentence: str, owners: str) -> None:
    assert conflict(sentence) == owners


# ---------------------------------------------------------------------- custom definitions


def test_a_definition_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "CRD_WAIT_S", 0.0)
    monkeypatch.setattr(FakeCluster, "_serve", lambda self, obj: None)
    with pytest.raises(TimedOut, match=r"widgets.example.com was applied and its kind is not served after 0 s"):
        run(FakeCluster(), CRD)


def test_the_wait_ends_when_the_kind_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    cluster = FakeCluster(namespaces=("trial",))
    real, cluster._serve = cluster._serve, lambda obj: None

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            real(cluster.live("CustomResourceDefinition", "widgets.example.com", "", "apiextensions.k8s.io/v1"))

    monkeypatch.setattr(under_test.time, "sleep", nap)
    assert run(cluster, CRD, WIDGET)["changes"]["created"][1] == "Widget trial/one"
    assert len(naps) == 2


# ---------------------------------------------------------------------- absent


def test_absent_in_both_modes() -> None:
    cluster = FakeCluster()
    run(cluster, NAMESPACE, CRD, config(), WIDGET)
    objects = [NAMESPACE, CRD, config(), WIDGET, config("never")]
    asked = run(cluster, *objects, absent=True, check=True)
    assert cluster.live("ConfigMap", "motd", "trial")
    done = run(cluster, *objects, absent=True)
    assert asked == done
    assert done["changes"] == {
        **EMPTY,
        "deleted": [
            "Widget trial/one",
            "ConfigMap trial/motd",
            "CustomResourceDefinition widgets.example.com",
            "Namespace trial",
        ],
        "unchanged": ["ConfigMap trial/never"],
    }
    deleted = [path for method, path, _body in cluster.sent if method == "DELETE"][-1]
    assert deleted == "/api/v1/namespaces/trial"
    assert not run(cluster, *objects, absent=True)["changed"]


def test_absent_of_a_kind_that_is_not_served_has_nothing_to_do() -> None:
    bare = obj("Widget", "one", "", "example.com/v1")
    assert run(FakeCluster(), bare, absent=True)["changes"] == {**EMPTY, "unchanged": ["Widget one"]}


def test_what_is_being_deleted_is_neither_deleted_again_nor_applied_to() -> None:
    cluster = FakeCluster(config(), namespaces=("trial",))
    cluster.live("ConfigMap", "motd", "trial")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not run(cluster, config(), absent=True)["changed"]
    with pytest.raises(Refused, match=r"ConfigMap trial/motd is being deleted. Wait until it is gone"):
        run(cluster, config())


# ---------------------------------------------------------------------- secrets


def test_no_value_of_a_secret_is_in_the_diff_or_survives_the_redactor() -> None:
    cluster = FakeCluster(namespaces=("trial",))
    cluster.put(obj("Secret", "app", "trial", data={"password": b64encode(b"Canary-live").decode()}), "kubectl")
    redactor = Redactor()
    one = obj("Secret", "app", "trial", stringData={"password": "Canary-new", "host": "Canary-host"})
    tally = Applier(cluster, redactor, check=False, force=True).present([one])
    result = tally.result(with_diff=True)
    text = json.dumps(result)
    for value in (b"Canary-live", b"Canary-new", b"Canary-host"):
        assert value.decode() not in text
        assert b64encode(value).decode() not in text
    assert "Canary-live" not in redactor.text("an error with Canary-live")
    assert "password: '******** (changed)'" in result["diff"]["after"]
    assert result["changes"]["changed"] == ["Secret trial/app"]
    assert cluster.values("app", "trial")["password"] == b"Canary-new"


# ---------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("element", "sentence"),
    [
        ("text", "objects[1] is not an object with apiVersion, kind and metadata.name."),
        ({}, "objects[1] has no apiVersion and no kind and no metadata.name."),
        ({"kind": "ConfigMap", "metadata": {"name": "x"}}, "objects[1] (ConfigMap x) has no apiVersion."),
        ({"apiVersion": "v1", "metadata": {"name": "x"}}, "objects[1] (x) has no kind."),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {}}, "objects[1] (Secret) has no metadata.name."),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": "x"}, "objects[1] (Secret) has no metadata.name."),
        ({"apiVersion": 1, "kind": "Secret", "metadata": {"name": "x"}}, "objects[1] (Secret x) has no apiVersion."),
        (obj("Secret", "x", data="Canary"), "objects[1] (Secret x) has data that is not a mapping of keys to values."),
        (config(), "ConfigMap trial/motd is given twice, as objects[0] and as objects[1]."),
    ],
)
def test_elements_are_checked(element: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted([config(), element], [])
    assert caught.value.sentence == sentence


def test_manifests(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(
        "# none\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"
    )
    bad.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\napiVersion: v1\nkind: ConfigMap\n")
    assert [item["metadata"]["name"] for item in wanted([config()], [str(good)])] == ["motd", "a", "b"]
    with pytest.raises(InputError, match=r"bad.yaml, object 2 \(ConfigMap\) has no metadata.name"):
        wanted([], [str(good), str(bad)])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no manifest at {path}."),
        (b"\xff\xfe\x00", "The manifest {path} is not UTF-8 text."),
        (b"a: b: c", "The manifest {path} is not YAML: "),
        (b"Canary-text", "The manifest {path} holds something that is not a Kubernetes object (no kind)."),
        (b"# nothing\n", "There is nothing to apply, for objects and manifests hold no object."),
    ],
)
def test_unusable_manifests(content: bytes | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CollectionError) as caught:
        wanted([], [str(path)])
    assert caught.value.sentence.startswith(sentence.replace("{path}", str(path)))
    assert "Canary-text" not in caught.value.sentence  # the path repeats the name of the test
