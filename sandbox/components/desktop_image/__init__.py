# The desktop's images, built from sandbox/desktop on a Debian with an X server; the application's chart runs them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox.build.images import Image
from sandbox.build.layers import DebianRoot, User
from sandbox.build.python import PYTHON_ENV, Packages, Source
from sandbox.component import Context, Workload
from sandbox.settings import VERSIONS, load

S = load()
USER, HOME = 1000, "/home/user"
ROOT = DebianRoot(
    "desktop",
    (
        "python3", "ca-certificates", "tini", "xvfb", "openbox", "xdotool", "xclip", "wmctrl", "xterm", "mousepad",
        "pcmanfm", "tesseract-ocr", "tesseract-ocr-eng", "fonts-dejavu-core", "procps",
    ),
    users=(User("user", USER, HOME),),
)  # fmt: skip


def image(version: str) -> Image:
    return Image(
        S.desktop_image,
        version,
        (
            ROOT,
            Packages("desktop-requirements", "sandbox/desktop/requirements.txt"),
            Source("desktop-source", "sandbox/desktop/src"),
        ),
        # What programs leave behind when they end becomes the first process's child, and must be reaped.
        entrypoint=("tini", "--", "python3", "-m", "bytebot_desktop"),
        env=(*PYTHON_ENV, ("HOME", HOME), ("DISPLAY", ":0"), ("LANG", "C.UTF-8")),
        user=f"{USER}:{USER}",
        folder=HOME,
        labels=(
            ("org.opencontainers.image.title", S.desktop_image),
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
