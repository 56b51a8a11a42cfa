# What a long module tells while it runs: redacted, one line each, only what changed, and never at the work's cost.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import progress
from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout import RolloutFacts, assess
from ansible_collections.bytebot.production.plugins.module_utils.errors import RolloutFailed
from ansible_collections.bytebot.production.plugins.module_utils.helm import deploy
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.deploy import Deployer
from ansible_collections.bytebot.production.plugins.module_utils.helm.remove import Remover
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import Wanted
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.observe_release import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.progress import Progress, RolloutStory
from ansible_collections.bytebot.production.plugins.module_utils.progress_line import LONGEST, VARIABLE, one_line
from ansible_collections.bytebot.production.plugins.module_utils.redact import MASK, Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import (
    SHOP,
    FakeHelm,
    HeldCluster,
    Object,
    deployment,
    obj,
    pod,
    prints,
    rendered,
    replica_set,
    running,
    stored,
    waiting,
)


def texts(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------------- the file


def test_lines_are_records_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    tell = Progress(Redactor(), str(path))
    tell("first")
    tell("second")
    assert texts(path) == ["first", "second"]
    record = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert datetime.fromisoformat(record["time"]).tzinfo is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "progress"))
    Progress.given(Redactor())("told")
    assert texts(tmp_path / "progress") == ["told"]


def test_without_a_file_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    Progress.given(Redactor())("told")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_ends_the_telling_only(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "link").symlink_to(target)
    for path in (tmp_path / "no" / "folder", tmp_path, tmp_path / "link"):
        tell = Progress(Redactor(), str(path))
        tell("one")
        tell("two")
    assert not target.exists()


