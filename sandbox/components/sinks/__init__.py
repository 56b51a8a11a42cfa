# Where alerts end: a webhook sink and a mail sink that keep what came and list it, and the pages that alerts link to.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
import secrets
import smtplib
import socket
from collections.abc import Mapping

from sandbox import probe
from sandbox.build.pods import IMAGE
from sandbox.component import Context, Rollout, Workload, only_full
from sandbox.settings import Settings, load

S = load()
PORT, MAIL_PORT = 8080, 25
OUTSIDE_MAIL_PORT = 30025  # of the node
VERSION = "1"
RUNBOOKS = {
    "service-down": "Look at the pods of the release, their events and last lines; roll back what was deployed last.",
    "high-error-rate": "Look at the lines of the level error, and at what was deployed last.",
    "database-issues": "Look at PostgreSQL, at the pooler, and at the pools of the replicas.",
    "memory-issues": "Look at the memory of the containers over the last day, and restart what grows.",
}


class Mailer(smtplib.SMTP):
    """Speaks from inside the sandbox's network namespace."""

    def __init__(self, settings: Settings, host: str) -> None:
        self._settings = settings
        super().__init__(host, MAIL_PORT, local_hostname="sandbox", timeout=probe.TIMEOUT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        del timeout
        return probe.connect(self._settings, host, port)


def values(_: Context) -> Mapping[str, str | int | Mapping[str, str]]:
    ports = {"port": PORT, "mail_port": MAIL_PORT, "outside_mail_port": OUTSIDE_MAIL_PORT}
    return {"image": IMAGE.reference, "runbooks": RUNBOOKS, **ports}


def received(ctx: Context, host: str, word: str) -> set[str]:
    """The kinds of what came with a word in it."""
    said = probe.http_body(ctx.settings, host, PORT, f"/received?contains={word}")
    return {message["kind"] for message in json.loads(said)["messages"]} if said else set()


def answers(ctx: Context) -> bool:
    """A new word that is sent both ways is listed as come both ways."""
    host, word = ctx.cluster.service_address(S.monitoring_namespace, "sinks"), secrets.token_hex(8)
    if not host:
        return False
    probe.http_body(ctx.settings, host, PORT, "/webhook/sandbox", body=json.dumps({"word": word}).encode())
    try:
        with Mailer(ctx.settings, host) as mailer:
            mailer.sendmail("sandbox@bytebot.test", ["sandbox@bytebot.test"], f"Subject: {word}\r\n\r\n{word}\r\n")
    except (OSError, smtplib.SMTPException):
        return False
    return received(ctx, host, word) == {"webhook", "mail"}


COMPONENT = Workload(
    needs=("coredns", "monitoring"),
    version=VERSION,
    images=(IMAGE,),
    rollouts=(
        Rollout("Deployment", S.monitoring_namespace, "sinks"),
        Rollout("Deployment", S.monitoring_namespace, "runbooks"),
    ),
    values=values,
    answers=answers,
    wanted=only_full,
)
