# The record in a cluster: kills, edits, conflicts, sizes, permissions, and one run of an environment at a time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import json
import os
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record import packing
from ansible_collections.bytebot.production.plugins.plugin_utils.record.files import NotWritten, Unusable
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Locked, Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.objects import Changed, Objects
from ansible_collections.bytebot.production.plugins.plugin_utils.record.on_cluster import DATA, OnCluster, slug
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from tests.unit.collection.record_cluster import CONFIG_MAPS, LEASES, RecordCluster
from tests.unit.collection.record_fixtures import BINDING, ENVIRONMENT, HEALTH, NOW, PODS, result
from tests.unit.collection.test_record_store import ALL, ME, OTHER, TLS, Clock, add, dead, states

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cluster() -> RecordCluster:
    return RecordCluster()


def store(cluster: RecordCluster, folder: Path, owner: Owner = ME, **more: Any) -> Store:
    keeper = OnCluster(Objects(cluster, more.pop("namespace", "record")), folder / "shop", owner, **more)
    return Store(keeper, ENVIRONMENT, Clock())


def opened(cluster: RecordCluster, folder: Path, **more: Any) -> tuple[Store, Run]:
    there = store(cluster, folder, **more)
    run = add(there, there.open_run(BINDING), result(PODS), result(HEALTH, "fail"), result(TLS))
    return there, run


def content(obj: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(obj["binaryData"][DATA])))
    return read


# ---------------------------------------------------------------------- kept


def test_what_is_added_is_there_at_once_for_any_machine(cluster: RecordCluster, tmp_path: Path) -> None:
    _, run = opened(cluster, tmp_path / "one")
    again = store(cluster, tmp_path / "another", OTHER).run(run.header.id)
    assert (states(again), again.header) == (ALL, run.header)
    assert not (tmp_path / "another").exists()


def test_there_is_one_object_for_each_section(cluster: RecordCluster, tmp_path: Path) -> None:
    _, run = opened(cluster, tmp_path)
    name = f"bytebot-record-{slug('shop')}-{run.header.id.lower()}"
    assert cluster.names() == [f"{name}-deployment", f"{name}-infrastructure", f"{name}-run"]
    _, obj = cluster.at("-deployment")
    assert obj["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "bytebot.production",
        "app.kubernetes.io/component": "record",
        "bytebot.production/environment": slug("shop"),
        "bytebot.production/run": run.header.id,
        "bytebot.production/part": "deployment",
    }
    assert set(content(obj)["results"]) == {PODS, HEALTH}


@pytest.mark.parametrize("names", [("Shop", "shop"), ("a_b", "a-b"), ("x" * 63, "x" * 62 + "y")])
def test_two_environments_never_share_a_name(names: tuple[str, str]) -> None:
    one, other = map(slug, names)
    assert one != other
    assert max(len(one), len(other)) <= 63


def test_a_closed_run_is_immutable_and_takes_nothing_more(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path)
    closed = there.close(run)
    assert cluster.at("-deployment")[1]["immutable"] is True
    with pytest.raises(InputError, match="was closed at"):
        add(there, closed, result(HEALTH))
    assert there.note_gate(closed, "deploy", {}).header.gate["stage"] == "deploy"
    assert store(cluster, tmp_path, OTHER).open_run(BINDING).header.id != run.header.id


def test_older_runs_are_deleted_once_they_are_closed(cluster: RecordCluster, tmp_path: Path) -> None:
    there, first = opened(cluster, tmp_path, keep=2)
    ids = [first.header.id]
    for closes in (True, True, True, True):
        run = add(there, there.open_run(BINDING, fresh=True), result(PODS))
        ids.append(run.header.id)
        if closes:
            there.close(run)
    assert list(there.keeper.headers()) == [ids[0], ids[3], ids[4]], "the one that is open stays"
    assert not [name for name in cluster.names() if ids[1].lower() in name]


def test_a_run_of_which_something_is_damaged_is_never_deleted(cluster: RecordCluster, tmp_path: Path) -> None:
    there, first = opened(cluster, tmp_path, keep=1)
    path, obj = cluster.at("-deployment")
    there.close(first)
    cluster.edit(path, {**obj, "binaryData": {DATA: "AAAA"}})
    there.close(there.open_run(BINDING, fresh=True))
    assert first.header.id in there.keeper.headers()
    assert path.rsplit("/", 1)[-1] in cluster.names()


