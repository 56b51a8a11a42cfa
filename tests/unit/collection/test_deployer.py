# Deploying with a helm that only remembers: one render, nothing done where nothing differs, and why it failed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.rollout_causes import CAUSES
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    Refused,
    RolloutFailed,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.deploy import Deployer
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import with_ownership
from ansible_collections.bytebot.production.plugins.module_utils.helm.remove import Remover
from ansible_collections.bytebot.production.plugins.module_utils.helm.values import Values
from ansible_collections.bytebot.production.plugins.module_utils.helm.wanted import Wanted, checked_labels
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import (
    SHOP,
    FakeHelm,
    HeldCluster,
    Object,
    deployment,
    pod,
    prints,
    rendered,
    replica_set,
    stored,
    waiting,
)

AT_ONCE = Patience(60.0, 3, dict.fromkeys(CAUSES, 0.0))


def chart_api(image: str = "registry/api:1") -> Object:
    template = {"spec": {"containers": [{"name": "app", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"replicas": 1, "template": template},
    }


def live_api(image: str = "registry/api:1", ready: int = 1) -> Object:
    """The Deployment as helm applied it."""
    applied = with_ownership(chart_api(image), "bytebot", SHOP)
    held = deployment(1, ready)
    return {**held, **applied, "status": held["status"], "metadata": {**held["metadata"], **applied["metadata"]}}


def piece(kind: str, name: str) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}


class Shop:
    """A cluster, a helm and a deployer; an upgrade stores what was rendered."""

    def __init__(
        self,
        *objects: Object,
        known: list[Object] | None = None,
        version: str = "v3.16.0",
        patience: Patience = AT_ONCE,
    ) -> None:
        self.cluster = HeldCluster(*objects, *(stored(one) for one in known or []))
        self.helm = FakeHelm(version=Completed(0, version, ""), upgrade=self._upgraded, uninstall=Completed(0, "", ""))
        self.redactor = Redactor()
        self.after: list[Object] = [live_api()]
        self.cli = self.helm.cli()
        self.work = ReleaseWork(self.cluster, self.cli, self.redactor, patience)  # type: ignore[arg-type]
        self.deployer = Deployer(self.work)
        self.render(chart_api(), revision=len(known or []) + 1)

    def render(self, *objects: Object, **more: Any) -> None:
        self.rendered = rendered(*objects, **more)
        self.helm.on["render"] = prints(self.rendered)

    def _upgraded(self) -> Completed:
        self.cluster.objects = [*self.after, stored(self.rendered)]
        return Completed(0, "", "")

    def present(self, *, check_mode: bool = False, wait: bool = True, **changes: Any) -> dict[str, Any]:
        options: dict[str, Any] = {
            "name": "bytebot",
            "namespace": SHOP,
            "chart": "./chart",
            "values": Values(),
            **changes,
        }
        return self.deployer.present(Wanted(**options), check_mode=check_mode, wait=wait)


# ---------------------------------------------------------------------- install, upgrade, nothing


def test_an_install() -> None:
    shop = Shop()
    out = shop.present()
    assert (out["changed"], out["reasons"]) == (True, ["the release is not there"])
    assert out["changes"]["created"] == ["Deployment shop/api"]
    assert shop.helm.verbs() == ["render", "version", "upgrade"]
    assert (out["helm_processes"], out["release"]["revision"], out["release"]["status"]) == (3, 1, "deployed")
    assert out["release"]["images"] == ["registry/api:1"]
    assert set(out["seconds"]) == {"read", "render", "compare", "apply", "wait"}


def test_a_second_run_changes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = shop.present()
    assert (out["changed"], out["reasons"]) == (False, [])
    assert shop.helm.verbs() == ["render"]
    assert out["release"]["revision"] == 1


def test_an_upgrade_names_what_differs() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    shop.render(chart_api("registry/api:2"), revision=2)
    shop.after = [live_api("registry/api:2")]
    out = shop.present()
    assert out["changes"] == {"created": [], "changed": ["Deployment shop/api"], "deleted": []}
    assert "image: registry/api:1" in out["diff"]["before"]
    assert "image: registry/api:2" in out["diff"]["after"]
    assert out["release"]["revision"] == 2


def test_drift_is_put_right_and_helm_4_is_told_to_take_the_fields() -> None:
    for version, forced in (("v3.16.0", False), ("v4.0.0", True)):
        known = rendered(chart_api(), apply_method="ssa" if forced else "")
        shop = Shop(live_api("registry/api:by-hand"), known=[known], version=version)
        out = shop.present()
        assert out["reasons"] == ["the cluster has drifted: Deployment shop/api"]
        assert ("--force-conflicts" in shop.helm.calls[-1]) == forced


@pytest.mark.parametrize(("method", "forced"), [("ssa", True), ("csa", False)])
def test_the_chart_holds_where_somebody_else_owns_a_field(method: str, forced: bool) -> None:
    """A field that was edited and put back is still its editor's; where helm applies as Helm 3 does, nobody asks."""
    shop = Shop(live_api(), known=[rendered(chart_api(), apply_method=method)], version="v4.0.0")
    shop.render(chart_api("registry/api:2"), revision=2)
    shop.after = [live_api("registry/api:2")]
    assert shop.present()["reasons"] == ["manifests differ"]
    assert ("--force-conflicts" in shop.helm.calls[-1]) == forced


@pytest.mark.parametrize(("hooks", "validated"), [((), False), ((piece("ConfigMap", "hook"),), True)])
def test_helm_validates_what_the_dry_run_does_not_ask_about(hooks: tuple[Object, ...], validated: bool) -> None:
    shop = Shop()
    shop.render(chart_api(), hooks=hooks)
    shop.present()
    assert ("--disable-openapi-validation" not in shop.helm.calls[-1]) == validated
    assert "--disable-openapi-validation" in shop.helm.calls[0]


def test_arguments_of_an_upgrade() -> None:
    shop = Shop()
    shop.present(
        values=Values(("a.yaml",), {"password": "hunter22"}), create_namespace=True, history_max=3, description="why"
    )
    upgrade = shop.helm.calls[-1]
    assert upgrade[1:5] == ["upgrade", "bytebot", "./chart", "--install"]
    for pair in (
        ["--history-max", "3"],
        ["--timeout", "60s"],
        ["--description", "why"],
        ["--values", "a.yaml"],
        ["--values", "-"],
    ):
        assert any(upgrade[at : at + 2] == pair for at in range(len(upgrade))), pair
    assert {"--reset-values", "--create-namespace", "--wait"} <= set(upgrade)
    assert shop.helm.stdins[-1] == '{"password": "hunter22"}'
    assert not [part for call in shop.helm.calls for part in call if "hunter22" in part]


def test_without_waiting_nothing_is_watched() -> None:
    shop = Shop()
    shop.after = [live_api(ready=0)]
    assert shop.present(wait=False)["changed"]
    assert "--wait" not in shop.helm.calls[-1]
    assert shop.helm.reasons_to_stop == [""]


# ---------------------------------------------------------------------- check mode


def test_check_mode_changes_nothing_and_says_what_would_be() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    shop.render(chart_api("registry/api:2"), revision=2)
    out = shop.present(check_mode=True)
    assert (out["changed"], out["release"]["revision"]) == (True, 2)
    assert shop.helm.verbs() == ["render"]


@pytest.mark.parametrize("known", [[], [rendered(chart_api())]])
def test_check_mode_is_refused_where_admission_would_refuse(known: list[Object]) -> None:
    shop = Shop(live_api(), known=known)
    shop.cluster.refuses["Deployment"] = Refused("violates the policy.")
    with pytest.raises(Refused, match=r"would refuse the release: Deployment shop/api: violates the policy"):
        shop.present(check_mode=True)
    assert shop.helm.verbs() == ["render"]


def test_check_mode_waits_for_no_change_that_it_does_not_make() -> None:
    shop = Shop(live_api(ready=0), known=[rendered(chart_api())], patience=Patience(-1.0))
    shop.render(chart_api("registry/api:2"), revision=2)
    assert shop.present(check_mode=True)["changed"]


# ---------------------------------------------------------------------- failures


def broken(owner: Object) -> list[Object]:
    newest = replica_set(owner, 2)
    return [
        newest,
        pod(newest, "api-2-x", ready=False, containerStatuses=[waiting("ErrImagePull", "registry/api:9: not found")]),
    ]


def test_a_certain_failure_ends_the_wait_with_its_cause() -> None:
    api = live_api(ready=0)
    shop = Shop()
    shop.helm.before_asking = lambda: shop.cluster.objects.extend([api, *broken(api)])
    shop.helm.on["upgrade"] = Completed(1, "", "Error: context canceled", "image not found")
    with pytest.raises(RolloutFailed, match="image not found") as failed:
        shop.present()
    assert failed.value.details["causes"][0]["cause"] == "image_missing"
    assert "image not found" in shop.helm.reasons_to_stop[0]


def test_pods_of_the_revision_before_do_not_fail_the_new_one() -> None:
    api = live_api("registry/api:9", ready=0)
    shop = Shop(api, *broken(api), known=[rendered(chart_api("registry/api:9"))])
    shop.render(chart_api(), revision=2)
    shop.after = [live_api()]
    assert shop.present()["changed"]
    assert shop.helm.reasons_to_stop == [""]


def test_helms_failure_is_explained_by_the_cluster() -> None:
    shop = Shop()

    def fails() -> Completed:
        api = live_api(ready=0)
        shop.cluster.objects = [api, *broken(api)]
        return Completed(1, "", "Error: UPGRADE FAILED: context deadline exceeded\n")

    shop.helm.on["upgrade"] = fails
    with pytest.raises(RolloutFailed, match="image not found"):
        shop.present()


def test_helms_time_out_without_a_certain_cause_says_what_is_waited_for() -> None:
    shop = Shop()

    def fails() -> Completed:
        shop.cluster.objects = [live_api(ready=0)]
        return Completed(1, "", "Error: UPGRADE FAILED: timed out waiting for the condition\n")

    shop.helm.on["upgrade"] = fails
    with pytest.raises(TimedOut, match="0 of 1 replicas are available"):
        shop.present()


def test_any_other_failure_of_helm_is_repeated() -> None:
    shop = Shop()
    shop.helm.on["upgrade"] = Completed(1, "", "Error: UPGRADE FAILED: another operation is in progress\n")
    with pytest.raises(CommandFailed, match="helm upgrade failed: UPGRADE FAILED: another operation is in progress"):
        shop.present()


def test_an_api_server_that_is_away_while_helm_works_ends_nothing() -> None:
    shop = Shop()
    shop.helm.before_asking = lambda: shop.cluster.fails.append(Unreachable("the control plane restarts"))
    assert shop.present()["changed"]
    assert shop.helm.reasons_to_stop == [""]
    assert shop.cluster.fails == []


@pytest.mark.parametrize(("revisions", "verb"), [(1, "uninstall"), (2, "rollback")])
def test_a_release_at_work_is_left_alone(revisions: int, verb: str) -> None:
    known = [rendered(chart_api(), revision=number, status="superseded") for number in range(1, revisions)]
    shop = Shop(known=[*known, rendered(chart_api(), revision=revisions, status="pending-upgrade")])
    shop.cluster.clock = datetime(2026, 1, 2, 3, 4, 30, tzinfo=UTC)
    with pytest.raises(InputError, match=rf"is pending-upgrade since .*helm {verb} bytebot --namespace shop"):
        shop.present()
    assert shop.helm.verbs() == ["render"]


def test_an_old_helm_is_refused_before_anything_is_done() -> None:
    shop = Shop(version="v3.10.0")
    with pytest.raises(InputError, match="too old"):
        shop.present()
    assert sorted(shop.helm.verbs()) == ["render", "version"]
    shop.helm.on["render"] = Completed(1, "", "Error: unknown value server")
    with pytest.raises(InputError, match="too old"):
        shop.present()


def test_an_old_helm_does_not_even_mend_a_record() -> None:
    pending = rendered(chart_api(), status="pending-upgrade")
    shop = Shop(known=[pending], version="v3.10.0")
    shop.cluster.clock = datetime(2027, 1, 2, 3, 4, 30, tzinfo=UTC)
    with pytest.raises(InputError, match="too old"):
        shop.present()
    assert sorted(shop.helm.verbs()) == ["render", "version"]


def test_a_record_that_vanishes_is_one_sentence() -> None:
    shop = Shop()

    def upgraded() -> Completed:
        shop.cluster.objects = [live_api()]
        return Completed(0, "", "")

    shop.helm.on["upgrade"] = upgraded
    with pytest.raises(CommandFailed, match="record has vanished"):
        shop.present()


def test_an_unchanged_release_that_is_not_ready_is_no_success() -> None:
    api = live_api(ready=0)
    shop = Shop(api, *broken(api), known=[rendered(chart_api())])
    with pytest.raises(RolloutFailed, match="image not found"):
        shop.present()


def test_an_unchanged_release_is_left_alone_where_nobody_waits() -> None:
    shop = Shop(live_api(ready=0), known=[rendered(chart_api())], patience=Patience(-1.0))
    assert not shop.present(wait=False)["changed"]
    with pytest.raises(TimedOut):
        shop.present()


# ---------------------------------------------------------------------- removal


def test_removal() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = Remover(shop.work).absent("bytebot", SHOP)
    assert (out["changed"], out["release"]) == (True, None)
    assert out["changes"]["deleted"] == ["Deployment shop/api"]
    assert shop.helm.calls == [
        [
            "/bin/helm",
            "uninstall",
            "bytebot",
            "--wait",
            "--timeout",
            "60s",
            "--namespace",
            SHOP,
            "--kube-context",
            "here",
        ]
    ]


def test_removal_in_check_mode_removes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    assert Remover(shop.work).absent("bytebot", SHOP, check_mode=True)["changed"]
    assert shop.helm.calls == []


def test_removal_of_what_is_not_there() -> None:
    assert Remover(Shop().work).absent("bytebot", SHOP) == {"changed": False, "release": None, "kept": []}


# ---------------------------------------------------------------------- back after a failure, and what helm leaves


def failing(shop: Shop) -> None:
    """An upgrade whose image is not there, and a rollback that works."""
    api = live_api("registry/api:9", ready=0)

    def upgraded() -> Completed:
        shop.cluster.objects = [one for one in shop.cluster.objects if one["kind"] not in ("Deployment", "Lease")]
        shop.cluster.objects += [api, *broken(api), stored(shop.rendered)]
        return Completed(1, "", "Error: UPGRADE FAILED: context canceled\n")

    def rolled_back() -> Completed:
        newest = rendered(chart_api(), revision=3)
        newest["info"]["description"] = "Rollback to 1"
        shop.cluster.objects = [live_api(), *(stored(one) for one in (rendered(chart_api()), newest))]
        return Completed(0, "", "")

    shop.render(chart_api("registry/api:9"), revision=2, status="pending-upgrade")
    shop.helm.on |= {"upgrade": upgraded, "rollback": rolled_back}


def test_a_failure_is_rolled_back_where_it_is_asked_for_and_stays_one() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    failing(shop)
    with pytest.raises(
        RolloutFailed, match=r"image not found.* rolled back to revision 1, and that one runs"
    ) as failed:
        shop.present(rollback_on_failure=True)
    assert failed.value.details["rolled_back"] == {"done": True, "to": 1, "why": "it is the last good one"}
    assert failed.value.details["causes"][0]["cause"] == "image_missing"
    assert failed.value.details["release"]["description"] == "Rollback to 1: the upgrade failed"
    assert shop.helm.verbs() == ["render", "upgrade", "version", "rollback"]


def test_a_failure_is_left_as_it_is_unless_asked() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    failing(shop)
    with pytest.raises(RolloutFailed) as failed:
        shop.present()
    assert "rolled_back" not in failed.value.details
    assert shop.work.history("bytebot", SHOP)[0].status == "failed"  # what helm left pending


def test_a_failed_first_install_has_nothing_to_go_back_to() -> None:
    shop = Shop()
    failing(shop)
    with pytest.raises(
        RolloutFailed, match=r"image not found.* It was not rolled back: .*nothing to go back to"
    ) as failed:
        shop.present(rollback_on_failure=True)
    assert failed.value.details["rolled_back"]["done"] is False


def test_labels_reach_the_record_and_a_second_run_changes_nothing() -> None:
    shop = Shop(live_api(), known=[rendered(chart_api())])
    out = shop.present(labels={"team": "a"})
    assert out["reasons"] == ["labels differ"]
    call = shop.helm.calls[-1]
    assert call[call.index("--labels") + 1] == "team=a"
    again = Shop(live_api())
    again.cluster.objects.append(stored(rendered(chart_api()), team="a", other="b"))
    assert not again.present(labels={"team": "a"})["changed"]


@pytest.mark.parametrize(
    ("labels", "sentence"), [({"owner": "me"}, "owner is helm's own"), ({"a": "1,b=2"}, "a holds a comma")]
)
def test_labels_that_helm_would_not_take(labels: dict[str, str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        checked_labels(labels)


def test_ownership_is_taken_in_the_rendering_too_and_needs_a_helm_that_can() -> None:
    shop = Shop(version="v3.17.0")
    shop.present(take_ownership=True, skip_crds=True)
    for call in [call for call, verb in zip(shop.helm.calls, shop.helm.verbs(), strict=True) if verb != "version"]:
        assert {"--take-ownership", "--skip-crds"} <= set(call)
    with pytest.raises(InputError, match=r"3\.17"):
        Shop(version="v3.16.9").present(take_ownership=True)


def with_crd(text: str) -> Object:
    files = [{"name": "crds/a.yaml", "data": text}, {"name": "README.md", "data": ""}]
    return {"metadata": {"name": "bytebot", "version": "1.0.0", "appVersion": "1.0.0"}, "files": files}


@pytest.mark.parametrize(
    ("before", "skip", "words"),
    [
        ("", False, r"CRDs \(crds/a.yaml\) are made where they are missing"),
        ("old", False, r"differ from those of revision 1, and helm upgrades no CRD"),
        ("new", False, ""),
        ("old", True, r"are skipped \(crd_policy\)"),
    ],
)
def test_what_helm_leaves_of_crds_is_told(before: str, skip: bool, words: str) -> None:
    known = [rendered(chart_api(), chart=with_crd(before))] if before else []
    shop = Shop(live_api(), known=known)
    shop.render(chart_api(), revision=2, chart=with_crd("new"))
    remarks = shop.present(check_mode=True, skip_crds=skip)["remarks"]
    assert bool(remarks) == bool(words)
    assert re.search(words, "".join(remarks))


def test_no_process_is_started_beyond_those_that_are_needed() -> None:
    """A no-op one (a server-side dry run), an upgrade two; an install asks an old helm for its version before it."""
    unchanged = Shop(live_api(), known=[rendered(chart_api())])
    assert unchanged.present()["helm_processes"] == len(unchanged.helm.calls) == 1
    upgraded = Shop(live_api(), known=[rendered(chart_api())])
    upgraded.render(chart_api("registry/api:2"), revision=2)
    upgraded.after = [live_api("registry/api:2")]
    assert upgraded.present()["helm_processes"] == len(upgraded.helm.calls) == 2
    for method, processes in (("", 3), ("ssa", 2)):
        installed = Shop(version="v4.0.0" if method else "v3.16.0")
        installed.render(chart_api(), apply_method=method)
        assert installed.present()["helm_processes"] == len(installed.helm.calls) == processes
        assert ("--force-conflicts" in installed.helm.calls[-1]) == bool(method)


# ---------------------------------------------------------------------- secrets


def test_secrets_of_objects_hooks_and_values_leave_in_no_result() -> None:
    canaries = {"object": "canary-of-an-object", "hook": "canary-of-a-hook", "value": "canary-of-a-value"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "data": {"k": b64encode(canaries["object"].encode()).decode()},
    }
    hook = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "h", "annotations": {"helm.sh/hook": "pre-install"}},
        "stringData": {"k": canaries["hook"]},
    }
    shop = Shop()
    shop.render(secret, chart_api(), hooks=[hook])
    shop.rendered["info"]["notes"] = f"Log in with {', '.join(canaries.values())}."
    shop.helm.on["render"] = prints(shop.rendered)
    out = shop.present(values=Values(inline={"db": {"password": canaries["value"]}}))
    shown = json.dumps(shop.redactor.data(out))
    assert "Log in with" in shown
    for canary in canaries.values():
        assert canary not in shown
        assert b64encode(canary.encode()).decode() not in shown


def test_an_unreachable_cluster_is_told_as_such() -> None:
    shop = Shop()
    shop.helm.on["render"] = Completed(1, "", "Error: Kubernetes cluster unreachable: dial tcp: connection refused\n")
    with pytest.raises(Unreachable):
        shop.present()


# ---------------------------------------------------------------------- what failed revisions have left


def owned(obj: Object, release: str = "bytebot", **annotations: str) -> Object:
    marked = with_ownership(obj, release, SHOP)
    metadata = marked["metadata"]
    return {
        **marked,
        "metadata": {**metadata, "namespace": SHOP, "annotations": {**metadata["annotations"], **annotations}},
    }


def changed(shop: Shop) -> list[tuple[str, str]]:
    """What was written, but for the Lease."""
    return [(verb, what) for verb, what in shop.cluster.written if not what.startswith("Lease ")]


def after_a_failure(*live: Object) -> Shop:
    """A release whose last revision failed, with three objects more than the good one before."""
    more = [piece("Service", "new"), piece("PersistentVolumeClaim", "data"), piece("ConfigMap", "kept")]
    failed = rendered(chart_api("registry/api:bad"), *more, revision=2, status="failed")
    shop = Shop(live_api(), *live, known=[rendered(chart_api()), failed])
    shop.render(chart_api(), revision=3)
    shop.after = [live_api(), *live]
    return shop


def test_what_a_failed_revision_has_left_goes_with_the_next_good_one_but_no_claim() -> None:
    keep = owned(piece("ConfigMap", "kept"), **{"helm.sh/resource-policy": "keep"})
    shop = after_a_failure(owned(piece("Service", "new")), owned(piece("PersistentVolumeClaim", "data")), keep)
    out = shop.present()
    assert changed(shop) == [("delete", "Service new")]
    assert "Service shop/new" in out["changes"]["deleted"]
    assert "PersistentVolumeClaim shop/data" not in out["changes"]["deleted"]
    assert [text for text in out["remarks"] if "has left the claim data" in text]


def test_what_somebody_else_owns_is_left_alone() -> None:
    shop = after_a_failure(owned(piece("Service", "new"), "other"), {**piece("ConfigMap", "kept")})
    shop.present()
    assert changed(shop) == []


def test_check_mode_says_what_would_go_and_deletes_nothing() -> None:
    shop = after_a_failure(owned(piece("Service", "new")))
    out = shop.present(check_mode=True)
    assert "Service shop/new" in out["changes"]["deleted"]
    assert changed(shop) == []


def test_without_a_good_revision_helm_deletes_by_itself() -> None:
    failed = rendered(chart_api("registry/api:bad"), piece("Service", "new"), revision=1, status="failed")
    shop = Shop(live_api(), owned(piece("Service", "new")), known=[failed])
    shop.render(chart_api(), revision=2)
    shop.after = [live_api(), owned(piece("Service", "new"))]
    shop.present()
    assert changed(shop) == []
