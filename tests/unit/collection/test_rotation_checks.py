# The rotation of Secrets: what is written, how old values are, who runs with them, and what a drill shows.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_rotation, rotation_drill
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import DocumentFacts
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation import SECTIONS, rotation
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import (
    ROTATION,
    Age,
    Drill,
    RotationFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.document_places import place_of
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, NotPermitted, RolloutFailed
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import Scope, observe
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import rotation_check

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
TODAY = datetime.now(UTC).date().isoformat()
GOOD = Drill(NOW.timestamp() - 3600, "keys", True)
TEXT = f"""---
owner: Security Team
reviewed: {TODAY}
interval: P90D
intervals: {{tls: P60D}}
overlap: PT1H
---
# Rotation

## Intervals

Each within ninety days, says this document.

## Steps

Run the playbook and let all follow it.

## Overlap

Both values are taken for one hour.

## When a value has leaked

Rotate it twice in a row at once.
"""


def written(folder: Path, text: str = TEXT) -> DocumentFacts:
    (folder / "rotation.md").write_text(text)

    def refuse(url: str) -> Any:
        raise AssertionError(url)

    place = place_of(ROTATION, {"where": "rotation.md", "sections": list(SECTIONS)}, 90)
    return observe(Documents(str(folder), refuse), Scope({ROTATION: place}), None, None)


def days(count: float) -> datetime:
    return NOW - timedelta(days=count)


AGES = (Age("db", {"password": days(80)}, True), Age("tls", {"tls.key": days(50)}, True))


@pytest.fixture(name="facts")
def _facts(tmp_path: Path) -> RotationFacts:
    return RotationFacts("shop", written(tmp_path), AGES, drills=(GOOD,), now=NOW)


@pytest.mark.parametrize(
    ("changes", "state", "told"),
    [
        ({}, "pass", "each of the 2 Secrets is younger than its interval"),
        ({}, "pass", "a token of before is refused, be it by its key or its session"),
        ({"drills": (replace(GOOD, by_key=True),)}, "pass", "the key of before is refused"),
        ({"document": None}, "pending", "Needs input document"),
        ({"ages": ()}, "pending", "no Secret of the release is known"),
        ({"denied": {"db": "Not permitted."}}, "pending", "Secret db may not be read (Not permitted)"),
        ({"unreleased": "Secrets may not be listed"}, "pending", "which Secrets the release uses is not known"),
        ({"absent": ("db",)}, "pending", "Secret db is not there"),
        ({"ages": (Age("db", {"password": days(91)}, True),)}, "fail", "password of Secret db is 91 days old, and"),
        ({"ages": (Age("db", {"password": days(91)}),)}, "fail", "is 91 days old at most, and"),
        ({"ages": (Age("tls", {"tls.key": days(61)}, True),)}, "fail", "to be rotated after 60 days"),
        ({"ages": (Age("db", {"password": days(0.01)}, True, ("password",)),)}, "pass", "younger"),
        ({"ages": (Age("db", {"password": days(1)}, True, ("password",)),)}, "fail", "still has password.previous"),
        ({"behind": ("Deployment shop/api runs with an older value than Secret db has",)}, "fail", "an older value"),
        ({"unseen": "who reads them is not known"}, "pending", "who reads them is not known"),
        ({"undated": ("when db changed last is not recorded",)}, "pending", "when db changed last is not recorded"),
        ({"drills": ()}, "pending", "none has been watched, and none was made"),
        ({"drills": (), "no_drill": "drills are not permitted here"}, "pending", "drills are not permitted here"),
        ({"drills": (replace(GOOD, at=days(31).timestamp()),)}, "pending", "that was watched is of 2026-10-30"),
        ({"drills": (replace(GOOD, at=NOW.timestamp() + 86400),)}, "pending", "none has been watched"),
        ({"drills": (GOOD, replace(GOOD, at=NOW.timestamp(), passed=False, why="old taken"))}, "fail", "old taken"),
        ({"drills": (GOOD, replace(GOOD, at=NOW.timestamp(), passed=False, unclear=True, why="its token ran out"))},
         "pending", "the drill of 2026-11-30 with Secret keys proved nothing: its token ran out"),
        ({"drills": (replace(GOOD, at=GOOD.at - 9, passed=False, unclear=True), GOOD)}, "pass", "showed"),
        ({"unclear": True, "no_drill": "neither taken nor refused"}, "pending", "in this run, and neither taken nor"),
        ({"drills": (replace(GOOD, passed=False, at=GOOD.at - 60), GOOD)}, "pass", "the drill of 2026-11-30 showed"),
        ({"longest": timedelta(days=30)}, "fail", "it says 90 days for interval, and at most 30 days are wanted"),
    ],
)  # fmt: skip
def test_judged(facts: RotationFacts, changes: Mapping[str, Any], state: str, told: str) -> None:
    verdict = rotation(replace(facts, **changes))
    assert (verdict.state, told in verdict.summary) == (state, True), verdict.summary
    assert bool(verdict.remedy) == (state != "pass")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("interval: P90D\nintervals: {tls: P60D}\n", "", "it says no interval"),
        ("interval: P90D\n", "", "it says no interval for Secret db"),
        ("interval: P90D", "interval: often", "interval is not a span of time such as P90D"),
        ("intervals: {tls: P60D}", "intervals: P60D", "its intervals are no mapping"),
        ("## When a value has leaked\n\nRotate it twice in a row at once.\n", "", "no section on leak"),
        ("owner: Security Team\n", "", "it names no owner"),
    ],
)
def test_what_is_written_badly_is_red(facts: RotationFacts, tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in TEXT
    verdict = rotation(replace(facts, document=written(tmp_path, TEXT.replace(old, new))))
    assert (verdict.state, told in verdict.summary) == ("fail", True), verdict.summary


def test_wider_thresholds_are_told(facts: RotationFacts) -> None:
    wide = replace(facts, longest=timedelta(days=400), drill_age=timedelta(days=60))
    assert rotation(wide).weaker == (
        "rotation within 400 days wanted, usual: 365 days", "a drill of at most 60 days ago wanted, usual: 30"
    )  # fmt: skip


# ---------------------------------------------------------------------------- ages and who follows


def secret(name: str, keys: tuple[str, ...], recorded: Mapping[str, str] | None = None) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    if recorded:
        meta["annotations"] = {"bytebot.production/made-at": json.dumps(recorded)}
    return {"metadata": meta, "type": "Opaque", "data": dict.fromkeys(keys, "eA==")}


def test_ages_are_those_of_secret_values_alone() -> None:
    keys = ("host", "username", "password", "password.previous", "access-token-private-key", "access-token-public-key")
    age = observe_rotation.age_of(secret("db", keys, {"password": "2026-11-01T00:00:00Z"}))
    assert set(age.made) == {"password", "access-token-private-key"}
    assert (age.made["password"].month, age.made["access-token-private-key"].month) == (11, 1)
    assert age.before == ("password",)
    assert observe_rotation.ages_of([secret("hosts", ("host",))]) == ()


@pytest.mark.parametrize(
    ("told", "why"),
    [(((), False, "It may not be read."), "It may not be read"), (((), False, ""), "release bytebot is not deployed"),
     (((), True, ""), "")],
)  # fmt: skip
def test_a_release_that_cannot_be_seen_is_said(monkeypatch: pytest.MonkeyPatch, told: Any, why: str) -> None:
    monkeypatch.setattr(observe_rotation, "released_objects", lambda *_: told)
    monkeypatch.setattr(observe_rotation, "read_secrets", lambda *_: ([secret("db", ("password",))], [], {}))
    nothing: Any = None
    assert observe_rotation.secrets_of(nothing, "shop", "bytebot", ["db"])[3] == why


def test_who_cannot_be_listed_is_not_taken_for_nobody() -> None:
    class Denied:
        def list(self, *_given: Any) -> list[Any]:
            raise NotPermitted("Deployments may not be listed.")

    found = observe_rotation.behind(Denied(), "shop", [])  # type: ignore[arg-type]
    assert (found.late, found.unseen) == ((), "who reads them is not known (Deployments may not be listed)")


WORKLOAD: dict[str, Any] = {
    "kind": "StatefulSet", "metadata": {"name": "api", "namespace": "shop", "uid": "u"},
    "spec": {"template": {"spec": {"containers": [{"env": [
        {"valueFrom": {"secretKeyRef": {"name": "db", "key": key}}} for key in ("host", "password")]}]}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("recorded", "written", "began", "late", "undated"),
    [
        ({"password": "2026-11-02T00:00:00Z"}, "2026-11-05T00:00:00Z", "2026-11-03T00:00:00Z", 0, 0),
        ({"password": "2026-11-02T00:00:00Z"}, "2026-11-05T00:00:00Z", "2026-11-01T00:00:00Z", 1, 0),
        ({}, "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", 0, 0),  # whatever has changed, it began after it
        ({}, "2026-11-02T00:00:00Z", "2026-11-01T00:00:00Z", 0, 1),
        ({}, "", "2026-11-01T00:00:00Z", 0, 1),
        ({}, "", "", 0, 0),  # nothing runs
    ],
)
def test_who_may_run_with_an_older_value_is_said_where_no_time_is_recorded(
    recorded: Mapping[str, str], written: str, began: str, late: int, undated: int
) -> None:
    one = secret("db", ("host", "password"), recorded)
    one["metadata"]["managedFields"] = [
        {"manager": "ours", "fieldsV1": {"f:data": {}}, "time": written},
        {"manager": "theirs", "fieldsV1": {"f:metadata": {}}, "time": "2026-11-29T00:00:00Z"},
    ] if written else []  # fmt: skip
    pods = [{"metadata": {"ownerReferences": [{"uid": "u", "controller": True}], "creationTimestamp": began}}]

    class Objects:
        def list(self, _version: str, kind: str, _namespace: str) -> list[Any]:
            return {"StatefulSet": [WORKLOAD], "Pod": pods if began else []}.get(kind, [])

    found = observe_rotation.behind(Objects(), "shop", [one])  # type: ignore[arg-type]
    assert (len(found.late), len(found.undated), found.unseen) == (late, undated, "")
    assert not undated or found.undated == (
        "whether StatefulSet shop/api runs with the value of password in Secret db is not known, since nothing records "
        "when that was made",
    )


# ---------------------------------------------------------------------------- the drill


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An application that takes the tokens in ``takes``; the rotation changes that to ``then``."""
    world = SimpleNamespace(takes={"one"}, then={"two"}, tokens=["one", "two"], status=401, followers=[], fails=None,
                            denied=False)  # fmt: skip

    class Keeper:
        now = NOW

        def __init__(self, *_given: Any) -> None: ...

        def brought(self, *, with_diff: bool) -> tuple[dict[str, Any], Any]:
            assert not with_diff
            if world.denied:
                raise NotPermitted("Secrets may not be patched.")
            world.takes = world.then
            return {"rotated": ["access"]}, Changed()

    @dataclass
    class Changed:
        remade: bool = False

    class Restarter:
        def __init__(self, *_given: Any) -> None: ...

        def follow(self, changed: Any) -> dict[str, Any]:
            assert changed.remade  # who mounts the keys is restarted, too
            if world.fails:
                raise world.fails
            return {"followers": world.followers}

    def get(_path: str, headers: Mapping[str, str]) -> SimpleNamespace:
        taken = headers["Authorization"].removeprefix("Bearer ") in world.takes
        return SimpleNamespace(status=200 if taken else world.status)

    monkeypatch.setattr(rotation_drill, "Keeper", Keeper)
    monkeypatch.setattr(rotation_drill, "Restarter", Restarter)
    monkeypatch.setattr(rotation_drill, "token_of", lambda *_: SimpleNamespace(token=world.tokens.pop(0), problem="no"))
    monkeypatch.setattr(rotation_drill, "WITHIN_S", 0.0)
    monkeypatch.setattr(rotation_drill, "POLL_S", 0.0)
    spec = SimpleNamespace(name="keys", namespace="shop", replace=frozenset({"access"}))
    login = SimpleNamespace(http=SimpleNamespace(get=get))
    world.plan = rotation_drill.Plan(spec, login, "/tasks", None)  # type: ignore[arg-type]
    yield world


def drilled(world: SimpleNamespace) -> Drill:
    cluster: Any = SimpleNamespace(get=lambda *_given: None)
    return rotation_drill.drill(cluster, world.plan, Redactor())


def test_a_drill_passes_where_the_old_token_is_refused(world: SimpleNamespace) -> None:
    world.followers = [{"workload": "Deployment shop/api", "action": "restarted"}]
    done = drilled(world)
    assert (done.passed, done.why) == (True, "")
    assert done.steps[-2] == "a new token is answered by 200, one of before by 401"
    assert "not told apart" in done.steps[-1]
    assert not done.by_key


def test_an_application_that_keeps_the_old_key_is_red(world: SimpleNamespace) -> None:
    world.then = {"one", "two"}
    world.followers = [{"workload": "Deployment shop/api", "action": "paused"}]
    done = drilled(world)
    assert not done.passed
    assert done.why == "a token that the old key signed is still taken (200), and Deployment shop/api did not follow"


def test_an_application_that_takes_no_new_token_is_red(world: SimpleNamespace) -> None:
    world.then = set()
    assert drilled(world).why == "a token that the new key signed is not taken (401)"


def test_a_roll_out_that_fails_is_red(world: SimpleNamespace) -> None:
    world.fails = RolloutFailed("Deployment shop/api does not start.")
    assert drilled(world).why == "Deployment shop/api does not start"


def test_answers_that_prove_nothing_are_no_result(world: SimpleNamespace) -> None:
    world.status = 503
    with pytest.raises(rotation_drill.Unclear, match="neither taken nor refused"):
        drilled(world)


def web_token(name: str, **claims: Any) -> str:
    return f"{name}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signed"


@pytest.mark.parametrize(("left", "proves"), [(-1, False), (3600, True)])
def test_a_token_that_ran_out_meanwhile_proves_nothing(world: SimpleNamespace, left: int, proves: bool) -> None:
    old = web_token("one", exp=int(datetime.now(UTC).timestamp()) + left)
    world.tokens, world.takes = [old, "two"], {old}
    if proves:
        assert drilled(world).passed
    else:
        with pytest.raises(rotation_drill.Unclear, match="ran out during the drill"):
            drilled(world)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.bm8.c", web_token("a"), web_token("a", exp="soon"),
                                   web_token("a", exp=float("nan"))])  # fmt: skip
def test_what_says_no_end_has_none(token: str) -> None:
    assert rotation_drill.runs_out(token) is None


@pytest.mark.parametrize("change", [{"takes": set()}, {"tokens": [""]}, {"denied": True}])
def test_nothing_is_rotated_that_could_not_be_seen(world: SimpleNamespace, change: Mapping[str, Any]) -> None:
    vars(world).update(change)
    with pytest.raises(rotation_drill.NotPossible):
        drilled(world)
    assert world.takes in (set(), {"one"})


def test_the_record_is_read_as_far_as_it_can_be() -> None:
    kept: dict[str, Any] = {}

    class Store:
        def get(self, *_given: Any) -> dict[str, Any] | None:
            return kept.get("body")

        def apply(self, body: dict[str, Any], *, manager: str, dry_run: bool) -> None:
            if not dry_run:
                kept["body"] = {**body, "by": manager}

    store: Any = Store()
    rotation_drill.keep(store, "shop", (GOOD,), dry_run=True)
    assert rotation_drill.read(store, "shop") == ()
    rotation_drill.keep(store, "shop", (GOOD,) * 30)
    assert len(rotation_drill.read(store, "shop")) == rotation_drill.MOST
    unclear = replace(GOOD, passed=False, why="it ran out", unclear=True)
    drills = (GOOD, replace(GOOD, by_key=True), unclear)
    rotation_drill.keep(store, "shop", drills)
    assert rotation_drill.read(store, "shop") == drills
    for data, count in (
        ("{", 0),
        ('{"a": 1}', 0),
        ('[1, {"at": "x"}, {"at": 1, "secret": "s", "passed": "yes"}]', 1),
        ('[{"at": NaN, "secret": "s", "passed": true}, {"at": 1e300, "secret": "s", "passed": true}]', 0),
    ):
        kept["body"]["data"]["records"] = data
        read = rotation_drill.read(store, "shop")
        assert (len(read), any(one.passed for one in read)) == (count, False)


# ---------------------------------------------------------------------------- when one is made

PARAMS: dict[str, Any] = {
    "permitted": True, "drill_age": 30, "drill": {"name": "keys", "key_pairs": [], "labels": {}}, "login": {},
    "namespace": "shop",
}  # fmt: skip


@pytest.mark.parametrize(
    ("params", "check_mode", "drills", "told"),
    [
        ({}, False, (replace(GOOD, at=datetime.now(UTC).timestamp()),), ""),
        ({"permitted": False}, False, (), "drills are not permitted here"),
        ({}, True, (), "check mode makes none"),
        ({"drill": None}, False, (), "drill is not given"),
        ({}, False, (), "login is not given"),
    ],
)
def test_a_drill_is_made_only_where_it_may(
    params: Mapping[str, Any], check_mode: bool, drills: tuple[Drill, ...], told: str
) -> None:
    module: Any = SimpleNamespace(params={**PARAMS, **params}, check_mode=check_mode)
    nothing: Any = None
    facts, changed = rotation_check._drilled(module, nothing, Redactor(), RotationFacts("shop", drills=drills))
    assert (facts.no_drill, changed) == (told, False)


@pytest.mark.parametrize("kind", [rotation_drill.Unclear, rotation_drill.NotPossible])
def test_a_drill_that_proved_nothing_leaves_no_green_of_before(
    facts: RotationFacts, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fails(*_given: Any) -> Drill:
        raise kind("the way in is shut.")

    kept: list[tuple[Drill, ...]] = [facts.drills]
    written: list[tuple[Drill, ...]] = []

    def keep(_cluster: Any, _namespace: str, drills: tuple[Drill, ...], *, dry_run: bool = False) -> None:
        if not dry_run:
            written.append(drills)

    monkeypatch.setattr(rotation_drill, "drill", fails)
    monkeypatch.setattr(rotation_drill, "keep", keep)
    monkeypatch.setattr(rotation_check, "_plan", lambda _given: SimpleNamespace(spec=SimpleNamespace(name="keys")))
    module: Any = SimpleNamespace(params={**PARAMS, "drill_age": 0, "login": {"base_url": "x"}}, check_mode=False)
    nothing: Any = None
    seen, changed = rotation_check._drilled(module, nothing, Redactor(), facts)
    assert changed == (kind is rotation_drill.Unclear) == bool(written)
    assert rotation(seen).state == "pending"
    kept += written
    # What has rotated is kept, so that the next run does not go by the good one of before.
    last = kept[-1][-1]
    assert (last.unclear, last.passed) == (changed, not changed)
    assert not changed or (last.secret, last.why) == ("keys", "the way in is shut")
    drills = (*kept[-1][:-1], replace(last, at=NOW.timestamp()))
    later = replace(seen, drills=drills, unclear=False, no_drill="", no_drill_remedy="")
    assert rotation(later).state == ("pending" if changed else "pass")


@pytest.mark.parametrize("minutes", [1, 30])
def test_a_drill_that_takes_long_is_not_one_that_is_to_come(
    facts: RotationFacts, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    """Who reads the keys may take its time to restart, and what it came to counts all the same."""
    made = replace(GOOD, at=(NOW + timedelta(minutes=minutes)).timestamp(), passed=False, why="the old key is taken")
    monkeypatch.setattr(rotation_drill, "drill", lambda *_given: made)
    monkeypatch.setattr(rotation_drill, "keep", lambda *_given, **_how: None)
    monkeypatch.setattr(rotation_check, "_plan", lambda _given: None)
    module: Any = SimpleNamespace(params={**PARAMS, "drill_age": 0, "login": {"base_url": "x"}}, check_mode=False)
    nothing: Any = None
    seen, changed = rotation_check._drilled(module, nothing, Redactor(), facts)
    assert (changed, seen.last) == (True, made)
    assert rotation(seen).state == "fail"


def test_nobody_is_signed_out_for_a_drill_that_could_not_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_given: Any, **_how: Any) -> None:
        raise NotPermitted("ConfigMaps may not be patched.")

    monkeypatch.setattr(rotation_drill, "keep", denied)
    monkeypatch.setattr(rotation_drill, "drill", lambda *_: pytest.fail("it was rotated"))
    monkeypatch.setattr(rotation_check, "_plan", lambda _given: None)
    module: Any = SimpleNamespace(params={**PARAMS, "login": {"base_url": "x"}}, check_mode=False)
    nothing: Any = None
    facts, changed = rotation_check._drilled(module, nothing, Redactor(), RotationFacts("shop"))
    assert (facts.no_drill, changed) == (
        "what it comes to could not be kept (ConfigMaps may not be patched)", False
    )  # fmt: skip


def test_a_drill_without_pairs_is_refused() -> None:
    with pytest.raises(InputError, match="There is nothing to keep in the Secret"):
        rotation_check._spec(PARAMS)
    pair = {"private_key": "a", "public_key": ""}
    with pytest.raises(InputError, match="each needs private_key and public_key"):
        rotation_check._spec({**PARAMS, "drill": {"name": "keys", "labels": {}, "key_pairs": [pair]}})
    pair["public_key"] = "b"
    spec = rotation_check._spec({**PARAMS, "drill": {"name": "keys", "labels": {}, "key_pairs": [pair]}})
    assert spec.replace == {"a"}
