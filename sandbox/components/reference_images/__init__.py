# The reference application's images, built from sandbox/app: one content, two versions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.build.images import Image
from sandbox.build.layers import PYTHON_ROOT, Layer, tree_files, tree_hash, write_tree
from sandbox.component import Context, Workload
from sandbox.errors import SandboxError
from sandbox.settings import VERSIONS, Settings, load
from sandbox.shell import run

S = load()
USER = "1000:1000"
# pip judges markers by the Python it runs under, not by --python-version: redis needs this below 3.11.3, and Debian
# has 3.11.2.
LEFT_OUT_BY_PIP = ("async-timeout>=4.0.3",)


@dataclass(frozen=True)
class Requirements:
    """The application's Python packages as wheels for the image's Python, whatever Python builds them."""

    name: str = "app-requirements"

    def key(self, settings: Settings) -> str:
        listed = tree_hash([_required(settings, "requirements.txt")], settings.app_source)
        return " ".join([listed, VERSIONS.app_python, *LEFT_OUT_BY_PIP])

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        folder = settings.source / "app-requirements"
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--no-compile", f"--target={folder}",
            f"--python-version={VERSIONS.app_python}", "--platform=manylinux2014_x86_64", "--only-binary=:all:",
            f"--requirement={_required(settings, 'requirements.txt')}", *LEFT_OUT_BY_PIP,
        ]  # fmt: skip
        run("reference-images", ["rm", "-rf", folder])
        run("reference-images", command, log=log, remedy=f"read {log}; is the Python package index reachable?")
        write_tree(tar, folder, "opt/app/site-packages")


@dataclass(frozen=True)
class Source:
    """The application itself."""

    name: str = "app-source"

    def key(self, settings: Settings) -> str:
        folder = _required(settings, "src")
        return tree_hash(tree_files(folder), folder)

    def write(self, settings: Settings, tar: Path, log: Path) -> None:
        del log
        write_tree(tar, _required(settings, "src"), "opt/app/src")


def _required(settings: Settings, name: str) -> Path:
    path = settings.app_source / name
    if not path.exists():
        raise SandboxError("reference-images", f"{path} is not there", remedy="restore sandbox/app from the repository")
    return path


def image(version: str) -> Image:
    layers: tuple[Layer, ...] = (PYTHON_ROOT, Requirements(), Source())
    return Image(
        S.app_image,
        version,
        layers,
        entrypoint=("python3", "-m", "bytebot_app"),
        env=(
            ("PYTHONPATH", "/opt/app/site-packages:/opt/app/src"),
            ("PYTHONUNBUFFERED", "1"),
            ("PYTHONDONTWRITEBYTECODE", "1"),
            ("APP_VERSION", version),
        ),
        user=USER,
        folder="/opt/app",
        labels=(
            ("org.opencontainers.image.title", S.app_image),
            ("org.opencontainers.image.version", version),
            ("org.opencontainers.image.licenses", "GPL-3.0-or-later"),
            ("org.opencontainers.image.vendor", "The bytebot.production authors"),
            ("org.opencontainers.image.base.name", f"debian:{VERSIONS.debian}"),
        ),
    )


def answers(ctx: Context) -> bool:
    return all(ctx.images.pushed(image) for image in COMPONENT.images)


COMPONENT = Workload(
    needs=("registry",),
    version=", ".join(S.app_versions),
    images=tuple(image(version) for version in S.app_versions),
    answers=answers,
)