# ---------------------------------------------------------------------- killed, damaged, edited


def requests_of_an_addition(folder: Path) -> int:
    cluster = RecordCluster()
    there, run = opened(cluster, folder)
    before = cluster.requests
    add(there, run, result(PODS), result(HEALTH), result(TLS))
    return cluster.requests - before


def test_a_run_that_is_killed_at_any_request_goes_on(tmp_path: Path) -> None:
    number = requests_of_an_addition(tmp_path)
    assert number >= 6
    for nth in range(1, number + 1):
        cluster = RecordCluster()
        there, run = opened(cluster, tmp_path, owner=dead())
        left = iter(range(nth))

        def stop(method: str, path: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt

        cluster.before = stop
        if nth < number:
            with pytest.raises(KeyboardInterrupt):
                add(there, run, result(PODS), result(HEALTH), result(TLS))
        cluster.before = lambda method, path: None
        again = store(cluster, tmp_path / "empty").open_run(BINDING)
        assert (again.header.id, again.header.resumed) == (run.header.id, 1)
        assert not again.content().defects
        assert states(again) in (ALL, {**ALL, HEALTH: "pass"})


def repacked(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def edit(obj: dict[str, Any]) -> dict[str, Any]:
        text = gzip.compress(json.dumps(change(content(obj))).encode())
        return {**obj, "binaryData": {DATA: base64.b64encode(text).decode()}}

    return edit


def cut(obj: dict[str, Any]) -> dict[str, Any]:
    raw = base64.b64decode(obj["binaryData"][DATA])
    return {**obj, "binaryData": {DATA: base64.b64encode(raw[: len(raw) // 2]).decode()}}


def turned_green(found: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(found).replace('"fail"', '"pass"'))
    return changed


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (cut, "only half written"),
        (lambda obj: {**obj, "binaryData": {DATA: "AAAA"}}, "only half written"),
        (lambda obj: {key: value for key, value in obj.items() if key != "binaryData"}, "holds no content"),
        (repacked(lambda found: []), "no mapping"),
        (repacked(turned_green), "was changed after it was written"),
        (repacked(lambda found: {**found, "schema_version": 2}), "schema version 2"),
        (repacked(lambda found: packing.sealed({**found, "environment": "bank"})), "belongs to environment 'bank'"),
        (repacked(lambda found: packing.sealed({**found, "run": "another"})), "belongs to run 'another'"),
    ],
)
def test_an_object_that_is_not_as_written_costs_one_sentence(
    edit: Any, said: str, cluster: RecordCluster, tmp_path: Path
) -> None:
    there, run = opened(cluster, tmp_path)
    path, obj = cluster.at("-deployment")
    cluster.edit(path, spoilt := edit(obj))
    found = store(cluster, tmp_path, OTHER).run(run.header.id).content()
    assert (list(found.results), list(found.defects)) == ([TLS], ["deployment"])
    assert said in found.defects["deployment"]
    assert f"ConfigMap record/{path.rsplit('/', 1)[-1]}" in found.defects["deployment"]
    there = store(cluster, tmp_path)
    run = add(there, there.run(run.header.id), result(PODS))
    assert states(run) == {PODS: "pass", TLS: "pass"}
    _, aside = cluster.at("-deployment-unusable-1")
    assert aside.get("binaryData") == spoilt.get("binaryData")
    assert "was put aside" in " ".join(run.content().defects.values())


def test_a_damaged_header_costs_one_sentence_and_another_run_opens(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path)
    path, obj = cluster.at("-run")
    cluster.edit(path, cut(obj))
    found, defects = there.runs()
    assert (found, len(defects)) == ([], 1)
    assert there.mine() is None
    assert there.open_run(BINDING).header.id != run.header.id
    assert path.rsplit("/", 1)[-1] in cluster.names()


def test_nobody_elses_change_is_written_over(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path)
    path, _ = cluster.at("-deployment")
    kept = cluster.at("-deployment")[1]["binaryData"]

    def meanwhile(method: str, at: str) -> None:
        if (method, at) == ("PUT", path):
            cluster.before = lambda method, path: None
            cluster.edit(path, cluster.at("-deployment")[1])

    cluster.before = meanwhile
    with pytest.raises(Changed, match="was changed by somebody else") as caught:
        add(there, run, result(HEALTH))
    assert "\n" not in caught.value.sentence
    assert cluster.at("-deployment")[1]["binaryData"] == kept


def test_an_api_that_is_away_costs_one_sentence_and_loses_nothing(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path)
    for nth in range(1, requests_of_an_addition(tmp_path) + 1):
        left = iter(range(nth - 1))

        def away(method: str, path: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise Unreachable("The Kubernetes API cannot be reached.")

        cluster.before = away
        with pytest.raises(Unreachable):
            add(there, run, result(PODS), result(HEALTH), result(TLS))
        cluster.before = lambda method, path: None
        there = store(cluster, tmp_path)
        run = there.run(run.header.id)
        assert not run.content().defects
        assert states(run) in (ALL, {**ALL, HEALTH: "pass"})


# ---------------------------------------------------------------------- permissions and namespaces


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("plural", ["configmaps", "leases"])
def test_what_is_not_permitted_costs_one_sentence(
    method: str, plural: str, cluster: RecordCluster, tmp_path: Path
) -> None:
    cluster.denied = {(method, plural)}
    with pytest.raises(NotPermitted, match=r"record-rbac\.yaml") as caught:
        opened(cluster, tmp_path)
    assert "\n" not in caught.value.sentence


def test_a_namespace_that_is_not_there_costs_one_sentence(cluster: RecordCluster, tmp_path: Path) -> None:
    there = store(cluster, tmp_path, namespace="nowhere")
    with pytest.raises(InputError, match="There is no namespace nowhere"):
        there.open_run(BINDING)
    with pytest.raises(InputError, match="There is no namespace nowhere"):
        there.keeper.rehearse("check-mode")


def used(cluster: RecordCluster) -> set[tuple[str, str]]:
    """Verb and resource of what was asked."""
    verbs = {"POST": "create", "PUT": "update", "DELETE": "delete"}
    found = set()
    for method, path, _body in cluster.sent:
        plural = "leases" if path.startswith(LEASES) else "configmaps"
        whole = path in (CONFIG_MAPS, LEASES)
        found.add((verbs.get(method) or ("list" if whole else "get"), plural))
    return found


def test_the_shipped_role_gives_what_is_used_and_no_more(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path, keep=1)
    path, obj = cluster.at("-deployment")
    cluster.edit(path, cut(obj))
    there = store(cluster, tmp_path, keep=1)
    there.close(add(there, there.run(run.header.id), result(PODS)))
    for _ in range(3):
        there.close(there.open_run(BINDING, fresh=True))
    items = yaml.safe_load((ROOT / "roles/run/files/record-rbac.yaml").read_text())["items"]
    rules = next(item["rules"] for item in items if item["kind"] == "Role")
    given = {(verb, plural) for rule in rules for plural in rule["resources"] for verb in rule["verbs"]}
    assert used(cluster) == given


# ---------------------------------------------------------------------- one at a time


def test_two_runs_of_one_environment_exclude_each_other(cluster: RecordCluster, tmp_path: Path) -> None:
    there, run = opened(cluster, tmp_path)
    for fresh in (False, True):
        with pytest.raises(Locked) as caught:
            store(cluster, tmp_path / "elsewhere", OTHER).open_run(BINDING, fresh)
        said = caught.value.sentence
        assert f"Run {run.header.id} " in said
        assert f"process {os.getpid()} on {ME.host}, since 2026-11-24T16:01:" in said
        assert f"delete Lease record/bytebot-record-{slug('shop')}" in said
    there.close(run)
    assert store(cluster, tmp_path, OTHER).open_run(BINDING).header.id != run.header.id


def test_who_is_a_moment_faster_is_named(cluster: RecordCluster, tmp_path: Path) -> None:
    faster = store(cluster, tmp_path, OTHER)

    def meanwhile(method: str, path: str) -> None:
        if method == "POST" and path == LEASES:
            cluster.before = lambda method, path: None
            faster.open_run(BINDING)

    cluster.before = meanwhile
    with pytest.raises(Locked, match=f"process {OTHER.pid} on"):
        store(cluster, tmp_path).open_run(BINDING)
    assert len(faster.keeper.headers()) == 1


def test_the_lease_of_a_dead_process_of_this_machine_is_taken_over(cluster: RecordCluster, tmp_path: Path) -> None:
    _, run = opened(cluster, tmp_path, owner=dead())
    assert store(cluster, tmp_path).open_run(BINDING).header.id == run.header.id


@pytest.mark.parametrize("other", ["host", "boot", "pids"])
def test_a_process_that_cannot_be_asked_is_taken_to_live(other: str, cluster: RecordCluster, tmp_path: Path) -> None:
    """Two machines, or two containers of one, may have the same name."""
    opened(cluster, tmp_path, owner=dead())
    path, lease = cluster.at(f"leases/bytebot-record-{slug('shop')}")
    host, pid, process, pids = lease["spec"]["holderIdentity"].split("/")
    changed = {
        "host": f"elsewhere/{pid}/{process}/{pids}",
        "boot": f"{host}/{pid}/another:1/{pids}",
        "pids": f"{host}/{pid}/{process}/1",
    }
    cluster.edit(path, {**lease, "spec": {**lease["spec"], "holderIdentity": changed[other]}})
    with pytest.raises(Locked, match=f"process {pid} on"):
        store(cluster, tmp_path).open_run(BINDING)


def test_a_lease_runs_out_and_whoever_lost_it_is_refused(cluster: RecordCluster, tmp_path: Path) -> None:
    away = replace(ME, host="elsewhere")
    there, run = opened(cluster, tmp_path, owner=away)
    late = store(cluster, tmp_path, OTHER)
    late.clock.now = NOW + timedelta(hours=2)  # type: ignore[attr-defined]
    assert late.open_run(BINDING).header.id == run.header.id
    with pytest.raises(Locked):
        add(there, run, result(HEALTH))
    assert states(late.run(run.header.id)) == ALL


# ---------------------------------------------------------------------- size


def large(control: str, kib: int, seed: int) -> dict[str, Any]:
    """A result whose evidence does not get smaller by compressing."""
    observed = {"log": random.Random(seed).randbytes(kib * 768).hex()[: kib * 1024]}
    item = {"source": "log", "observed_at": "2026-11-24T16:01:02Z", "observed": observed, "sha256": sha256_of(observed)}
    return result(control, "fail", summary="It is what it was.", evidence=[item])


def test_the_largest_evidence_is_trimmed_and_says_so(cluster: RecordCluster, tmp_path: Path) -> None:
    there = store(cluster, tmp_path)
    given = [large(PODS, 1200, 1), large(HEALTH, 900, 2), result(TLS)]
    run = add(there, there.open_run(BINDING), *given)
    found = run.content()
    assert not found.defects
    assert {id_: (kept["state"], kept["summary"]) for id_, kept in found.results.items()} == {
        item["control"]: (item["state"], item["summary"]) for item in given
    }
    trimmed, kept = found.results[PODS]["evidence"][0], found.results[HEALTH]["evidence"][0]
    original = given[0]["evidence"][0]
    assert trimmed["observed"] == {
        "trimmed": "too large for the record in the cluster",
        "sha256": original["sha256"],
        "bytes": len(json.dumps(original["observed"])),
    }
    assert (trimmed["source"], trimmed["sha256"]) == (original["source"], sha256_of(trimmed["observed"]))
    assert kept == given[1]["evidence"][0], "the smaller one fits"
    again = add(there, run, result(HEALTH))
    assert again.content().results[PODS]["evidence"][0] == trimmed


def test_results_that_do_not_fit_without_evidence_are_refused_and_not_cut(
    cluster: RecordCluster, tmp_path: Path
) -> None:
    there, run = opened(cluster, tmp_path)
    with pytest.raises(NotWritten, match="without their evidence"):
        add(there, run, result(PODS, summary=large(PODS, 2000, 3)["evidence"][0]["observed"]["log"]))
    assert states(there.run(run.header.id)) == ALL


def test_what_unpacks_without_end_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGEST_UNPACKED", 1000)
    text = base64.b64encode(gzip.compress(b" " * 100_000)).decode()
    with pytest.raises(Unusable, match="is damaged"):
        packing.unpacked("It", text)
