# One module at a time: who is kept out, who takes over from the dead, and what becomes of a pending release.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import socket
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    InputError,
    NotPermitted,
    NotThere,
    Unreachable,
)
from ansible_collections.bytebot.production.plugins.module_utils.helm import lease as under_test
from ansible_collections.bytebot.production.plugins.module_utils.helm.lease import Busy, ReleaseLease
from ansible_collections.bytebot.production.plugins.module_utils.helm.work import ReleaseWork
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.rollout import Patience
from tests.unit.collection.helm_fakes import SHOP, FakeHelm, HeldCluster, Object, rendered, stored


def lease(cluster: HeldCluster, doing: str = "helm_release") -> ReleaseLease:
    return ReleaseLease(cluster, "bytebot", SHOP, doing)  # type: ignore[arg-type]


def abandoned(cluster: HeldCluster, age_s: float) -> Object:
    """The Lease that a killed module left, last renewed so long ago."""
    held = lease(cluster, "helm_release, as it died")
    cluster.clock -= timedelta(seconds=age_s)
    with held.held():
        left: Object = cluster.leases()[0]
    cluster.clock += timedelta(seconds=age_s)
    cluster.objects.append(left)
    cluster.written.clear()
    return left


def test_it_is_held_and_given_back() -> None:
    cluster = HeldCluster()
    with lease(cluster).held() as exclusion:
        assert exclusion.held
        found = cluster.leases()[0]
        assert found["metadata"]["name"] == "bytebot-release-bytebot"
        assert found["spec"]["leaseDurationSeconds"] == 30
        assert found["spec"]["renewTime"] == "2026-01-02T04:00:00.000000Z"
    assert cluster.leases() == []
    assert [verb for verb, _what in cluster.written] == ["create", "delete"]


def test_it_is_given_back_after_a_failure() -> None:
    cluster = HeldCluster()
    with pytest.raises(ZeroDivisionError), lease(cluster).held():
        raise ZeroDivisionError
    assert cluster.leases() == []


def test_the_holder_is_named_without_the_machine() -> None:
    identity = lease(HeldCluster()).identity
    assert re.fullmatch(r"[0-9a-f]{12}-\d+-[0-9a-f]{8}", identity)
    assert socket.gethostname() not in identity


def test_a_second_one_is_kept_out_at_once_and_told_by_whom() -> None:
    cluster = HeldCluster()
    first = lease(cluster)
    with first.held():
        with pytest.raises(Busy) as busy, lease(cluster).held():
            pass
        assert f"held by {first.identity} (helm_release) since 2026-01-02T04:00:00" in busy.value.sentence
        assert "try again in 30 s" in busy.value.sentence
        with pytest.raises(Busy):
            lease(cluster).look()
        assert cluster.leases()[0]["spec"]["holderIdentity"] == first.identity


def test_check_mode_only_looks() -> None:
    cluster = HeldCluster()
    assert not lease(cluster).look().held
    assert cluster.written == []


@pytest.mark.parametrize(("age_s", "free"), [(29.0, False), (30.0, True), (4000.0, True)])
def test_the_lease_of_a_dead_one_is_taken_over_when_it_has_run_out(age_s: float, free: bool) -> None:
    cluster = HeldCluster()
    left = abandoned(cluster, age_s)
    if not free:
        with pytest.raises(Busy), lease(cluster).held():
            pass
        return
    with lease(cluster).held() as exclusion:
        assert exclusion.dead == left["spec"]["holderIdentity"]
        assert cluster.leases()[0]["spec"]["leaseTransitions"] == 1
    assert cluster.leases() == []


def test_of_two_that_take_over_one_is_kept_out() -> None:
    cluster = HeldCluster()
    abandoned(cluster, 100)

    def faster(_wanted: Object) -> None:
        cluster.before_writing = lambda _wanted: None
        cluster.replace({**cluster.leases()[0], "spec": {**cluster.leases()[0]["spec"], "holderIdentity": "other"}})

    cluster.before_writing = faster
    with pytest.raises(Busy, match="just begun"), lease(cluster).held():
        pass
    assert cluster.leases()[0]["spec"]["holderIdentity"] == "other"


def test_of_two_that_make_it_one_is_kept_out() -> None:
    cluster = HeldCluster()
    other = lease(cluster)

    def faster(_wanted: Object) -> None:
        cluster.before_writing = lambda _wanted: None
        other._take()

    cluster.before_writing = faster
    with pytest.raises(Busy, match=other.identity), lease(cluster).held():
        pass


def test_it_is_renewed_and_a_robbed_holder_notices() -> None:
    cluster = HeldCluster()
    mine = lease(cluster)
    with mine.held():
        cluster.clock += timedelta(seconds=12)
        mine.renew()
        assert cluster.leases()[0]["spec"]["renewTime"] == "2026-01-02T04:00:12.000000Z"
        assert cluster.leases()[0]["spec"]["acquireTime"] == "2026-01-02T04:00:00.000000Z"
        assert mine.lost() == ""
        cluster.replace({**cluster.leases()[0], "spec": {"holderIdentity": "thief"}})
        mine.renew()
        assert "was lost" in mine.lost()
    assert cluster.leases()[0]["spec"]["holderIdentity"] == "thief"


