# Debian packages are installed without starting their services, whatever happens.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.host import packages
from sandbox.progress import Progress


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", path)
    return path


def test_only_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "".join(f"{name} installed\n" for name in packages.NEEDED[1:]) + f"{packages.NEEDED[0]} config-files\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=said, stderr=""))
    assert packages.missing() == [packages.NEEDED[0]]


@pytest.mark.parametrize("fails", [False, True])
def test_services_stay_off_only_while_installing(fails: bool, policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def run(_: str, command: list[str], **__: object) -> str:
        seen.append((command[1], policy.exists() and "exit 101" in policy.read_text()))
        if fails and command[1] == "install":
            raise SandboxError("packages", "no mirror")
        return ""

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(packages, "missing", lambda _names: ["runc"])
    if fails:
        with pytest.raises(SandboxError):
            packages.ensure(Progress(out=io.StringIO()))
    else:
        packages.ensure(Progress(out=io.StringIO()))
    assert seen == [("update", True), ("install", True)]
    assert not policy.exists()


def test_a_policy_of_the_machines_own_is_kept(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy.write_text("own")
    monkeypatch.setattr(packages, "run", lambda *_, **__: "")
    monkeypatch.setattr(packages, "missing", lambda _names: ["runc"])
    packages.ensure(Progress(out=io.StringIO()))
    assert policy.read_text() == "own"


def test_nothing_missing_nothing_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "missing", lambda _names: [])
    monkeypatch.setattr(packages, "run", lambda *_, **__: pytest.fail("it installed"))
    packages.ensure(Progress(out=io.StringIO()))


def test_other_packages_may_be_wanted(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[list[str]] = []

    def run(_: str, command: list[str], **__: object) -> str:
        installed.append(command)
        return ""

    monkeypatch.setattr(packages, "run", run)
    monkeypatch.setattr(packages, "missing", lambda names: list(names[1:]))
    packages.ensure(Progress(out=io.StringIO()), packages.STORES)
    assert installed[-1][-1:] == ["redis-server"]
    assert "postgresql" not in installed[-1]
    assert not policy.exists()
