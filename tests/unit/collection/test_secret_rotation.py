# Rotation by age and on demand: when a value is due, how long the one before stays, and that it then goes.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import MADE_AT, Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.plan import plan
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import (
    Clock,
    Rotation,
    span,
    stamp,
    told,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import parse
from tests.unit.collection.fakes import FakeCluster

BORN = datetime(2026, 1, 1, tzinfo=UTC)  # when the fake makes everything
ROTATE = {"max_age": "P90D", "overlap": "PT1H"}
PASSWORD = {"password": {"random": {}, "rotate": ROTATE}}
PAIR = {"algorithm": "ed25519", "private_key": "key", "public_key": "pub", "rotate": ROTATE}


def keeper(cluster: FakeCluster, now: datetime, *, check: bool = False, **options: Any) -> Keeper:
    base = {"namespace": "default", "name": "app", "type": "Opaque", "state": "present"}
    return Keeper(cluster, Redactor(), parse({**base, **options}), check, now)


def keep(cluster: FakeCluster, now: datetime, **how: Any) -> dict[str, Any]:
    one = keeper(cluster, now, **how)
    return one.redactor.data(one.present(with_diff=True))


def after(**length: float) -> datetime:
    return BORN + timedelta(**length)


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["action"] for item in result["keys"]}


# ---------------------------------------------------------------------- the life of a password


def test_the_life_of_a_password() -> None:
    cluster = FakeCluster()
    made = keep(cluster, BORN, data=PASSWORD)
    first = cluster.values("app")["password"]
    assert (made["rotated"], made["retired"]) == ([], [])
    assert made["due"] == [{"key": "password", "at": stamp(after(days=90)), "action": "rotate"}]

    assert not keep(cluster, after(days=89, hours=23), data=PASSWORD)["changed"]
    foretold = keep(cluster, after(days=90), check=True, data=PASSWORD)
    assert cluster.values("app") == {"password": first}
    turned = keep(cluster, after(days=90), data=PASSWORD)
    for told_ in (foretold, turned):
        assert actions(told_) == {"password": "made", "password.previous": "made"}
        assert told_["keys"][0]["reason"] == "it is 90 days old, and may be 90 days"
        assert (told_["rotated"], told_["retired"], told_["changed"]) == (["password"], [], True)
    assert (
        turned["due"]
        == foretold["due"]
        == [
            {"key": "password.previous", "at": stamp(after(days=90, hours=1)), "action": "retire"},
            {"key": "password", "at": stamp(after(days=180)), "action": "rotate"},
        ]
    )
    second = cluster.values("app")["password"]
    assert cluster.values("app")["password.previous"] == first != second

    during = keep(cluster, after(days=90, minutes=59), data=PASSWORD)
    assert not during["changed"]
    assert actions(during) == {"password": "kept", "password.previous": "kept"}
    foretold = keep(cluster, after(days=90, hours=1), check=True, data=PASSWORD)
    assert "password.previous" in cluster.values("app")
    over = keep(cluster, after(days=90, hours=1), data=PASSWORD)
    for told_ in (foretold, over):
        assert (told_["rotated"], told_["retired"], told_["changed"]) == ([], ["password.previous"], True)
    assert cluster.values("app") == {"password": second}
    assert not keep(cluster, after(days=90, hours=2), data=PASSWORD)["changed"]
    for value in (first, second):
        for form in (value.decode(), b64encode(value).decode()):
            assert form not in json.dumps([made, turned, during, over])


def test_the_record_tells_when_each_key_got_its_value() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, data=PASSWORD)
    keep(cluster, after(days=91), data=PASSWORD)
    record = json.loads(cluster.live("Secret", "app", "default")["metadata"]["annotations"][MADE_AT])
    assert record == {"password": stamp(after(days=91)), "password.previous": stamp(after(days=91))}


def test_a_pair_keeps_the_public_key_before_and_never_the_private_one() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, key_pairs=[PAIR])
    first = cluster.values("app")
    turned = keep(cluster, after(days=100), key_pairs=[PAIR])
    values = cluster.values("app")
    assert turned["rotated"] == ["key", "pub"]
    assert set(values) == {"key", "pub", "pub.previous"}
    assert values["pub.previous"] == first["pub"]
    assert generate.matches(generate.load_private(values["key"]), values["pub"])
    assert first["key"] not in values.values()


