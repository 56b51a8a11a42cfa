# The admission policies: whom they bind, what they must not hinder, and that each is tried from both sides.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.api import ApiError
from sandbox.catalog import discover
from sandbox.component import Context, Workload
from sandbox.components import admission
from tests.unit.sandbox.test_config_files import ctx, objects  # noqa: F401 - a fixture

Object = dict[str, Any]


@pytest.fixture
def made(ctx: Context) -> list[Object]:  # noqa: F811
    return objects(ctx, discover()["admission"])


def test_only_namespaces_that_carry_the_label_are_judged(made: list[Object], ctx: Context) -> None:  # noqa: F811
    bindings = [one["spec"] for one in made if one["kind"] == "ValidatingAdmissionPolicyBinding"]
    wanted = {"namespaceSelector": {"matchLabels": {admission.LABEL: admission.ENFORCED}}}
    assert [one["matchResources"] for one in bindings] == [wanted] * 3
    labelled = [
        one["metadata"]["name"]
        for component in discover().values()
        for one in (objects(ctx, component) if isinstance(component, Workload) else [])
        if one["kind"] == "Namespace" and admission.LABEL in (one["metadata"].get("labels") or {})
    ]
    assert labelled == [admission.TRIAL]


def test_each_policy_is_bound_and_tried(made: list[Object], ctx: Context) -> None:  # noqa: F811
    policies = {one["metadata"]["name"] for one in made if one["kind"] == "ValidatingAdmissionPolicy"}
    bound = {one["spec"]["policyName"] for one in made if one["kind"] == "ValidatingAdmissionPolicyBinding"}
    tried = {policy for _, policy in admission.trials(ctx.settings).values()}
    assert policies == bound == tried - {""}
    assert "" in tried


class Judging:
    """Plays the API server, which refuses by the policy that is meant, or as it is told."""

    def __init__(self, ctx: Context, **instead: str) -> None:  # noqa: F811
        self._said = {
            json.dumps(asked): instead.get(name.replace(" ", "_"), policy)
            for name, (asked, policy) in admission.trials(ctx.settings).items()
        }

    def call(self, method: str, path: str, body: str = "") -> str:
        assert (method, path) == ("POST", f"{admission.PODS}?dryRun=All")
        if policy := self._said[body]:
            raise ApiError(422, f"ValidatingAdmissionPolicy '{policy}' with binding 'b' denied request: no")
        return ""


def asked(ctx: Context, cluster: Judging) -> bool:  # noqa: F811
    return admission.answers(Context(ctx.settings, ctx.pki, cluster, None, None, None))  # type: ignore[arg-type]


def test_it_answers_only_where_every_trial_ends_as_it_must(ctx: Context) -> None:  # noqa: F811
    assert asked(ctx, Judging(ctx))
    assert not asked(ctx, Judging(ctx, latest=""))
    assert not asked(ctx, Judging(ctx, latest=admission.NODE))
    assert not asked(ctx, Judging(ctx, as_it_should_be=admission.IMAGES))
