# Which components a profile has, and how it is chosen and remembered.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sandbox import catalog, cli
from sandbox.component import only_full
from sandbox.settings import FULL, PROFILE, SMALL, Settings, load

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