def test_on_demand_without_an_overlap_nothing_stays() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, data={"password": {"random": {}}})
    turned = keep(cluster, after(days=1), data={"password": {"random": {}}}, replace=["password"])
    assert (turned["rotated"], turned["due"]) == (["password"], [])
    assert set(cluster.values("app")) == {"password"}


def test_a_second_rotation_within_the_overlap_ends_the_older_value_now() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, data=PASSWORD)
    first = cluster.values("app")["password"]
    keep(cluster, after(minutes=1), data=PASSWORD, replace=["password"])
    second = cluster.values("app")["password"]
    again = keep(cluster, after(minutes=2), data=PASSWORD, replace=["password"])
    assert again["retired"] == ["password.previous"]
    assert cluster.values("app")["password.previous"] == second
    assert first not in cluster.values("app").values()
    assert again["due"][0] == {"key": "password.previous", "at": stamp(after(hours=1, minutes=2)), "action": "retire"}


def test_a_value_before_goes_when_rotation_is_no_longer_asked_for_and_pruning_does_not_end_it_early() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, data=PASSWORD)
    keep(cluster, after(minutes=1), data=PASSWORD, replace=["password"])
    assert not keep(cluster, after(minutes=2), data=PASSWORD, prune=True)["changed"]
    ended = keep(cluster, after(minutes=3), data={"password": {"random": {}}})
    assert ended["retired"] == ["password.previous"]
    assert set(cluster.values("app")) == {"password"}


def test_a_value_without_a_record_counts_as_old_as_its_secret() -> None:
    cluster = FakeCluster()
    good = generate.random_text(32, "base64")
    found = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "default", "name": "app"}}
    cluster.put({**found, "stringData": {"password": good}})
    kept = keep(cluster, after(days=89), data=PASSWORD)
    assert actions(kept) == {"password": "kept"}
    assert kept["due"] == [{"key": "password", "at": stamp(after(days=90)), "action": "rotate"}]
    assert actions(keep(cluster, after(days=90), data=PASSWORD))["password"] == "made"


def test_a_value_that_nobody_could_have_used_does_not_stay() -> None:
    cluster = FakeCluster()
    found = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "default", "name": "app"}}
    cluster.put({**found, "stringData": {"password": "$(openssl rand -base64 32)"}})
    keep(cluster, BORN, data=PASSWORD, replace=["password"])
    assert set(cluster.values("app")) == {"password"}


def test_another_ones_key_under_that_name_is_not_overwritten() -> None:
    cluster = FakeCluster()
    keep(cluster, BORN, data=PASSWORD)
    cluster.live("Secret", "app", "default")["data"]["password.previous"] = b64encode(b"by hand").decode()
    assert not keep(cluster, after(days=1), data=PASSWORD)["changed"]
    with pytest.raises(Refused, match=r"Key password.previous of Secret default/app is not of this module"):
        keep(cluster, after(days=90), data=PASSWORD)


def test_what_is_composed_follows_a_rotation() -> None:
    cluster = FakeCluster()
    data = {
        **PASSWORD,
        "url": {"dsn": {"scheme": "redis", "host": "cache", "password": {"key": "password"}}},
        "auth": {"htpasswd": {"users": {"admin": "password"}}},
    }
    keep(cluster, BORN, data=data)
    assert not keep(cluster, after(days=1), data=data)["changed"]
    turned = keep(cluster, after(days=90), data=data)
    assert (actions(turned)["url"], actions(turned)["auth"]) == ("updated", "updated")
    assert not keep(cluster, after(days=90, minutes=1), data=data)["changed"]


# ---------------------------------------------------------------------- for any options and any time


SOURCES = st.fixed_dictionaries(
    {
        "password": st.sampled_from([{"random": {}}, {"random": {}, "rotate": ROTATE}]),
        "host": st.sampled_from([{"value": "x"}]),
    },
    optional={
        "url": st.just({"dsn": {"scheme": "amqp", "host": {"key": "host"}, "password": {"key": "password"}}}),
        "auth": st.just({"htpasswd": {"users": {"admin": "password"}}}),
    },
)