def test_secrets_are_masked_before_they_reach_the_file(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.learn("Hunter22  and\nmore")
    Progress(redactor, str(tmp_path / "p"))("it said Hunter22  and\nmore, password=other-one")
    written = (tmp_path / "p").read_text(encoding="utf-8")
    assert "Hunter22" not in written
    assert "other-one" not in written
    assert MASK in written


def test_a_line_is_one_line_that_a_terminal_only_prints() -> None:
    assert one_line("a\n b\tc\x1b[31m\x07d\u202ee\r") == "a b c[31mde"
    assert one_line("x" * 9000) == "x" * (LONGEST - 1) + "…"


# ---------------------------------------------------------------------- the story of a roll-out


class Told:
    """A story with a clock that stands still until it is moved."""

    def __init__(self, *made: Object) -> None:
        self.now = 0.0
        self.lines: list[str] = []
        self.story = RolloutStory(self.lines.append, SHOP, lambda: self.now)
        self.story.expect(identity(one) for one in made)

    def look(self, wanted: Object, *there: Object, after: float = 1.0) -> list[str]:
        """The lines that one more look brings."""
        before = len(self.lines)
        self.now += after
        item = identity(wanted)
        live = {item: wanted} if there else {}
        others = [one for one in there if one is not wanted]
        pods = tuple(one for one in others if one["kind"] == "Pod")
        sets = tuple(one for one in others if one["kind"] == "ReplicaSet")
        facts = RolloutFacts((item,), live, pods, sets)
        self.story.seen(facts, assess(facts))
        return self.lines[before:]


def pods_at(live: Object, *ready: bool) -> list[Object]:
    newest = replica_set(live, 1)
    return [live, newest, *(pod(newest, f"api-{at}", ready=one) for at, one in enumerate(ready))]


def test_each_step_of_a_workload_is_told_once() -> None:
    told = Told()
    half = deployment(2, 1)
    assert told.look(half) == []  # it is not there yet
    assert told.look(half, *pods_at(half, False, False)) == ["Deployment api: 0 of 2 ready (2 s)"]
    assert told.look(half, *pods_at(half, False, False)) == []
    assert told.look(half, *pods_at(half, True, False)) == ["Deployment api: 1 of 2 ready (4 s)"]
    done = deployment(2)
    assert told.look(done, *pods_at(done, True, True)) == ["Deployment api: 2 of 2 ready (5 s)"]
    assert told.look(done, *pods_at(done, True, True)) == []


def test_what_was_complete_and_stays_so_is_no_news() -> None:
    told = Told()
    done = deployment(2)
    assert [told.look(done, done) for _ in range(3)] == [[], [], []]


def test_what_is_made_is_told_even_where_the_first_look_finds_it_complete() -> None:
    done = deployment(1)
    assert Told(done).look(done, done) == ["Deployment api: 1 of 1 ready (1 s)"]


def test_a_new_specification_that_is_complete_at_once_is_told() -> None:
    told = Told()
    old, new = deployment(1), deployment(1, observedGeneration=2)
    new["metadata"]["generation"] = 2
    assert told.look(old, old) == []
    late = {**new, "status": old["status"]}
    assert told.look(late, late) == []  # the status is still about the specification before
    assert told.look(new, new) == ["Deployment api: 1 of 1 ready (3 s)"]


def test_a_new_specification_that_waits_as_the_one_before_is_not_told_again() -> None:
    told = Told()
    old, new = deployment(1, 0), deployment(1, 0, observedGeneration=2)
    new["metadata"]["generation"] = 2
    assert len(told.look(old, old)) == 1
    assert told.look(new, new) == []
    done = deployment(1, observedGeneration=2)
    done["metadata"]["generation"] = 2
    assert told.look(done, done) == ["Deployment api: 1 of 1 ready (3 s)"]


def test_old_pods_that_still_run_are_named() -> None:
    told = Told()
    live = deployment(1, 2, replicas=2)
    assert told.look(live, *pods_at(live, True)) == ["Deployment api: 1 old replicas still run (1 s)"]


def test_an_object_is_told_of_once_a_second_and_in_the_end() -> None:
    told = Told()
    live = deployment(3, 0)
    assert len(told.look(live, *pods_at(live, False, False, False))) == 1
    assert told.look(live, *pods_at(live, True, False, False), after=0.4) == []
    assert told.look(live, *pods_at(live, True, True, False), after=0.4) == []
    assert told.look(live, *pods_at(live, True, True, False), after=0.4) == ["Deployment api: 2 of 3 ready (2 s)"]
    done = deployment(3)
    assert told.look(done, done, after=0.4) == []
    told.story.settle()
    assert told.lines[-1] == "Deployment api: 3 of 3 ready (3 s)"
    told.story.settle()
    assert len(told.lines) == 3


def test_what_went_back_to_what_was_told_is_not_told_again() -> None:
    told = Told()
    live = deployment(2, 0)
    told.look(live, *pods_at(live, False, False))
    told.look(live, *pods_at(live, True, False), after=0.4)
    assert told.look(live, *pods_at(live, False, False), after=0.4) == []
    told.story.settle()
    assert len(told.lines) == 1


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (
            obj("Job", "migrate", {"completions": 1}),
            obj("Job", "migrate", {}, {"conditions": [{"type": "Complete", "status": "True"}]}),
            ["Job migrate: 0 of 1 runs succeeded (1 s)", "Job migrate: complete (2 s)"],
        ),
        (
            obj("PersistentVolumeClaim", "data", {}, {"phase": "Pending"}),
            obj("PersistentVolumeClaim", "data", {}, {"phase": "Bound"}),
            ["PersistentVolumeClaim data: the claim is Pending (1 s)", "PersistentVolumeClaim data: bound (2 s)"],
        ),
        (
            obj(
                "StatefulSet",
                "db",
                {"replicas": 2},
                {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 1},
            ),
            obj(
                "StatefulSet",
                "db",
                {"replicas": 2},
                {"observedGeneration": 1, "updatedReplicas": 2, "readyReplicas": 2},
            ),
            ["StatefulSet db: 1 of 2 ready (1 s)", "StatefulSet db: 2 of 2 ready (2 s)"],
        ),
        (
            obj("DaemonSet", "agent", {}, {"observedGeneration": 1, "desiredNumberScheduled": 1}),
            obj(
                "DaemonSet",
                "agent",
                {},
                {
                    "observedGeneration": 1,
                    "desiredNumberScheduled": 1,
                    "updatedNumberScheduled": 1,
                    "numberAvailable": 1,
                },
            ),
            ["DaemonSet agent: 0 of 1 ready (1 s)", "DaemonSet agent: 1 of 1 ready (2 s)"],
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_every_kind_is_told_in_its_own_words(before: Object, after: Object, lines: list[str]) -> None:
    told = Told()
    told.look(before, before)
    told.look(after, after)
    assert told.lines == lines


def test_another_namespace_is_named() -> None:
    told = Told()
    live = deployment(1, 0)
    live["metadata"]["namespace"] = "other"
    assert told.look(live, live) == ["Deployment other/api: 0 of 1 ready (1 s)"]


# ---------------------------------------------------------------------- what the deployer and the check tell


class Shop:
    """A deployer whose helm only remembers, and the lines that it told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *objects: Object, known: tuple[Object, ...] = ()) -> None:
        monkeypatch.setattr(deploy, "chart_digest", lambda _chart: "0" * 64, raising=False)
        self.cluster = HeldCluster(*objects, *(stored(one) for one in known))
        self.lines: list[str] = []
        self.helm = FakeHelm(upgrade=self._upgraded, uninstall=Completed(0, "", ""))
        self.redactor = Redactor()
        self.release = rendered(self.chart(), revision=len(known) + 1)
        self.helm.on["render"] = prints(self.release)
        self.work = ReleaseWork(
            self.cluster,  # type: ignore[arg-type]
            self.helm.cli(),
            self.redactor,
            Patience(60.0, 3, {"image_missing": 0.0}),
            self.lines.append,
        )
        self.deployer = Deployer(self.work)

    @staticmethod
    def chart() -> Object:
        spec = {"replicas": 1, "template": {"spec": {"containers": [{"name": "app", "image": "registry/api:1"}]}}}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}

    def live(self, ready: int = 1) -> Object:
        applied = deploy.with_ownership(self.chart(), "bytebot", SHOP)
        held = deployment(1, ready)
        return {**held, **applied, "status": held["status"], "metadata": {**held["metadata"], **applied["metadata"]}}

    def _upgraded(self) -> Completed:
        self.cluster.objects = [self.live(), stored(self.release)]
        return Completed(0, "", "")

    def present(self, **more: Any) -> dict[str, Any]:
        return self.deployer.present(Wanted("bytebot", SHOP, "./chart", Values()), **more)


def test_an_install_is_told_first_and_then_what_becomes_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch)
    shop.present()
    first, second = shop.lines
    assert first == "Release bytebot: install (the release is not there)"
    assert second.startswith("Deployment api: 1 of 1 ready (")


def test_an_upgrade_is_told_with_its_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch, known=(rendered(Shop.chart(), config={"a": 1}),))
    shop.cluster.objects.append(shop.live())
    shop.present()
    assert shop.lines[0] == "Release bytebot: upgrade from revision 1 (values differ)"


def test_a_foretold_change_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch)
    shop.present(check_mode=True)
    assert shop.lines == ["Release bytebot: would be installed (the release is not there)"]


def test_nothing_but_unchanged_is_told_of_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch, known=(rendered(Shop.chart()),))
    shop.cluster.objects.append(shop.live())
    assert not shop.present()["changed"]
    assert shop.lines == ["Release bytebot: unchanged at revision 1"]


def test_a_removal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch, known=(rendered(Shop.chart(), revision=3),))
    Remover(shop.work).absent("bytebot", SHOP, check_mode=True)
    assert shop.lines == []
    Remover(shop.work).absent("bytebot", SHOP)
    assert shop.lines == ["Release bytebot: uninstall of revision 3"]


def test_the_certain_cause_is_told_while_helm_still_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(monkeypatch)
    at_end: list[str] = []

    def fails() -> None:
        live = shop.live(0)
        newest = replica_set(live, 1)
        broken = pod(newest, ready=False, phase="Pending", containerStatuses=[waiting("ErrImagePull", "not found")])
        shop.cluster.objects = [live, newest, broken]

    def ended() -> Completed:
        at_end.extend(shop.lines)
        return Completed(1, "", "terminated")

    shop.helm.before_asking, shop.helm.on["upgrade"] = fails, ended
    with pytest.raises(RolloutFailed) as caught:
        shop.present()
    assert at_end[-1] == f"Certain to fail: {caught.value.sentence}"


def test_the_quiet_period_is_told_before_it_is_waited_for() -> None:
    started = progress.utc_now()
    live = deployment(1)
    live["metadata"]["labels"] = {"app": "x"}
    newest = replica_set(live, 1)
    young = pod(newest, containerStatuses=[running(started)])
    order: list[str] = []
    observe(
        HeldCluster(live, newest, young),  # type: ignore[arg-type]
        Scope(SHOP, selector="app=x", quiet_s=3600.0, settle_s=0.0),
        Redactor(),
        probe=False,
        pause=lambda _seconds: order.append("paused"),
        tell=order.append,
    )
    assert order[0].startswith("Waiting 3")
    assert order[0].endswith("every container must have run for 3600 s without a restart")
    assert order[1:] == ["paused"]
