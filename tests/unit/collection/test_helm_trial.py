# Running a chart's tests with a helm that only remembers: which, how each ended, the logs, what an ended helm leaves.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    RolloutFailed,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.record import hooks_in
from ansible_collections.bytebot.production.plugins.module_utils.helm.trial import Examiner, Selection
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import SHOP, FakeHelm, HeldCluster, Object, pod, rendered, stored, waiting

CANARY = "canary-of-a-secret"
Outcome = tuple[str, float]  # phase and seconds


def hook(name: str, policy: str = "", event: str = "test") -> Object:
    marks = {"helm.sh/hook": event} | ({"helm.sh/hook-delete-policy": policy} if policy else {})
    metadata = {"name": name, "annotations": marks}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [{"name": "app"}]}}


class Shop:
    """A release with tests; its helm runs them as told and writes down how they ended."""

    def __init__(self, *hooks: Object, status: str = "deployed") -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
        secret["data"] = {"k": b64encode(CANARY.encode()).decode()}  # type: ignore[assignment]
        self.release = rendered(secret, revision=4, status=status, hooks=hooks or (hook("a"), hook("b")))
        for kept in self.release["hooks"]:
            kept["kind"] = "Pod"
        self.cluster = HeldCluster(stored(self.release))
        self.ends: dict[str, Outcome] = {}
        self.said = ""
        self.helm = FakeHelm(test=self._tested)
        self.redactor = Redactor()
        patience = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))
        self.work = ReleaseWork(self.cluster, self.helm.cli(), self.redactor, patience)  # type: ignore[arg-type]

    def _tested(self) -> Completed:
        began = datetime.now(UTC)
        for kept in self.release["hooks"]:
            if kept["name"] in self.ends:
                phase, seconds = self.ends[kept["name"]]
                ended = (
                    (began + timedelta(seconds=seconds)).isoformat() if phase != "Running" else "0001-01-01T00:00:00Z"
                )
                kept["last_run"] = {"started_at": began.isoformat(), "completed_at": ended, "phase": phase}
        self.keep(self.release)
        failed = any(phase != "Succeeded" for phase, _seconds in self.ends.values())
        return Completed(int(failed), "", "Error: pod b failed\n" if failed else "")

    def keep(self, release: Object) -> None:
        self.cluster.objects = [one for one in self.cluster.objects if one["kind"] != "Secret"] + [stored(release)]

    def test(
        self, *, check_mode: bool = False, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        return Examiner(self.work).test("bytebot", SHOP, Selection(only, skip), check_mode=check_mode)


def states(details: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in details["tests"]}


def test_all_pass_and_nothing_changes() -> None:
    shop = Shop()
    shop.ends = {"a": ("Succeeded", 2.5), "b": ("Succeeded", 0.25)}
    out = shop.test()
    assert (out["changed"], out["revision"], out["helm_processes"]) == (False, 4, 1)
    assert [(one["name"], one["state"], one["seconds"]) for one in out["tests"]] == [
        ("a", "passed", 2.5),
        ("b", "passed", 0.2),
    ]
    assert shop.helm.calls[0][1:5] == ["test", "bytebot", "--timeout", "60s"]


def test_a_failed_one_is_told_with_its_log_without_secrets() -> None:
    shop = Shop()
    shop.ends = {"a": ("Succeeded", 1), "b": ("Failed", 3)}
    shop.cluster.log_text = f"login with {CANARY}\nrefused"
    shop.helm.before_asking = lambda: shop.cluster.objects.append(pod(name="b", ready=False, phase="Failed"))
    with pytest.raises(
        CommandFailed, match=r"Of 2 tests of release bytebot, 1 passed and 1 failed \(b\): pod b failed"
    ) as failed:
        shop.test()
    told = shop.redactor.data(failed.value.details)["tests"][1]
    assert (told["state"], told["seconds"]) == ("failed", 3.0)
    assert told["log"] == ["login with ********", "refused"]
    assert shop.helm.reasons_to_stop == [""]  # helm sees it by itself, writes it down and tidies up


def test_the_log_of_a_pod_that_is_gone_by_the_end_was_read_before() -> None:
    shop = Shop()
    shop.ends = {"b": ("Failed", 3)}
    shop.cluster.log_text = "refused"
    shop.helm.before_asking = lambda: shop.cluster.objects.append(pod(name="b", ready=False, phase="Failed"))

    def tested() -> Completed:
        shop.cluster.delete("v1", "Pod", "b", SHOP)
        return shop._tested()

    shop.helm.on["test"] = tested
    with pytest.raises(CommandFailed) as failed:
        shop.test()
    told = failed.value.details["tests"][1]
    assert (told["log"], told["left"]) == (["refused"], False)


def test_a_log_that_could_not_be_read_is_told_as_such() -> None:
    shop = Shop()
    shop.ends = {"b": ("Failed", 0.1)}
    with pytest.raises(CommandFailed) as failed:
        shop.test()
    assert failed.value.details["tests"][1]["why_no_log"]
    assert states(failed.value.details) == {"a": "not_run", "b": "failed"}


def test_a_run_of_an_earlier_time_counts_for_nothing() -> None:
    shop = Shop()
    long_ago = {"started_at": "2025-01-01T00:00:00Z", "completed_at": "2025-01-01T00:00:09Z", "phase": "Succeeded"}
    for kept in shop.release["hooks"]:
        kept["last_run"] = dict(long_ago)
    shop.ends = {"a": ("Succeeded", 1)}
    with pytest.raises(CommandFailed) as failed:
        shop.test()
    assert states(failed.value.details) == {"a": "passed", "b": "not_run"}


@pytest.mark.parametrize(("policy", "left"), [("hook-failed", False), ("", True)])
def test_what_cannot_succeed_ends_early_and_is_tidied_up_as_the_chart_says(policy: str, left: bool) -> None:
    shop = Shop(hook("a", policy))
    shop.ends = {"a": ("Running", 0)}
    states_of = [waiting("ErrImagePull", "registry/x: not found")]
    broken = pod(name="a", ready=False, phase="Pending", containerStatuses=states_of)
    shop.helm.before_asking = lambda: shop.cluster.objects.append(broken)
    with pytest.raises(RolloutFailed, match="image not found") as failed:
        shop.test()
    assert failed.value.details["causes"][0]["cause"] == "image_missing"
    assert (failed.value.details["tests"][0]["state"], failed.value.details["tests"][0]["left"]) == ("failed", left)
    assert "image not found" in shop.helm.reasons_to_stop[0]


def test_the_pod_of_the_run_before_is_not_this_runs_trouble() -> None:
    shop = Shop(hook("a"))
    shop.ends = {"a": ("Succeeded", 1)}
    states_of = [waiting("ErrImagePull", "registry/x: not found")]
    shop.cluster.objects.append(pod(name="a", ready=False, phase="Failed", containerStatuses=states_of))
    assert shop.test()["tests"][0]["state"] == "passed"


def test_hooks_that_helm_leaves_out_of_its_record_are_put_back() -> None:
    """While helm runs a choice of tests, its record holds no others; one that is ended puts none back."""
    shop = Shop(hook("a"), hook("b"), hook("pre", event="pre-upgrade"))
    before = [dict(one) for one in shop.release["hooks"]]

    def ended() -> Completed:
        shop.keep({**shop.release, "hooks": [one for one in shop.release["hooks"] if one["name"] == "a"]})
        return Completed(-15, "", "")

    shop.helm.on["test"] = ended
    with pytest.raises(CommandFailed):
        shop.test(only=("a",))
    release = shop.work.history("bytebot", SHOP)[0]
    assert {one["name"] for one in hooks_in(shop.cluster, release, "")} == {one["name"] for one in before}  # type: ignore[arg-type]


def test_filters_reach_helm_and_the_result() -> None:
    shop = Shop(hook("a"), hook("b"), hook("c"))
    shop.ends = {"a": ("Succeeded", 1)}
    assert states(shop.test(only=("a", "b"), skip=("b",))) == {"a": "passed"}
    assert shop.helm.calls[0][5:7] == ["--filter", "name=a,name=b,!name=b"]


def test_check_mode_runs_nothing() -> None:
    shop = Shop()
    assert states(shop.test(check_mode=True)) == {"a": "not_run", "b": "not_run"}
    assert (shop.helm.calls, shop.cluster.written) == ([], [])


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"only": ("x",)}, "x is no test of release bytebot. It has: a, b."),
        ({"skip": ("a", "b")}, "No test of release bytebot is left to run"),
    ],
)
def test_a_choice_that_is_none(more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Shop().test(**more)


def test_without_tests_nothing_is_proven() -> None:
    with pytest.raises(InputError, match="has no test"):
        Shop(hook("pre", event="pre-upgrade")).test()


def test_only_a_deployed_release_is_tested() -> None:
    with pytest.raises(InputError, match="revision 4 is failed, not deployed"):
        Shop(status="failed").test()
    with pytest.raises(InputError, match="There is no release bytebot"):
        shop = Shop()
        shop.cluster.objects = []
        shop.test()