@given(
    SOURCES,
    st.lists(st.sampled_from([PAIR, {**PAIR, "rotate": None}]), max_size=1),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 200 * 24), st.booleans()), min_size=1, max_size=5),
)
@settings(max_examples=25)
def test_after_a_plan_is_applied_nothing_is_left_to_do(
    data: dict[str, Any], pairs: list[dict[str, Any]], issued: bool, runs: list[tuple[int, bool]]
) -> None:
    cluster = FakeCluster()
    certificates = [{"authority": True}, {"dns_names": ["a.example"]}] if issued else []
    options = {"data": data, "key_pairs": pairs, "certificates": certificates}
    for hours, replaced in sorted(runs):
        now = after(hours=hours)
        before = cluster.values("app")
        wanted = {**options, "replace": ["password"] if replaced else []}
        told_ = json.dumps(keeper(cluster, now, **wanted).present(with_diff=True))  # before the redactor
        for value in {*before.values(), *cluster.values("app").values()} - {b"x"}:
            lines = [line for line in value.decode().splitlines() if not line.startswith("---")]
            assert not [form for form in (*lines, b64encode(value).decode()) if form in told_]
        values, cluster.writes = cluster.values("app"), 0
        foretold, again = keep(cluster, now, check=True, **options), keep(cluster, now, **options)
        assert not foretold["changed"] and not again["changed"]
        assert (cluster.values("app"), cluster.writes) == (values, 0)
        assert {item["action"] for item in again["keys"]} == {"kept"}
        assert all(datetime.fromisoformat(item["at"]) > now for item in again["due"])


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("P90D", timedelta(days=90)),
        ("P2W", timedelta(weeks=2)),
        ("PT36H", timedelta(hours=36)),
        ("P1DT12H30M", timedelta(days=1, hours=12, minutes=30)),
        ("PT45S", timedelta(seconds=45)),
    ],
)
def test_spans(written: str, length: timedelta) -> None:
    assert span("here", written) == length


@pytest.mark.parametrize("written", ["", "P", "PT", "P1DT", "90", "90d", "P1M", "P1Y", "P0D", "PT0S", "P-1D", 90, None])
def test_what_is_no_span(written: Any) -> None:
    with pytest.raises(InputError, match="here is not a span of time such as P90D"):
        span("here", written)


@pytest.mark.parametrize(
    ("length", "words"),
    [(timedelta(days=90), "90 days"), (timedelta(hours=36), "36 hours"), (timedelta(seconds=90), "90 seconds")],
)
def test_spans_in_words(length: timedelta, words: str) -> None:
    assert told(length) == words


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"data": {"a": {"random": {}, "rotate": "P90D"}}}, "data.a.rotate does not hold options (max_age, overlap)"),
        ({"data": {"a": {"random": {}, "rotate": {}}}}, "data.a.rotate says neither max_age nor overlap"),
        (
            {"data": {"a": {"random": {}, "rotate": {"max_age": "1 day"}}}},
            "data.a.rotate.max_age is not a span of time",
        ),
        (
            {"data": {"a": {"random": {}, "rotate": {"max_age": "P1D", "overlap": "PT24H"}}}},
            "data.a.rotate.overlap is not shorter than max_age",
        ),
        ({"data": {"a": {"value": "x", "rotate": ROTATE}}}, "data.a has no option rotate"),
        ({"key_pairs": [{**PAIR, "rotate": {"overlap": "soon"}}]}, "key_pairs[0].rotate.overlap is not a span of time"),
        (
            {"data": {**PASSWORD, "password.previous": {"value": "x"}}},
            "The key password.previous is kept for the value that password had before",
        ),
        ({"data": PASSWORD, "immutable": True}, "password cannot be rotated in an immutable Secret"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        parse({"namespace": "trial", "name": "app", "type": "Opaque", "state": "present", **options})
    assert sentence in caught.value.sentence


def test_a_clock_that_knows_nothing_rotates_nothing() -> None:
    base = {"namespace": "trial", "name": "app", "type": "Opaque", "state": "present"}
    live = {"password": generate.random_text(32, "base64").encode()}
    done = plan(parse({**base, "data": PASSWORD}), live, {}, Clock(after(days=1000)))
    assert [str(step.action) for step in done.steps] == ["kept"]
    assert Rotation.parse("x", None).overlap == timedelta()
