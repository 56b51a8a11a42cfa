# What a deployment that fails tells and leaves: its cause, the way back, and objects of failed revisions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    RolloutFailed,
    TimedOut,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm.cli import Completed
from ansible_collections.bytebot.production.plugins.module_utils.helm.plan import with_ownership
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.deployer_shop import Shop, broken, chart_api, live_api, piece
from tests.unit.collection.helm_fakes import SHOP, Object, rendered, stored


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


# ---------------------------------------------------------------------- back after a failure


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
