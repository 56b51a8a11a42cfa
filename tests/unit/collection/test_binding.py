# What a result holds for: digests, environments, and when a result is stale.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    Binding,
    Environment,
    Facts,
    binding_of,
    catalogue_digest,
    release_digest,
    rfc3339,
    why_stale,
)
from tests.unit.collection.record_fixtures import BINDING, ENVIRONMENT, FACTS, KNOWN, NOW, kept, result


def bound(to: str) -> Control:
    return next(control for control in KNOWN.controls.values() if control.binds_to == to)


def test_the_release_digest_depends_on_each_digest_and_not_on_the_order_of_images() -> None:
    changed = [
        replace(FACTS, chart_digest="x"),
        replace(FACTS, values_digest="x"),
        replace(FACTS, image_digests=("image-1",)),
    ]
    assert len({release_digest(facts) for facts in [FACTS, *changed]}) == 4
    assert release_digest(replace(FACTS, image_digests=("image-2", "image-1", "image-1"))) == release_digest(FACTS)


def test_a_release_that_is_not_known_has_no_digest() -> None:
    assert release_digest(Facts.of(None)) == ""


def test_the_catalogue_digest_depends_on_every_field() -> None:
    first = next(iter(KNOWN.controls))
    changed = replace(KNOWN, controls={**KNOWN.controls, first: replace(KNOWN.controls[first], valid_for="P9D")})
    assert catalogue_digest(changed) != catalogue_digest(KNOWN)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"chart_digest": "a"}, "give all of"),
        ({"chart": "a"}, "chart is unknown"),
        ("a", "'a' is unknown"),
        ({"chart_digest": "a", "values_digest": "b", "image_digests": "c"}, "no list"),
        ({"chart_digest": 1, "values_digest": "b", "image_digests": ["c"]}, "no text"),
    ],
)
def test_wrong_digests_are_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Facts.of(given)


@pytest.mark.parametrize(
    "given",
    [
        None,
        {"name": "shop"},
        {**asdict(ENVIRONMENT), "more": "x"},
        {**asdict(ENVIRONMENT), "kind": " "},
        *({**asdict(ENVIRONMENT), "name": name} for name in ("../shop", "a/b", "lock", "latest", ".x", "")),
    ],
)
def test_wrong_environments_are_refused(given: Any) -> None:
    with pytest.raises(InputError, match="environment: "):
        Environment.of(given)


@pytest.mark.parametrize(
    ("part", "stale"),
    [
        ("release", {"release"}),
        ("environment", {"release", "environment"}),
        ("organization", {"organization"}),
        ("catalogue", {"release", "environment", "organization"}),
    ],
)
def test_a_result_is_stale_by_what_it_binds_to_and_by_nothing_else(part: str, stale: set[str]) -> None:
    current = replace(BINDING, **{part: "another"})
    found = set()
    for to in ("release", "environment", "organization"):
        control = bound(to)
        recorded = kept(result(control.id))[control.id]
        assert why_stale(control, recorded, BINDING, NOW) == ""
        if reason := why_stale(control, recorded, current, NOW):
            assert f"the {part} has changed since" in reason
            found.add(to)
    assert found == stale


def test_a_result_from_before_the_release_was_known_does_not_hold_for_it() -> None:
    control = bound("release")
    before = binding_of(ENVIRONMENT, Facts(), KNOWN)
    recorded = kept(result(control.id), binding=before)[control.id]
    assert why_stale(control, recorded, before, NOW) == ""
    assert "before the release was known" in why_stale(control, recorded, BINDING, NOW)


def test_a_result_is_stale_when_it_is_older_than_it_is_valid() -> None:
    control = bound("environment")
    recorded = kept(result(control.id))[control.id]
    assert why_stale(control, recorded, BINDING, NOW + control.age_limit) == ""
    assert "is valid for" in why_stale(control, recorded, BINDING, NOW + control.age_limit + timedelta(seconds=1))


def test_a_clock_that_is_ahead_prolongs_nothing() -> None:
    control = bound("environment")
    ahead = result(control.id, started=rfc3339(NOW + timedelta(days=999)))
    assert why_stale(control, kept(ahead)[control.id], BINDING, NOW + control.age_limit + timedelta(seconds=1))


@pytest.mark.parametrize("item", ["dashboards", "channels", "backup"])
def test_what_was_judged_for_an_earlier_time_does_not_count_for_a_go_live_that_was_postponed(item: str) -> None:
    control = KNOWN.controls[f"go_live.t_minus_2h.{item}"]
    recorded = kept(result(control.id))[control.id]
    reason = why_stale(control, recorded, BINDING, NOW, NOW + timedelta(seconds=1))
    assert reason == (
        f"it was judged at {rfc3339(NOW)}, and for this go-live counts what is judged since "
        f"{rfc3339(NOW + timedelta(seconds=1))}"
    )
    assert why_stale(control, recorded, BINDING, NOW, NOW) == "", "within the time of its stage"
    assert why_stale(control, recorded, BINDING, NOW, None) == "", "nothing says when it goes live"


def test_what_is_judged_at_any_time_counts_for_a_later_go_live() -> None:
    for id_ in ("go_live.change.rollback_plan", "go_live.change.request", "deployment.execution.pods"):
        recorded = kept(result(id_))[id_]
        assert why_stale(KNOWN.controls[id_], recorded, BINDING, NOW, NOW + timedelta(days=1)) == ""


def test_a_run_goes_on_where_the_release_was_not_known_yet() -> None:
    unknown = replace(BINDING, release="")
    assert BINDING.continues(unknown)
    assert unknown.continues(BINDING)
    for part in ("release", "environment", "organization", "catalogue"):
        assert not BINDING.continues(replace(BINDING, **{part: "another"}))


def test_what_was_judged_before_the_very_chart_and_values_ran_holds() -> None:
    planned = binding_of(ENVIRONMENT, replace(FACTS, image_digests=()), KNOWN)
    assert (planned.release, planned.plan) == ("", BINDING.plan)
    control = bound("release")
    assert why_stale(control, kept(result(control.id), binding=planned)[control.id], BINDING, NOW) == ""
    other = binding_of(ENVIRONMENT, replace(FACTS, values_digest="x", image_digests=()), KNOWN)
    assert "before the release was known" in why_stale(
        control, kept(result(control.id), binding=other)[control.id], BINDING, NOW
    )


def test_a_run_goes_on_under_the_same_plan_only() -> None:
    planned = binding_of(ENVIRONMENT, replace(FACTS, image_digests=()), KNOWN)
    other = binding_of(ENVIRONMENT, replace(FACTS, values_digest="x", image_digests=()), KNOWN)
    assert planned.continues(BINDING)
    assert not other.continues(BINDING)


def test_a_binding_of_before_plans_were_kept_is_read() -> None:
    old = {key: value for key, value in BINDING.to_dict().items() if key != "plan"}
    assert Binding.of(old).plan == ""


def test_images_without_a_chart_are_refused() -> None:
    with pytest.raises(InputError, match="give all of"):
        Facts.of({"image_digests": ["a"]})