def test_a_holder_that_cannot_renew_in_time_counts_itself_as_robbed(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = HeldCluster()
    mine = lease(cluster)

    def away(_wanted: Object) -> None:
        raise Unreachable("away")

    with mine.held():
        cluster.before_writing = away
        mine.renew()
        assert mine.lost() == ""
        monkeypatch.setattr(under_test, "RENEW_DEADLINE_S", -1.0)
        assert "could not be renewed" in mine.lost()


@pytest.mark.parametrize(
    ("error", "words"),
    [(NotPermitted("Not permitted."), "may not use Leases"), (NotThere("no ns"), "no namespace shop")],
)
def test_where_no_lease_can_be_had_that_is_told(error: Exception, words: str) -> None:
    cluster = HeldCluster()

    def refuses(_wanted: Object) -> None:
        raise error

    cluster.before_writing = refuses
    with lease(cluster).held() as exclusion:
        assert not exclusion.held
        assert not exclusion.seen
        assert words in exclusion.why_not


# ---------------------------------------------------------------------- what a killed helm left


def work(cluster: HeldCluster, **more: Any) -> ReleaseWork:
    return ReleaseWork(cluster, FakeHelm().cli(), Redactor(), Patience(900.0), **more)  # type: ignore[arg-type]


def left_pending(age_s: float, status: str = "pending-upgrade", said: str = "Preparing upgrade") -> HeldCluster:
    one, two = rendered(revision=1, status="deployed"), rendered(revision=2, status=status)
    two["info"]["description"] = said
    cluster = HeldCluster()
    written = (cluster.clock - timedelta(seconds=age_s)).isoformat().replace("+00:00", "Z")
    cluster.objects += [stored(one), stored(two, written)]
    return cluster


def test_a_pending_release_of_a_dead_module_is_marked_as_failed() -> None:
    cluster = left_pending(31)
    left = abandoned(cluster, 31)
    doing = work(cluster)
    with doing.alone("bytebot", SHOP, "test", check_mode=False):
        known = doing.recovered_history("bytebot", SHOP, check_mode=False)
    assert [(one.revision, one.status) for one in known] == [(2, "failed"), (1, "deployed")]
    assert known[0].description == 'Release "bytebot" failed: its helm was killed while it was pending-upgrade'
    assert not known[0].good
    assert doing.facts()["recovered"] == {
        "revision": 2,
        "was": "pending-upgrade",
        "since": "2026-01-02T03:04:05Z",
        "holder": left["spec"]["holderIdentity"],
    }


def test_a_rollback_that_was_killed_keeps_where_it_went() -> None:
    cluster = left_pending(31, "pending-rollback", "Rollback to 1")
    abandoned(cluster, 31)
    doing = work(cluster)
    with doing.alone("bytebot", SHOP, "test", check_mode=False):
        assert doing.recovered_history("bytebot", SHOP, check_mode=False)[0].rolled_back_to == 1


def test_check_mode_tells_what_would_be_recovered_and_writes_nothing() -> None:
    cluster = left_pending(31)
    abandoned(cluster, 31)
    doing = work(cluster)
    with doing.alone("bytebot", SHOP, "test", check_mode=True):
        known = doing.recovered_history("bytebot", SHOP, check_mode=True)
    assert known[0].pending
    assert doing.recovered is not None
    assert cluster.written == []


@pytest.mark.parametrize(
    ("age_s", "dead", "after", "recovers"),
    [
        (29, True, None, False),  # the module died, and its helm may have some seconds left
        (31, True, None, True),
        (31, False, None, False),  # no Lease: a helm started by hand may work for as long as the time-out
        (899, False, None, False),
        (901, False, None, True),
        (61, False, 60, True),
        (29, False, 5, False),  # never below the Lease's own duration
    ],
)
def test_only_what_is_surely_given_up_is_recovered(age_s: int, dead: bool, after: int | None, recovers: bool) -> None:
    cluster = left_pending(age_s)
    if dead:
        abandoned(cluster, 31)
    doing = work(cluster, recover_after_s=after)
    with doing.alone("bytebot", SHOP, "test", check_mode=False):
        if recovers:
            assert doing.recovered_history("bytebot", SHOP, check_mode=False)[0].status == "failed"
            return
        with pytest.raises(InputError, match=r"is pending-upgrade since .* counts as given up .* in \d+ s\."):
            doing.recovered_history("bytebot", SHOP, check_mode=False)
    assert doing.recovered is None


def test_who_comes_too_early_leaves_the_next_one_what_a_dead_module_left() -> None:
    """The Lease has run out, and the record is a little younger: it must still be known as that module's later on."""
    cluster = left_pending(29)
    left = abandoned(cluster, 31)
    early = work(cluster)
    with pytest.raises(InputError), early.alone("bytebot", SHOP, "test", check_mode=False):
        early.recovered_history("bytebot", SHOP, check_mode=False)
    assert cluster.leases()[0]["spec"] == left["spec"]
    cluster.clock += timedelta(seconds=2)
    later = work(cluster)
    with later.alone("bytebot", SHOP, "test", check_mode=False):
        assert later.recovered_history("bytebot", SHOP, check_mode=False)[0].status == "failed"
    assert cluster.leases() == []


def test_nothing_is_recovered_where_leases_may_not_be_used() -> None:
    cluster = left_pending(5000)

    def refuses(_wanted: Object) -> None:
        raise NotPermitted("Not permitted to POST leases.")

    cluster.before_writing = refuses
    doing = work(cluster)
    with (
        doing.alone("bytebot", SHOP, "test", check_mode=False),
        pytest.raises(InputError, match=r"this account may not use Leases .*, so nobody can tell"),
    ):
        doing.recovered_history("bytebot", SHOP, check_mode=False)
    assert doing.facts()["lease"]["held"] is False
