# Removing a release: its data stays unless told otherwise, and what stays is told as it was seen.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import CommandFailed, InputError, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import history
from ansible_collections.bytebot.production.plugins.module_utils.helm.remove import Remover
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import SHOP, FakeHelm, HeldCluster, Object, obj, rendered, stored

CLAIMS = ("data-db-0", "data-db-1", "plain", "marked")
NAMED = [f"PersistentVolumeClaim shop/{name}" for name in sorted(CLAIMS)]


def claim(name: str, *, keep: bool = False) -> Object:
    marks = {"annotations": {"helm.sh/resource-policy": "keep"}} if keep else {}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, **marks}, "spec": {}}


def database(when_deleted: str = "") -> Object:
    policy = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": when_deleted}} if when_deleted else {}
    spec = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], **policy}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"}, "spec": spec}


class Shop:
    """A release with claims of each kind beside those of others; its helm removes what a real one would."""

    def __init__(self, when_deleted: str = "") -> None:
        release = rendered(claim("plain"), claim("marked", keep=True), database(when_deleted))
        others = ("data-db-x", "other-db-0", "data-dbx-0")
        live = [obj("PersistentVolumeClaim", name) for name in (*CLAIMS, *others)]
        self.cluster = HeldCluster(*live, stored(release))
        self.helm = FakeHelm(uninstall=self._uninstalled)
        work = ReleaseWork(self.cluster, self.helm.cli(), Redactor(), Patience(60.0))  # type: ignore[arg-type]
        self.remover = Remover(work)

    def _uninstalled(self) -> Completed:
        for one in history(self.cluster, "bytebot", SHOP)[0].objects:  # type: ignore[arg-type]
            kept = (one["metadata"].get("annotations") or {}).get("helm.sh/resource-policy") == "keep"
            if not kept:
                self.cluster.delete(one["apiVersion"], one["kind"], one["metadata"]["name"], SHOP)
        self.cluster.objects = [one for one in self.cluster.objects if one["kind"] != "Secret"]
        self.cluster.written.clear()
        return Completed(0, "", "")

    def absent(self, **more: Any) -> dict[str, Any]:
        return self.remover.absent("bytebot", SHOP, **more)

    def claims(self) -> set[str]:
        return {one["metadata"]["name"] for one in self.cluster.objects if one["kind"] == "PersistentVolumeClaim"}


def test_all_data_is_kept_also_where_helm_would_delete_it() -> None:
    shop = Shop()
    before = shop.claims()
    out = shop.absent()
    assert (out["changed"], out["kept"], out["helm_processes"]) == (True, NAMED, 1)
    assert shop.claims() == before
    assert out["changes"]["deleted"] == ["StatefulSet shop/db"]


def test_the_release_is_gone_and_a_second_run_changes_nothing() -> None:
    shop = Shop()
    shop.absent()
    assert shop.absent() == {"changed": False, "release": None, "kept": []}


def test_check_mode_tells_the_same_and_removes_nothing() -> None:
    shop = Shop()
    out = shop.absent(check_mode=True)
    assert (out["changed"], out["kept"]) == (True, NAMED)
    assert (shop.cluster.written, shop.helm.calls) == ([], [])


def test_data_is_deleted_where_it_is_asked_for_and_only_this_releases() -> None:
    shop = Shop()
    out = shop.absent(keep_data=False)
    assert out["kept"] == []
    assert shop.claims() == {"data-db-x", "other-db-0", "data-dbx-0"}
    assert out["changes"]["deleted"] == [*NAMED, "StatefulSet shop/db"]


def test_a_set_that_takes_its_claims_along_is_refused_before_anything_is_done() -> None:
    shop = Shop("Delete")
    for check_mode in (True, False):
        with pytest.raises(InputError, match="StatefulSet shop/db has its claims deleted with it"):
            shop.absent(check_mode=check_mode)
    assert shop.helm.calls == []
    assert shop.absent(keep_data=False)["changed"]
    assert Shop("Retain").absent()["kept"] == NAMED


def test_a_claim_that_is_gone_all_the_same_is_no_success() -> None:
    shop = Shop()

    def takes_all() -> Completed:
        shop.cluster.delete("v1", "PersistentVolumeClaim", "plain", SHOP)
        return shop._uninstalled()

    shop.helm.on["uninstall"] = takes_all
    with pytest.raises(CommandFailed, match="PersistentVolumeClaim shop/plain vanished with the release"):
        shop.absent()


def test_helms_failure_is_told() -> None:
    shop = Shop()
    shop.helm.on["uninstall"] = Completed(1, "", "Error: timed out waiting\n")
    with pytest.raises(CommandFailed, match="helm uninstall failed: timed out waiting"):
        shop.absent()


def test_data_that_may_not_be_deleted_is_told_with_the_release_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()

    def uninstalled() -> Completed:
        done = shop._uninstalled()
        monkeypatch.setattr(shop.cluster, "delete", refuses)
        return done

    def refuses(*_words: str, **_more: str) -> bool:
        raise NotPermitted("Not permitted to delete claims.")

    shop.helm.on["uninstall"] = uninstalled
    with pytest.raises(NotPermitted, match=r"The release is removed, and its Persistent.* is not: Not permitted"):
        shop.absent(keep_data=False)
