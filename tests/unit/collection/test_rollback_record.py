# What rollbacks came to is kept beside the release: the pair, the seconds, and whether it ran.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, RolloutFailed
from ansible_collections.bytebot.production.plugins.module_utils.helm import rollback_record
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.modules import helm_rollback

NEW = {"revision": 2, "status": "deployed", "chart_version": "1.1", "app_version": "2", "images": ["r/api:2"]}
OLD = {"revision": 1, "status": "superseded", "chart_version": "1.0", "app_version": "1", "images": ["r/api:1"]}


class Store:
    """A cluster that keeps one object."""

    def __init__(self) -> None:
        self.body: dict[str, Any] | None = None

    def get(self, *_given: Any) -> dict[str, Any] | None:
        return self.body

    def apply(self, body: dict[str, Any], *, manager: str) -> None:
        self.body = {**body, "by": manager}


def test_records_are_kept_the_newest_last_and_not_without_end() -> None:
    store: Any = Store()
    for at in range(rollback_record.MOST + 5):
        rollback_record.add(store, "shop", Rollback("bytebot", float(at), 12.5, True, Side.of(NEW), Side.of(OLD)))
    kept = rollback_record.read(store, "shop")
    assert (len(kept), kept[-1].at) == (rollback_record.MOST, rollback_record.MOST + 4.0)
    assert kept[-1].left == Side(2, "1.1", "2", ("r/api:2",))


@pytest.mark.parametrize("text", ["{", '{"a": 1}', '[1, {}, {"release": "x", "at": "soon"}]'])
def test_what_cannot_be_read_proves_nothing(text: str) -> None:
    store: Any = Store()
    store.body = {"data": {rollback_record.KEY: text}}
    assert rollback_record.read(store, "shop") == ()


def test_a_pair_is_known_by_versions_and_images_not_by_numbers() -> None:
    assert Side.of(NEW).same(Side.of({**NEW, "revision": 7}))
    assert not Side.of(NEW).same(Side.of({**NEW, "images": ["r/api:3"]}))


class Rollbacker:
    """A rollback that ends as the test says."""

    ending: Any = None
    pair = (NEW, OLD)

    def __init__(self, *_given: Any) -> None: ...

    def back(self, *_given: Any, check_mode: bool) -> dict[str, Any]:
        if isinstance(self.ending, Exception):
            raise self.ending
        return {"changed": self.ending, "check": check_mode}


@pytest.fixture(name="store")
def _store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(helm_rollback, "Rollbacker", Rollbacker)
    monkeypatch.setattr(helm_rollback, "ReleaseWork", lambda *_, **__: SimpleNamespace(cluster=store))
    for name in ("Cluster", "HelmCli", "find_helm", "target_of", "connection_of"):
        monkeypatch.setattr(helm_rollback, name, lambda *_: SimpleNamespace(api_key=""))
    return store


def rolled_back(monkeypatch: pytest.MonkeyPatch, ending: Any, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    monkeypatch.setattr(Rollbacker, "ending", ending)
    params = {name: one.get("default") for name, one in helm_rollback.ARGUMENTS.items()}
    params |= {"name": "bytebot", "namespace": "shop", "keep_record": True, "reason": "logins\nfail", **given}
    module: Any = SimpleNamespace(params=params, check_mode=check_mode, tmpdir="")
    return helm_rollback.roll_back(module, Redactor())


def test_what_was_rolled_back_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled_back(monkeypatch, ending=True)
    (kept,) = rollback_record.read(store, "shop")  # type: ignore[arg-type]
    assert (kept.passed, kept.reason, kept.left.revision, kept.back_to.revision) == (True, "logins fail", 2, 1)


def test_one_that_failed_is_kept_with_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RolloutFailed):
        rolled_back(monkeypatch, RolloutFailed("Deployment shop/api cannot start."))
    (kept,) = rollback_record.read(store, "shop")  # type: ignore[arg-type]
    assert (kept.passed, kept.why) == (False, "Deployment shop/api cannot start.")


@pytest.mark.parametrize(
    ("ending", "check_mode", "given"),
    [(False, False, {}), (True, True, {}), (True, False, {"wait": False}), (True, False, {"keep_record": False})],
)
def test_nothing_else_is_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, ending: Any, check_mode: bool, given: dict[str, Any]
) -> None:
    rolled_back(monkeypatch, ending, check_mode, **given)
    assert store.body is None


def test_a_record_that_cannot_be_kept_undoes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: Any, **_more: Any) -> None:
        raise NotPermitted("ConfigMaps may not be written.")

    monkeypatch.setattr(store, "apply", refuse)
    assert rolled_back(monkeypatch, ending=True)["changed"] is True
