# Which components a profile has, and how it is chosen and remembered.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import catalog, cli, lifecycle, starting
from sandbox.api import ApiError
from sandbox.build.images import ImageStore
from sandbox.cluster import Cluster
from sandbox.component import Context, Workload, only_full
from sandbox.errors import SandboxError
from sandbox.pki import Pki
from sandbox.progress import Progress
from sandbox.settings import FULL, PROFILE, SMALL, Settings, load
from sandbox.supervisor import Supervisor

ALWAYS = {"etcd", "kube-apiserver", "kubelet", "postgres", "redis", "traefik", "reference-images", "metrics-server"}


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file of the last profile, in a state folder of this test."""
    monkeypatch.setenv("SANDBOX_DIR", str(tmp_path))
    monkeypatch.delenv(PROFILE, raising=False)
    return load().profile_file


@pytest.mark.parametrize(
    ("told", "last", "taken"),
    [
        (None, None, SMALL),
        (None, FULL, FULL),
        (None, "odd", SMALL),
        (SMALL, FULL, SMALL),
        (FULL, SMALL, FULL),
        (FULL, None, FULL),
    ],
)
def test_the_environment_wins_over_what_was_last(
    remembered: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, last: str | None, taken: str
) -> None:
    if told:
        monkeypatch.setenv(PROFILE, told)
    if last:
        remembered.write_text(f"{last}\n")
    assert load().profile == taken


def test_a_profile_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv(PROFILE, "huge")
    assert cli.main(["status"]) == cli.PREFLIGHT
    assert f"{PROFILE} is 'huge': set it to small or full" in capsys.readouterr().err


def test_reset_forgets_the_profile(settings: Settings) -> None:
    assert settings.profile_file not in settings.kept_by_reset


def test_each_profile_stands_by_itself(settings: Settings) -> None:
    """No component of a profile needs one that it does not have."""
    found = catalog.discover()
    for profile in (SMALL, FULL):
        chosen = catalog.wanted(found, dataclasses.replace(settings, profile=profile))
        assert set(chosen) >= ALWAYS
        catalog.sequence({name: one.needs for name, one in chosen.items()})


def test_what_is_only_full_is_not_in_small(settings: Settings) -> None:
    assert only_full(dataclasses.replace(settings, profile=FULL))
    assert not only_full(dataclasses.replace(settings, profile=SMALL))


# ------------------------------------------------------------------ from full to small

RESOURCES = {"resources": [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True}]}


class Recorded(Cluster):
    """A cluster that notes what it is asked, and refuses as it is told."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, Pki(settings.pki))
        self.asked: list[tuple[str, str]] = []
        self.refuses: dict[str, int] = {}

    def call(self, method: str, path: str, body: str = "", content_type: str = "application/json") -> str:
        if method == "GET":
            return json.dumps(RESOURCES)
        name = path.split("?", maxsplit=1)[0].rsplit("/", 1)[-1]
        self.asked.append((method, name))
        if name in self.refuses:
            raise ApiError(self.refuses[name], "no")
        return "{}"


@pytest.fixture
def ctx(settings: Settings) -> Context:
    settings.run.mkdir(parents=True)
    (settings.run / "started").write_text("0")
    cluster = Recorded(settings)
    return Context(settings, Pki(settings.pki), cluster, Supervisor(settings), ImageStore(settings), Progress())


def started(ctx: Context, folder: Path, name: str) -> Any:
    """A workload of two ConfigMaps, started; its cluster."""
    (folder / name).mkdir()
    objects = [
        f"{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}-{end}, namespace: x}}}}" for end in ("a", "b")
    ]
    (folder / name / "objects.yaml.j2").write_text("\n---\n".join(objects))
    starting.start(ctx, Workload(name=name, folder=folder / name))
    return ctx.cluster


def test_what_a_sandbox_no_longer_has_goes_from_the_cluster_the_last_first(ctx: Context, tmp_path: Path) -> None:
    started(ctx, tmp_path, "kept")
    cluster = started(ctx, tmp_path, "gone")
    assert starting.take_out(ctx, {"kept", "gone"}) == []
    cluster.asked.clear()
    cluster.refuses = {"gone-b": 404}
    assert starting.take_out(ctx, {"kept"}) == ["gone"]
    assert cluster.asked == [("DELETE", "gone-b"), ("DELETE", "gone-a")]
    assert starting.take_out(ctx, {"kept"}) == []


def test_what_the_api_server_refuses_to_delete_is_told_and_tried_again(ctx: Context, tmp_path: Path) -> None:
    cluster = started(ctx, tmp_path, "gone")
    cluster.refuses = {"gone-a": 403}
    with pytest.raises(SandboxError, match="did not delete ConfigMap gone-a"):
        starting.take_out(ctx, set())
    cluster.refuses = {}
    assert starting.take_out(ctx, set()) == ["gone"]


# ------------------------------------------------------------------ how long each took


def test_what_is_told_is_the_first_start_since_the_sandbox_came_up(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    box = lifecycle.Sandbox(settings, Progress())
    assert box.first_starts() == {}
    box._remember({"etcd": 2.0}, anew=True)
    box._remember({"etcd": 0.1, "prometheus": 9.0}, anew=False)
    assert box.first_starts() == {"etcd": 2.0, "prometheus": 9.0}
    box._remember({"etcd": 3.0}, anew=True)
    assert box.first_starts() == {"etcd": 3.0}
