# Builds programs from the Go module proxy, each in a tiny module of its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.files import put
from sandbox.settings import VERSIONS, Settings
from sandbox.shell import run

# Static, because an image without a C library must be able to run them. The compiler collects its garbage less often
# than it would, which is a sixth less work, as long as it stays small.
ENV = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off", "GOGC": "400", "GOMEMLIMIT": "2GiB"}
REMEDY = "read the whole log in .sandbox/log/; is the Go module proxy reachable? The build resumes where it stopped"


@dataclass(frozen=True)
class GoTool:
    """One program of a published module. Modules are kept apart: their dependencies' versions differ."""

    name: str
    package: str
    version: str
    ldflags: str = "-s -w"
    # Pairs of a module and the version of it that is taken, where the one that is asked for cannot be had.
    replaces: tuple[tuple[str, str], ...] = ()
    uses_go: bool = True

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def produces(self) -> tuple[str, ...]:
        return (self.name,)

    def recipe(self) -> str:
        return " ".join([f"{self.package}@{self.version} {self.ldflags}", *self._replace_lines()])

    def go_mod(self) -> str:
        return "\n\n".join([f"module sandbox/{self.name}", f"go {VERSIONS.go}", *self._replace_lines()]) + "\n"

    def _replace_lines(self) -> list[str]:
        return [f"replace {module} => {module} v{version}" for module, version in self.replaces]

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        folder = settings.source / self.name
        put(folder / "go.mod", self.go_mod(), 0o644)

        def go(*words: str) -> None:
            run(self.name, ["go", *words], cwd=folder, env=ENV, log=log, remedy=REMEDY)

        go("get", "-tool", f"{self.package}@v{self.version}")
        go("build", "-trimpath", "-ldflags", self.ldflags, "-o", str(target / self.name), self.package)


@dataclass(frozen=True)
class GoModule:
    """Several programs of one published module, which asks for more than its name.

    :param says: the version that the programs tell, where it is not the module's.
    :param tags: build tags.
    :param stand_ins: files that the module embeds and does not publish, each a path and its text. The module is then
        copied, since Go lets nothing be put over its cache.
    """

    name: str
    module: str
    version: str
    commands: tuple[str, ...]
    says: str = ""
    tags: tuple[str, ...] = ()
    stand_ins: tuple[tuple[str, str], ...] = ()
    uses_go: bool = True

    @property
    def label(self) -> str:
        return f"{self.name} {self.says or self.version} ({', '.join(self.produces)})"

    @property
    def produces(self) -> tuple[str, ...]:
        return tuple(self.package(command).rsplit("/", 1)[-1] for command in self.commands)

    def package(self, command: str) -> str:
        """A command's import path; `.` is the module itself."""
        return self.module if command == "." else f"{self.module}/{command}"

    @property
    def ldflags(self) -> str:
        return f"-s -w -X github.com/prometheus/common/version.Version={self.says or self.version}"

    def recipe(self) -> str:
        asked = [f"{self.module}@{self.version}", *self.commands, self.ldflags, *self.tags]
        return " ".join([*asked, *(f"{path}\n{text}" for path, text in self.stand_ins)])

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        folder = settings.source / self.name
        put(folder / "go.mod", f"module sandbox/{self.name}\n\ngo {VERSIONS.go}\n", 0o644)

        def go(*words: str, to: Path | None = log) -> str:
            return run(self.name, ["go", *words], cwd=folder, env=ENV, log=to, remedy=REMEDY)

        if self.stand_ins:
            found = json.loads(go("mod", "download", "-json", f"{self.module}@v{self.version}", to=None))
            self._copy(Path(found["Dir"]), folder / "upstream")
            go("mod", "edit", f"-replace={self.module}=./upstream")
        packages = [self.package(command) for command in self.commands]
        go("get", "-tool", *(f"{package}@v{self.version}" for package in packages))
        go("build", "-trimpath", f"-tags={','.join(self.tags)}", "-ldflags", self.ldflags, "-o", f"{target}/", *packages)

    def _copy(self, published: Path, copy: Path) -> None:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(published, copy)
        for folder in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        for path, text in self.stand_ins:
            put(copy / path, text, 0o644)


