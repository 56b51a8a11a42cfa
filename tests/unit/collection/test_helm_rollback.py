# Going back with a helm that only remembers: which revision, nothing twice, the reason kept, failures recorded.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    Refused,
    RolloutFailed,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import with_ownership
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import Release, history
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback import Aim, Return, Rollbacker, choose
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from ansible_collections.bytebot.production.plugins.modules.helm_rollback import aim_of
from tests.unit.collection.helm_fakes import (
    SHOP,
    FakeHelm,
    HeldCluster,
    Object,
    deployment,
    pod,
    rendered,
    replica_set,
    stored,
    waiting,
)

LAST_GOOD = Aim()
AT_ONCE = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))


def api(tag: str = "1", init: str = "") -> Object:
    containers = {"containers": [{"name": "app", "image": f"registry/api:{tag}"}]}
    early = {"initContainers": [{"name": "migrate", "image": f"registry/api:{init}"}]} if init else {}
    spec = {"replicas": 1, "template": {"spec": {**containers, **early}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}


def revision(number: int, status: str, *objects: Object, said: str = "", app: str = "1.0.0", **more: Any) -> Object:
    made = rendered(*(objects or (api(str(number)),)), revision=number, status=status, **more)
    made["info"]["description"] = said or "Upgrade complete"
    made["chart"]["metadata"] |= {"appVersion": app, "version": f"0.{app}"}
    return made


def known(*releases: Object) -> list[Release]:
    return sorted((Release.from_helm(one) for one in releases), key=lambda one: -one.revision)


# ---------------------------------------------------------------------- which revision


@pytest.mark.parametrize(
    ("releases", "wanted"),
    [
        ([revision(1, "superseded"), revision(2, "deployed")], 1),
        ([revision(1, "superseded"), revision(2, "superseded"), revision(3, "deployed")], 2),
        ([revision(1, "deployed"), revision(2, "failed"), revision(3, "failed")], 1),
        ([revision(1, "superseded"), revision(2, "deployed", api("2")), revision(3, "failed", api("2"))], 2),
        # an upgrade over a failed first install makes helm call that install superseded
        (
            [
                revision(1, "superseded"),
                revision(2, "superseded", said='Release "x" failed: timed out'),
                revision(3, "deployed"),
            ],
            1,
        ),
        # deployed twice with the same content: the one before that differs
        ([revision(1, "superseded"), revision(2, "superseded", api("2")), revision(3, "deployed", api("2"))], 1),
    ],
)
def test_the_last_good_revision(releases: list[Object], wanted: int) -> None:
    found = choose(known(*releases), Aim())
    assert (found.target.revision, found.already) == (wanted, False)


def test_a_second_rollback_goes_no_further_back() -> None:
    done = [
        revision(1, "superseded"),
        revision(2, "superseded"),
        revision(3, "deployed", api("1"), said="Rollback to 1"),
    ]
    found = choose(known(*done), Aim())
    assert (found.already, found.target.revision) == (True, 3)
    assert "rollback to revision 1" in found.why


def test_helm_4_tells_a_rollback_in_a_field_of_its_own() -> None:
    done = revision(3, "deployed", api("1"), said="as agreed")
    done["info"]["rollback_revision"] = 1
    assert choose(known(revision(1, "superseded"), revision(2, "superseded"), done), Aim()).already


def test_a_rollback_that_failed_is_tried_again() -> None:
    """Not the revision that was to be left, which is still called deployed."""
    failed = revision(3, "failed", api("1"), said="Rollback to 1 failed: image not found")
    found = choose(known(revision(1, "superseded"), revision(2, "deployed"), failed), Aim())
    assert (found.target.revision, found.already) == (1, False)


def test_by_number_and_by_version() -> None:
    all_of_them = known(
        revision(1, "superseded", app="1.0.0"),
        revision(2, "superseded", app="1.1.0"),
        revision(3, "failed", app="1.1.0"),
        revision(4, "deployed", app="1.2.0"),
    )
    assert choose(all_of_them, Aim(revision=1)).target.revision == 1
    assert choose(all_of_them, Aim(app_version="1.1.0")).target.revision == 2
    assert choose(all_of_them, Aim(chart_version="0.1.0.0")).target.revision == 1


@pytest.mark.parametrize("aim", [Aim(revision=2), Aim(app_version="1.0.0"), Aim(revision=1)])
def test_what_is_there_already(aim: Aim) -> None:
    """The very revision, or one of the same content."""
    assert choose(known(revision(1, "superseded", api("x")), revision(2, "deployed", api("x"))), aim).already


def test_a_failed_release_is_never_there_already() -> None:
    assert not choose(known(revision(1, "superseded", api("x")), revision(2, "failed", api("x"))), Aim(1)).already


@pytest.mark.parametrize(
    ("releases", "aim", "sentence"),
    [
        ([], Aim(), "history is empty"),
        ([revision(1, "deployed")], Aim(), "nothing to go back to"),
        ([revision(1, "failed"), revision(2, "failed")], Aim(), "nothing to go back to"),
        ([revision(1, "deployed")], Aim(revision=7), r"no revision 7. Good ones: 1 \(chart 0.1.0.0, application 1.0.0"),
        ([revision(1, "failed"), revision(2, "deployed")], Aim(revision=1), r"no good one \(failed: Upgrade complete"),
        ([revision(1, "failed", app="9")], Aim(app_version="9"), "no good revision of application version 9. None of"),
    ],
)
def test_what_cannot_be_is_one_sentence(releases: list[Object], aim: Aim, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        choose(known(*releases), aim)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"revision": 1, "app_version": "1"}, "app_version and revision are given"),
        ({"revision": 0}, "0 is no revision"),
    ],
)
def test_an_aim_that_is_none(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        aim_of(given)
    assert aim_of({"revision": None, "app_version": None, "chart_version": None}) == Aim()


# ---------------------------------------------------------------------- going back


class Shop:
    """A cluster with a history, and a helm whose rollback stores what the real one does."""

    def __init__(self, *releases: Object, version: str = "v3.16.0", live: Object | None = None) -> None:
        self.cluster = HeldCluster(live or self.live("1"), *(stored(one) for one in releases))
        self.helm = FakeHelm(version=Completed(0, version, ""), rollback=lambda: self.rolled("deployed", 0))
        self.redactor = Redactor()
        self.work = ReleaseWork(self.cluster, self.helm.cli(), self.redactor, AT_ONCE)  # type: ignore[arg-type]
        self.newest = max(one["version"] for one in releases)
        self.releases = {one["version"]: one for one in releases}

    @staticmethod
    def live(tag: str, ready: int = 1) -> Object:
        applied = with_ownership(api(tag), "bytebot", SHOP)
        held = deployment(1, ready)
        return {**held, **applied, "status": held["status"], "metadata": {**held["metadata"], **applied["metadata"]}}

    def rolled(self, status: str, code: int, stderr: str = "") -> Completed:
        to = int(self.helm.calls[-1][3])
        again = {**self.releases[to], "version": self.newest + 1}
        again["info"] = {**again["info"], "status": status, "description": f"Rollback to {to}"}
        self.cluster.objects.append(stored(again))
        return Completed(code, "", stderr)

    def back(self, aim: Aim = LAST_GOOD, *, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        return Rollbacker(self.work).back(Return("bytebot", SHOP, aim, **more), check_mode=check_mode)

    def newest_record(self) -> Release:
        return history(self.cluster, "bytebot", SHOP)[0]  # type: ignore[arg-type]


TWO = (revision(1, "superseded"), revision(2, "deployed"))


def test_back_with_the_reason_and_two_helm_processes() -> None:
    shop = Shop(*TWO)
    out = shop.back(reason="logins\nfail")
    assert (out["changed"], out["from"]["revision"], out["to"]["revision"]) == (True, 2, 1)
    assert (out["release"]["revision"], out["release"]["status"]) == (3, "deployed")
    assert out["release"]["description"] == "Rollback to 1: logins fail"
    assert shop.helm.verbs() == ["version", "rollback"]
    assert out["helm_processes"] == 2
    assert out["changes"]["changed"] == ["Deployment shop/api"]
    assert shop.helm.calls[-1][1:] == [
        *("rollback", "bytebot", "1", "--history-max", "10", "--timeout", "60s", "--wait"),
        *("--namespace", SHOP, "--kube-context", "here"),
    ]


def test_the_record_keeps_all_else_when_the_reason_is_written() -> None:
    shop = Shop(revision(1, "superseded", config={"a": 1}), TWO[1])
    shop.back(reason="so")
    record = next(one for one in shop.cluster.objects if one["metadata"]["name"].endswith(".v3"))
    assert record["metadata"]["labels"] == {"owner": "helm", "name": "bytebot", "status": "deployed"}
    assert shop.newest_record().values == {"a": 1}


def test_check_mode_says_where_to_and_changes_nothing() -> None:
    shop = Shop(*TWO)
    out = shop.back(check_mode=True)
    assert (out["changed"], out["to"]["revision"]) == (True, 1)
    assert "image: registry/api:1" in out["diff"]["after"]
    assert shop.helm.verbs() == ["version"]
    assert shop.cluster.written == []


def test_what_is_there_already_changes_nothing() -> None:
    shop = Shop(revision(1, "superseded"), revision(2, "deployed", api("1"), said="Rollback to 1"))
    out = shop.back()
    assert not out["changed"]
    assert shop.helm.verbs() == ["version"]


def test_what_is_there_already_and_does_not_run_is_no_success() -> None:
    live = Shop.live("1", ready=0)
    shop = Shop(revision(1, "superseded"), revision(2, "deployed", api("1"), said="Rollback to 1"), live=live)
    shop.cluster.objects += broken(live)
    with pytest.raises(RolloutFailed, match="image not found"):
        shop.back()


def broken(owner: Object) -> list[Object]:
    newest = replica_set(owner, 2)
    states = [waiting("ErrImagePull", "registry/api:1: not found")]
    return [newest, pod(newest, "api-2-x", ready=False, containerStatuses=states)]


def test_secrets_are_masked_in_the_diff() -> None:
    def secret(text: str) -> Object:
        data = {"k": b64encode(text.encode()).decode()}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}

    shop = Shop(revision(1, "superseded", secret("canary-one")), revision(2, "deployed", secret("canary-two")))
    out = str(shop.redactor.data(shop.back(check_mode=True)))
    assert "(changed)" in out
    for canary in ("canary-one", "canary-two"):
        assert canary not in out
        assert b64encode(canary.encode()).decode() not in out


def test_what_the_api_server_would_refuse_is_not_begun() -> None:
    shop = Shop(*TWO)
    shop.cluster.refuses["Deployment"] = Refused("spec.selector is immutable")
    with pytest.raises(Refused, match=r"would refuse revision 1: Deployment shop/api: .*immutable"):
        shop.back()
    assert shop.helm.verbs() == ["version"]


@pytest.mark.parametrize("status", ["pending-rollback", "failed"])
def test_a_certain_failure_ends_it_and_the_record_says_failed(status: str) -> None:
    """Helm marks no rollback that is ended, so it would stay pending for ever."""
    shop = Shop(*TWO)
    live = Shop.live("1", ready=0)

    def breaks() -> Completed:
        return shop.rolled(status, -15)

    shop.helm.on["rollback"] = breaks
    shop.helm.before_asking = lambda: shop.cluster.objects.__setitem__(slice(0, 1), [live, *broken(live)])
    with pytest.raises(RolloutFailed, match="image not found"):
        shop.back(reason="logins fail")
    latest = shop.newest_record()
    assert (latest.revision, latest.status, latest.rolled_back_to) == (3, "failed", 1)
    assert latest.description.startswith("Rollback to 1 failed: Pod shop/api-2-x container app: image not found")
    assert latest.description.endswith("logins fail")
    assert not latest.good


def test_a_hook_that_fails_leaves_nothing_pending() -> None:
    shop = Shop(*TWO)
    shop.helm.on["rollback"] = lambda: shop.rolled("pending-rollback", 1, "Error: job api-pre failed")
    with pytest.raises(CommandFailed, match="helm rollback failed: job api-pre failed"):
        shop.back()
    assert shop.newest_record().status == "failed"


def test_a_failure_before_helm_made_a_revision_touches_no_record() -> None:
    shop = Shop(*TWO)
    shop.helm.on["rollback"] = Completed(1, "", "Error: no such chart")
    with pytest.raises(CommandFailed):
        shop.back()
    assert [verb for verb, what in shop.cluster.written if "Secret" in what] == []
    assert shop.newest_record().status == "deployed"


def test_a_record_that_cannot_be_put_right_does_not_hide_the_failure() -> None:
    shop = Shop(*TWO)
    shop.helm.on["rollback"] = lambda: shop.rolled("pending-rollback", 1, "Error: job api-pre failed")

    def taken(wanted: Object) -> None:
        if wanted["kind"] == "Secret":
            raise Refused("somebody else was faster")

    shop.cluster.before_writing = taken
    with pytest.raises(CommandFailed, match="job api-pre failed") as failed:
        shop.back()
    assert "somebody else was faster" in failed.value.details["record"]


def test_what_runs_ahead_of_the_application_and_is_of_another_image() -> None:
    hook = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {"helm.sh/hook": "pre-upgrade"}},
        "spec": {"template": {"spec": {"containers": [{"name": "run", "image": "registry/migrate:2"}]}}},
    }
    shop = Shop(revision(1, "superseded", api("1", "1")), revision(2, "deployed", api("2", "2"), hooks=[hook]))
    assert shop.back(check_mode=True)["runs_before"] == [
        {"what": "Deployment shop/api init container migrate", "from": "registry/api:2", "to": "registry/api:1"},
        {"what": "hook Job shop/migrate container run", "from": "registry/migrate:2", "to": ""},
    ]
    assert shop.back(check_mode=True)["runs_before_told"] == [
        "Deployment shop/api init container migrate from registry/api:2 to registry/api:1",
        "hook Job shop/migrate container run from registry/migrate:2 to none",
    ]
    same = Shop(revision(1, "superseded", api("1", "1")), revision(2, "deployed", api("2", "1")))
    assert same.back(check_mode=True)["runs_before"] == []


