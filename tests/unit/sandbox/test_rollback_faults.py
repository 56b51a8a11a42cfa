# What faults in the record of rollbacks plant, read by the module's own reader: it turns the control red, and why.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_records
from ansible_collections.bytebot.production.plugins.module_utils.checks.release_records import CHECKS, ROLLBACK
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict
from sandbox.faults import FAULTS, rollbacks
from tests.unit.collection.helm_fakes import SHOP, HeldCluster, deployment, rendered, stored

FAILED, OTHER_PAIR = "rollback_drill_failed", "rollback_drill_other_pair"
Object = dict[str, Any]


def revision(number: int, version: str, status: str) -> Object:
    api = deployment()
    api["spec"]["template"] = {"spec": {"containers": [{"name": "api", "image": f"registry/api:{version}"}]}}
    chart = {"metadata": {"name": "bytebot", "version": version, "appVersion": version}}
    return stored(rendered(api, revision=number, status=status, chart=chart))


ONCE = (revision(1, "1.0.0", "deployed"),)
TWICE = (revision(1, "1.0.0", "superseded"), revision(2, "1.0.0", "superseded"), revision(3, "1.1.0", "deployed"))


@pytest.fixture(name="judged")
def _judged(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, tuple[Object, ...]], Verdict]:
    """What the control comes to with a fault and a history."""
    planted: list[Object] = []

    def placed(_path: str, body: Object) -> Callable[[Any], None]:
        return lambda _hands: planted.append(body)

    def judge(name: str, revisions: tuple[Object, ...]) -> Verdict:
        cluster: Any = HeldCluster(*revisions)
        if name:
            hands: Any = SimpleNamespace(cluster=SimpleNamespace(get=lambda _path: {"items": list(revisions)}))
            FAULTS[name].put(hands)
            body = planted.pop()
            cluster.objects.append({**body, "metadata": {**body["metadata"], "namespace": SHOP}})
        facts = observe_records.observe(cluster, SHOP, "bytebot", stage={}, within_s=7200, rollback_within_s=7200)
        (found,) = CHECKS.judge(facts, [ROLLBACK])
        return found.verdict

    monkeypatch.setattr(rollbacks, "placed", placed)
    return judge


@pytest.mark.parametrize(
    ("name", "revisions", "state", "said"),
    [
        ("", ONCE, "pending", "No rollback of this release is recorded, and helm's record holds no version before"),
        ("", TWICE, "pending", "No rollback of this release is recorded."),
        (FAILED, ONCE, "fail", "from 1.0.0 (chart 1.0.0) to 0.9.0 (chart 0.9.0) did not pass"),
        (FAILED, TWICE, "fail", "from 1.1.0 (chart 1.1.0) to 1.0.0 (chart 1.0.0) did not pass"),
        (OTHER_PAIR, ONCE, "fail", "another pair of versions, from 0.9.0"),
        (OTHER_PAIR, TWICE, "fail", "what runs is 1.1.0 (chart 1.1.0), and 1.0.0 (chart 1.0.0) before it"),
    ],
)
def test_what_is_planted_turns_it_red(
    judged: Callable[[str, tuple[Object, ...]], Verdict],
    name: str,
    revisions: tuple[Object, ...],
    state: str,
    said: str,
) -> None:
    found = judged(name, revisions)
    assert (found.state, said in found.summary) == (state, True), found.summary
