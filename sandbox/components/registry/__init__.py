# The image registry, on the namespace's loopback: real pulls, digests and 404s.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from http import HTTPStatus

from sandbox import probe
from sandbox.build.golang import CRANE
from sandbox.component import Context, Process
from sandbox.settings import Settings


def command(s: Settings) -> list[str]:
    return ["docker-registry", "serve", f"{s.conf}/registry.yaml"]


def answers(ctx: Context) -> bool:
    host, port = ctx.settings.registry_address.split(":")
    return probe.http_status(ctx.settings, host, int(port), "/v2/") == HTTPStatus.OK


COMPONENT = Process(
    package="docker-registry",
    builds=(CRANE,),
    command=command,
    answers=answers,
    within_s=30,
)
