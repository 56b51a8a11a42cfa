# Builds: what go.mod says, when something is built again, and what a killed build leaves.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.build import plan
from sandbox.build.golang import GoModule, GoTool, Kubernetes, kubernetes_go_mod
from sandbox.build.wheels import WheelProgram
from sandbox.progress import Progress
from sandbox.settings import Settings

UPSTREAM = """module k8s.io/kubernetes

require (
\tk8s.io/api v0.0.0
\tk8s.io/other v1.2.3
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/apimachinery => ./staging/src/k8s.io/apimachinery
\tk8s.io/other => example.org/other v1.0.0
)

replace k8s.io/kubelet => ./staging/src/k8s.io/kubelet
"""


@dataclass(frozen=True)
class Fake:
    """Writes its version into its files."""

    version: str
    name: str = "tool"
    produces: tuple[str, ...] = ("tool", "tool-helper")
    uses_go: bool = False
    fails: bool = False

    @property
    def label(self) -> str:
        return f"tool {self.version}"

    def recipe(self) -> str:
        return self.version

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        for file in self.produces:
            (target / file).write_text(self.version)
            if self.fails:
                raise RuntimeError("killed in between")


def run(settings: Settings, build: plan.Build) -> str:
    out = io.StringIO()
    plan.run_builds(settings, Progress(out=out), [build, build])
    return out.getvalue()


def test_the_parts_of_kubernetes_are_named_by_their_published_versions() -> None:
    text = kubernetes_go_mod("1.36.3", ("kubelet", "kubectl"), UPSTREAM)
    assert "require k8s.io/kubernetes v1.36.3" in text
    assert "\tk8s.io/kubernetes/cmd/kubelet\n\tk8s.io/kubernetes/cmd/kubectl\n" in text
    replaces = [line for line in text.splitlines() if line.startswith("replace ")]
    assert replaces == [
        f"replace k8s.io/{part} => k8s.io/{part} v0.36.3" for part in ("api", "apimachinery", "kubelet")
    ]


def test_kubernetes_knows_its_version() -> None:
    flags = Kubernetes("1.36.3").ldflags
    assert "version.gitVersion=v1.36.3 " in flags
    assert flags.endswith("version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36")


def test_built_once_and_then_left_alone(settings: Settings) -> None:
    said = run(settings, Fake("1"))
    assert "building tool 1 (1 of 1) ..." in said
    assert "done in" in said
    assert (settings.bin / "tool-helper").read_text() == "1"
    assert (settings.bin / "tool").stat().st_mode & 0o111
    assert run(settings, Fake("1")) == ""


def test_another_version_is_built_anew(settings: Settings) -> None:
    run(settings, Fake("1"))
    run(settings, Fake("2"))
    assert (settings.bin / "tool").read_text() == "2"


def test_a_missing_file_is_built_anew(settings: Settings) -> None:
    run(settings, Fake("1"))
    (settings.bin / "tool-helper").unlink()
    assert plan.pending(settings, [Fake("1")]) == [Fake("1")]


def test_a_killed_build_changes_nothing_and_resumes(settings: Settings) -> None:
    run(settings, Fake("1"))
    with pytest.raises(RuntimeError):
        run(settings, Fake("2", fails=True))
    assert (settings.bin / "tool").read_text() == "1"
    assert plan.pending(settings, [Fake("2")]) == [Fake("2")]
    run(settings, Fake("2"))
    assert (settings.bin / "tool").read_text() == "2"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (GoTool("x", "example.org/x", "1.0"), GoTool("x", "example.org/x", "1.1")),
        (GoTool("x", "example.org/x", "1.0"), GoTool("x", "example.org/x", "1.0", ldflags="-s")),
        (Kubernetes("1.36.3"), Kubernetes("1.36.4")),
        (WheelProgram("t", "t-bin", "1"), WheelProgram("t", "t-bin", "2")),
    ],
)
def test_stamps_tell_versions_and_flags_apart(one: plan.Build, other: plan.Build) -> None:
    assert plan.stamp(one) != plan.stamp(other)


MODULE = GoModule("many", "example.org/many", "1.2.3", ("cmd/one", "cmd/two", "."), tags=("small",))


def test_a_module_makes_all_its_programs() -> None:
    assert MODULE.produces == ("one", "two", "many")
    assert MODULE.package("cmd/one") == "example.org/many/cmd/one"
    assert MODULE.package(".") == "example.org/many"


@pytest.mark.parametrize(
    "change",
    [{"version": "1.2.4"}, {"tags": ()}, {"says": "4.5.6"}, {"commands": ("cmd/one",)}, {"stand_ins": (("a", "b"),)}],
)
def test_whatever_a_modules_build_depends_on_builds_it_again(change: dict[str, Any]) -> None:
    assert plan.stamp(replace(MODULE, **change)) != plan.stamp(MODULE)


def test_stand_ins_go_into_a_copy_of_the_module(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Go's cache is read-only, and so is what is copied from it."""
    published = tmp_path / "cache"
    (published / "ui").mkdir(parents=True)
    (published / "ui" / "web.go").write_text("package ui")
    (published / "ui").chmod(0o555)
    asked: list[list[str]] = []

    def run(_: str, command: list[str], **__: Any) -> str:
        asked.append(command[1:])
        return json.dumps({"Dir": str(published)})

    monkeypatch.setattr("sandbox.build.golang.run", run)
    module = replace(MODULE, stand_ins=(("ui/dist/README.txt", "none"),))
    for _ in range(2):
        module.build(settings, tmp_path / "log", tmp_path / "target")
    copy = settings.source / "many" / "upstream" / "ui"
    assert (copy / "web.go").read_text() == "package ui"
    assert (copy / "dist" / "README.txt").read_text() == "none"
    assert not (published / "ui" / "dist").exists()
    assert ["mod", "edit", "-replace=example.org/many=./upstream"] in asked
    assert asked[-1][:3] == ["build", "-trimpath", "-tags=small"]
    (published / "ui").chmod(0o755)


def test_a_version_that_cannot_be_had_is_replaced_and_part_of_the_recipe() -> None:
    plain = GoTool("t", "example.org/a/cmd/t", "1.0.0")
    other = GoTool("t", "example.org/a/cmd/t", "1.0.0", replaces=(("example.org/b", "2.0.0"),))
    assert other.go_mod() == f"{plain.go_mod()}\nreplace example.org/b => example.org/b v2.0.0\n"
    assert plan.stamp(plain) != plan.stamp(other)