def test_crds_and_hooks_of_rollback_are_noted() -> None:
    hook = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "h", "annotations": {"helm.sh/hook": "pre-rollback"}},
    }
    first = revision(1, "superseded", hooks=[hook])
    first["chart"]["files"] = [{"name": "crds/a.yaml", "data": ""}, {"name": "README.md"}]
    remarks = Shop(first, TWO[1]).back(check_mode=True)["remarks"]
    assert remarks[0] == "Hook Pod shop/h runs with the rollback."
    assert "differ in their CRDs" in remarks[1]


@pytest.mark.parametrize(
    ("version", "method", "forced"), [("v4.0.0", "ssa", True), ("v4.0.0", "", False), ("v3.16.0", "ssa", False)]
)
def test_helm_4_takes_back_fields_only_where_it_applies_on_the_server(version: str, method: str, forced: bool) -> None:
    shop = Shop(revision(1, "superseded", apply_method=method), TWO[1], version=version)
    shop.back()
    assert ("--force-conflicts" in shop.helm.calls[-1]) == forced


def test_without_waiting_nothing_is_watched() -> None:
    shop = Shop(*TWO, live=Shop.live("1", ready=0))
    assert shop.back(wait=False)["changed"]
    assert "--wait" not in shop.helm.calls[-1]