@dataclass(frozen=True)
class GoSource:
    """A program whose few lines lie in this repository."""

    name: str
    version: str
    source: Path
    uses_go: bool = True

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def produces(self) -> tuple[str, ...]:
        return (self.name,)

    def recipe(self) -> str:
        return self.source.read_text()

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        folder = settings.source / self.name
        put(folder / "go.mod", f"module sandbox/{self.name}\n\ngo {VERSIONS.go}\n", 0o644)
        put(folder / "main.go", self.source.read_text(), 0o644)
        command = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(target / self.name), "."]
        run(self.name, command, cwd=folder, env=ENV, log=log, remedy=REMEDY)


@dataclass(frozen=True)
class Kubernetes:
    """All of Kubernetes' programs in one build; most of what they are made of is shared."""

    version: str
    commands: tuple[str, ...] = (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubectl",
        "kubelet",
    )
    name: str = "kubernetes"
    uses_go: bool = True

    @property
    def label(self) -> str:
        return f"Kubernetes {self.version} ({len(self.commands)} programs)"

    @property
    def produces(self) -> tuple[str, ...]:
        return self.commands

    @property
    def ldflags(self) -> str:
        major, minor, _ = self.version.split(".")
        at = "k8s.io/component-base/version"
        return f"-s -w -X {at}.gitVersion=v{self.version} -X {at}.gitMajor={major} -X {at}.gitMinor={minor}"

    def recipe(self) -> str:
        return f"{self.version} {self.ldflags} {' '.join(self.commands)}"

    def build(self, settings: Settings, log: Path, target: Path) -> None:
        folder = settings.source / self.name
        folder.mkdir(parents=True, exist_ok=True)
        asked = ["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{self.version}"]
        upstream = Path(json.loads(run(self.name, asked, cwd=folder, env=ENV, remedy=REMEDY))["GoMod"])
        put(folder / "go.mod", kubernetes_go_mod(self.version, self.commands, upstream.read_text()), 0o644)

        def go(*words: str) -> None:
            run(self.name, ["go", *words], cwd=folder, env=ENV, log=log, remedy=REMEDY)

        # -e: some test-only imports cannot be resolved, and are not needed.
        go("mod", "tidy", "-e")
        go("build", "-trimpath", "-ldflags", self.ldflags, "-o", f"{target}/", "tool")


def kubernetes_go_mod(version: str, commands: tuple[str, ...], upstream: str) -> str:
    """k8s.io/kubernetes replaces its parts by `./staging/...`; a user must name their published versions instead."""
    published = "v0." + version.split(".", 1)[1]
    parts = re.findall(r"^\s*(?:replace )?(\S+) => \./staging/\S+", upstream, flags=re.MULTILINE)
    tools = "\n".join(f"\tk8s.io/kubernetes/cmd/{command}" for command in commands)
    replaces = "\n".join(f"replace {part} => {part} {published}" for part in parts)
    return (
        f"module sandbox/kubernetes\n\ngo {VERSIONS.go}\n\nrequire k8s.io/kubernetes v{version}\n\n"
        f"tool (\n{tools}\n)\n\n{replaces}\n"
    )


KUBERNETES = Kubernetes(VERSIONS.kubernetes)
CRANE = GoTool("crane", "github.com/google/go-containerregistry/cmd/crane", VERSIONS.crane)
# Used by people and by the collection, not by a component.
TOOLS = (
    KUBERNETES,
    CRANE,
    GoTool("helm", "helm.sh/helm/v4/cmd/helm", VERSIONS.helm),
    GoTool("helm3", "helm.sh/helm/v3/cmd/helm", VERSIONS.helm3),
)
