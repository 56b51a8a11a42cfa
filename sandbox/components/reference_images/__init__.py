# The reference application's images, built from sandbox/app: one content, two versions.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from sandbox.build.images import Image
from sandbox.build.layers import PYTHON_ROOT, Layer
from sandbox.build.python import PYTHON_ENV, Packages, Source
from sandbox.component import Context, Workload
from sandbox.settings import VERSIONS, load

S = load()
USER = "1000:1000"
# redis needs this below 3.11.3, and Debian has 3.11.2.
LEFT_OUT_BY_PIP = ("async-timeout>=4.0.3",)


def image(version: str) -> Image:
    layers: tuple[Layer, ...] = (
        PYTHON_ROOT,
        Packages("app-requirements", "sandbox/app/requirements.txt", LEFT_OUT_BY_PIP),
        Source("app-source", "sandbox/app/src"),
    )
    return Image(
        S.app_image,
        version,
        layers,
        entrypoint=("python3", "-m", "bytebot_app"),
        env=(*PYTHON_ENV, ("APP_VERSION", version)),
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
