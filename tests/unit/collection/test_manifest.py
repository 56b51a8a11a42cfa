# Manifests as texts and objects: parsing, comparing, masking; YAML as Kubernetes reads it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import manifest, podspec, yaml_text
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK


def config(name: str = "motd", text: str = "hello", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"text": text}}


def secret(name: str = "db", annotations: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    metadata = {"name": name} | ({"annotations": annotations} if annotations is not None else {})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


# ---------------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("2024-01-31", "2024-01-31"),  # a date of YAML 1.1, a text for Kubernetes
        ("2024-13-45", "2024-13-45"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("10:30", "10:30"),  # a number to the base 60 in YAML 1.1
        ("22:22", "22:22"),
        ("1.0.0", "1.0.0"),
        ("=", "="),
        ("0644", 420),
        ("0x1F", 31),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("yes", True),
        ("~", None),
        ("'5432'", "5432"),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(scalar: str, value: Any) -> None:
    found = yaml_text.load(f"key: {scalar}", "It")["key"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("text", ["a: [1\nb: }", "a: !!python/object:os.system x", "\x00", "a: &x [*x", "- a\nb"])
def test_what_is_not_yaml_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"^The values are not YAML|^The values is not YAML"):
        yaml_text.load_all(text, "The values")


def test_deep_nesting_is_one_sentence() -> None:
    with pytest.raises(InputError):
        yaml_text.load_all("[" * 100_000, "The values")


# ---------------------------------------------------------------------- parsing

MANY = """
# only a comment
---
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: two}}
- {apiVersion: v1, kind: ConfigMapList, items: [{metadata: {name: three}}]}
---
apiVersion: v1
kind: SecretList
items: null
"""


def test_lists_are_opened_and_empty_documents_left_out() -> None:
    found = manifest.parse(MANY)
    assert [(obj["kind"], obj["apiVersion"], obj["metadata"]["name"]) for obj in found] == [
        ("ConfigMap", "v1", "one"),
        ("ConfigMap", "v1", "two"),
        ("ConfigMap", "v1", "three"),
    ]


@pytest.mark.parametrize(
    "text", ["password: hunter22", "- hunter22", "hunter22", "kind: 7", "kind: List\nitems: [hunter22]", "kind: null"]
)
def test_what_is_no_object_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="not a Kubernetes object") as refused:
        manifest.parse(text, "The file")
    assert "hunter22" not in refused.value.sentence


def test_identity_tells_groups_apart_and_fills_the_namespace() -> None:
    core = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "x"}}
    other = {**core, "apiVersion": "events.k8s.io/v1"}
    assert manifest.identity(core, "shop") == Identity("Event", "shop", "x")
    assert manifest.identity(core, "shop") != manifest.identity(other, "shop")
    assert str(manifest.identity(core, "shop")) == "Event shop/x"
    assert str(manifest.identity(core)) == "Event x"


def test_digest_knows_content_and_not_order() -> None:
    one, two = config("one"), config("two")
    assert manifest.digest([one, two]) == manifest.digest([two, dict(reversed(one.items()))])
    assert manifest.digest([one, two]) != manifest.digest([one, config("two", "other")])


# ---------------------------------------------------------------------- comparing


def test_compare_names_created_changed_and_deleted() -> None:
    before = [config("same"), config("other"), config("gone")]
    after = [config("same", namespace="shop"), config("other", "new"), config("made")]
    change = manifest.compare(before, [config("same"), *after[1:]], "shop")
    assert change.to_dict() == {
        "created": ["ConfigMap shop/made"],
        "changed": ["ConfigMap shop/other"],
        "deleted": ["ConfigMap shop/gone"],
    }
    assert change
    assert not manifest.compare(before, before, "shop")


def test_diff_shows_only_what_differs() -> None:
    before, after = [config("same"), config("other", "old")], [config("same"), config("other", "new")]
    diff = manifest.diff(before, after, manifest.compare(before, after, "shop"), "shop")
    assert "same" not in diff["before"] + diff["after"]
    assert "text: old" in diff["before"]
    assert "text: new" in diff["after"]


# ---------------------------------------------------------------------- masking


def test_secret_data_is_never_in_a_diff_and_changes_are_marked() -> None:
    before = [secret(password="hunter22", user="bytebot")]
    after = [{**secret(user="bytebot"), "stringData": {"password": "hunter23"}}]
    diff = manifest.diff(before, after, manifest.compare(before, after, "shop"), "shop")
    for value in ("hunter22", "hunter23", "bytebot"):
        assert value not in repr(diff)
        assert b64encode(value.encode()).decode() not in repr(diff)
    assert f"password: '{MASK} (changed)'" in diff["after"]
    assert f"user: '{MASK}'" in diff["after"]
    assert "changed" not in diff["before"]


def test_equal_values_in_data_and_string_data_are_no_change() -> None:
    other = {"kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": "hunter22"}}
    assert manifest.masked(secret(password="hunter22"), other)["data"] == {"password": MASK}


def test_the_last_applied_copy_of_a_secret_is_taken_out() -> None:
    obj = secret(annotations={manifest.LAST_APPLIED: '{"data":{"password":"aHVudGVyMjI="}}', "team": "one"})
    assert manifest.masked(obj)["metadata"]["annotations"] == {"team": "one"}


def test_other_kinds_are_shown_as_they_are() -> None:
    assert manifest.masked(config()) == config()


# ---------------------------------------------------------------------- where pods are described

POD = {
    "containers": [{"name": "a", "image": "registry/a:1"}],
    "initContainers": [{"name": "i", "image": "registry/i:1"}],
}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Pod", POD),
        ("CronJob", {"jobTemplate": {"spec": {"template": {"spec": POD}}}}),
        *((kind, {"template": {"spec": POD}}) for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job")),
    ],
)
def test_images_of_every_kind_of_workload(kind: str, spec: dict[str, Any]) -> None:
    assert podspec.images([{"kind": kind, "spec": spec}, config()]) == ["registry/a:1", "registry/i:1"]


@pytest.mark.parametrize("spec", [None, {}, {"template": None}, {"template": {"spec": None}}, {"jobTemplate": None}])
@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "Pod"])
def test_half_empty_workloads_have_no_images(kind: str, spec: Any) -> None:
    assert podspec.images([{"kind": kind, "spec": spec}]) == []
