# What plays the internet and the cloud's metadata service: a process in a network namespace of its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import http.client
import ssl
import sys
from http import HTTPStatus

from sandbox import probe
from sandbox.component import Context, Process, only_full
from sandbox.pki import Certificate
from sandbox.settings import Settings, load

S = load()
HTTP, HTTPS = 80, 443
NAMES = (S.internet_address, "www.example.com")


def command(s: Settings) -> list[str]:
    """The namespace is the process's own, so that it and its link go with it, however it ends."""
    where = [f"PYTHONPATH={s.checkout}", f"SANDBOX_DIR={s.state}"]
    return [
        "/usr/bin/unshare", "--net", "--", "/usr/bin/env", *where, sys.executable, "-m", "sandbox.components.internet",
    ]  # fmt: skip


def answers(ctx: Context) -> bool:
    """All three are reached from the node, the encrypted one with a certificate that holds."""
    s = ctx.settings
    plain = probe.http_status(s, s.internet_address, HTTP, "/") == HTTPStatus.OK
    metadata = probe.http_status(s, s.metadata_address, HTTP, "/latest/meta-data/") == HTTPStatus.OK
    return plain and metadata and encrypted(ctx)


def encrypted(ctx: Context) -> bool:
    s = ctx.settings
    context = ssl.create_default_context(cafile=str(ctx.pki.path("internet-ca.crt")))
    try:
        with (
            probe.connect(s, s.internet_address, HTTPS) as plain,
            context.wrap_socket(plain, server_hostname=s.internet_address) as sock,
        ):
            connection = http.client.HTTPConnection(s.internet_address, HTTPS, timeout=probe.TIMEOUT_S)
            connection.sock = sock
            connection.request("GET", "/")
            return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


COMPONENT = Process(
    version="1",
    authorities=(("internet-ca", ""),),
    certificates=(Certificate("internet", "internet-ca", "www.example.com", names=NAMES),),
    command=command,
    answers=answers,
    wanted=only_full,
    within_s=30,
)
