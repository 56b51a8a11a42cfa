# Helm's own record of a release: read as it is stored, and one sentence where it is broken.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import gzip
import json
import random
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    RecordUnreadable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    Release,
    decode,
    history,
    learn_secrets,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor
from tests.unit.collection.helm_fakes import SHOP, HeldCluster, Object, deployment, rendered, stored, stored_text

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "motd"}, "data": {"text": "ü"}}


def hook(name: str, events: str) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": {"helm.sh/hook": events}},
    }


FULL = rendered(
    CONFIG, revision=7, status="failed", hooks=[hook("migrate", "pre-upgrade, post-install")], config={"a": {"b": 1}}
)


def test_a_release_is_read_as_helm_stores_it() -> None:
    found = decode(stored_text(FULL))
    assert (found.name, found.namespace, found.revision, found.status) == ("bytebot", SHOP, 7, "failed")
    assert (found.chart_name, found.chart_version, found.app_version) == ("bytebot", "1.0.0", "1.0.0")
    assert (found.values, found.objects) == ({"a": {"b": 1}}, (CONFIG,))
    assert [one["metadata"]["name"] for one in found.hooks] == ["migrate"]
    assert decode(stored_text({**FULL, "info": {"notes": "Hello."}})).notes == "Hello."
    assert (found.description, found.updated) == ("Install complete", "2026-01-02T03:04:05Z")


def test_config_maps_are_encoded_once_and_old_records_are_not_zipped() -> None:
    once = b64encode(gzip.compress(json.dumps(FULL).encode())).decode()
    assert decode(once, encoded_twice=False) == decode(stored_text(FULL))
    plain = b64encode(b64encode(json.dumps(FULL).encode())).decode()
    assert decode(plain) == decode(stored_text(FULL))


def test_a_release_without_anything_optional() -> None:
    found = Release.from_helm({"name": "x"})
    assert (found.revision, found.status, found.objects, found.hooks, found.values) == (0, "unknown", (), (), {})


@pytest.mark.parametrize("empty", ["info", "chart", "config", "manifest", "hooks"])
def test_nulls_are_as_good_as_absent(empty: str) -> None:
    assert decode(stored_text({**FULL, empty: None})).name == "bytebot"


WHOLE = stored_text(FULL)
ZIPPED = b64decode(b64decode(WHOLE))


def encoded(data: bytes) -> str:
    return b64encode(b64encode(data)).decode()


BROKEN = {
    "empty": "",
    "no base64": "%%%",
    "cut off": WHOLE[: len(WHOLE) // 2 // 4 * 4],
    "zip cut off": encoded(ZIPPED[:40]),
    "zip damaged": encoded(ZIPPED[:20] + bytes(byte ^ 255 for byte in ZIPPED[20:60]) + ZIPPED[60:]),
    "no JSON": encoded(gzip.compress(b"hello")),
    "a list": encoded(gzip.compress(b"[1]")),
    "a text": encoded(gzip.compress(b'"x"')),
    "no name": stored_text({"version": 1}),
    "info is a text": stored_text({**FULL, "info": "x"}),
    "version is no number": stored_text({**FULL, "version": "first"}),
    "hooks are a number": stored_text({**FULL, "hooks": 5}),
    "manifest is no YAML": stored_text({**FULL, "manifest": "a: [1"}),
    "manifest is no object": stored_text({**FULL, "manifest": "a: 1"}),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_record_is_one_sentence(text: str) -> None:
    with pytest.raises(CollectionError) as failed:
        decode(text)
    assert failed.value.sentence.endswith(".")
    assert "\n" not in failed.value.sentence


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_no_damage_breaks_the_reader(seed: int) -> None:
    damaged = bytearray(ZIPPED)
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 4)):
        damaged[dice.randrange(len(damaged))] = dice.randrange(256)
    try:
        decode(encoded(bytes(damaged)))
    except CollectionError as exc:
        assert exc.sentence


# ---------------------------------------------------------------------- history


def test_the_newest_revision_comes_first_and_others_releases_are_left_out() -> None:
    revisions = [stored(rendered(CONFIG, revision=number)) for number in (2, 10, 9)]
    stranger = stored(rendered(CONFIG, revision=99, name="other"))
    away = stored(rendered(CONFIG, revision=98, namespace="elsewhere"))
    found = history(HeldCluster(*revisions, stranger, away), "bytebot", SHOP)  # type: ignore[arg-type]
    assert [release.revision for release in found] == [10, 9, 2]


def test_no_release_is_an_empty_history() -> None:
    assert history(HeldCluster(), "bytebot", SHOP) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("driver", ["configmap", "configmaps"])
def test_helms_other_store(driver: str) -> None:
    text = b64encode(gzip.compress(json.dumps(FULL).encode())).decode()
    kept = {**stored(FULL), "kind": "ConfigMap", "data": {"release": text}}
    assert [one.revision for one in history(HeldCluster(kept), "bytebot", SHOP, driver)] == [7]  # type: ignore[arg-type]
    assert history(HeldCluster(stored(FULL)), "bytebot", SHOP, driver) == []  # type: ignore[arg-type]


def test_a_store_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(InputError, match="driver sql is not supported"):
        history(HeldCluster(), "bytebot", SHOP, "sql")  # type: ignore[arg-type]


@pytest.mark.parametrize("data", [None, {}, {"release": None}])
def test_a_labelled_secret_without_a_release_is_one_sentence(data: Any) -> None:
    with pytest.raises(RecordUnreadable, match="record of the release cannot be read"):
        history(HeldCluster({**stored(FULL), "data": data}), "bytebot", SHOP)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- hooks and secrets


@pytest.mark.parametrize(
    ("events", "deploys", "operates"),
    [
        ("pre-install", True, True),
        ("post-upgrade", True, True),
        ("pre-install,pre-upgrade", True, True),
        ("pre-delete", False, True),
        ("post-rollback", False, True),
        ("test", False, False),
        ("test-success", False, False),
        ("test, post-install", True, True),
    ],
)
def test_which_hooks_run_when(events: str, deploys: bool, operates: bool) -> None:
    found = Release.from_helm(rendered(hooks=[hook("x", events)]))
    assert (bool(found.deploy_hooks), bool(found.operating_hooks)) == (deploys, operates)


def test_secrets_of_a_release_are_learned_in_every_form() -> None:
    redactor = Redactor()
    data = {"key": b64encode(b"hunter22").decode(), "odd": "not-base64!", "empty": None}
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": data, "stringData": {"pin": 4711}}
    learn_secrets(redactor, [secret, deployment(), {**CONFIG, "data": {"text": "readable"}}])
    text = redactor.text(f"hunter22 {data['key']} not-base64! 4711 readable, None")
    assert text == f"{MASK} {MASK} {MASK} {MASK} readable, None"
