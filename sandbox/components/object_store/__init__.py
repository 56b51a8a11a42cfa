# A stand-in for the object store of a cloud, for second copies of backups: S3's API by Versity's gateway over a folder.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import datetime
import http.client
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from sandbox import probe
from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Reach, Rollout, Workload, only_full
from sandbox.components.object_store.signed import Keys, Request, headers
from sandbox.files import put
from sandbox.handover import password
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS

PROGRAM = GoTool("versitygw", "github.com/versity/versitygw/cmd/versitygw", VERSIONS.versitygw)
USER = 174
PORT = 9000
BUCKET = "bytebot-backups"
HOST = "object-store.object-store.svc.cluster.local"
NAMES = tuple(
    f"object-store{end}" for end in ("", ".object-store", ".object-store.svc", ".object-store.svc.cluster.local")
)
SERVICE = "/api/v1/namespaces/object-store/services/object-store"
NOTHING = (0, b"")


def prepare(ctx: Context) -> None:
    s = ctx.settings
    password(s, "object-store-access-key")
    password(s, "object-store-secret-key")
    put(s.handover / "object-store-ca.crt", ctx.pki.text("object-store-ca.crt"))


def values(ctx: Context) -> Mapping[str, str]:
    return {
        "version": VERSIONS.versitygw,
        "tools": VERSIONS.tools,
        "user": str(USER),
        "port": str(PORT),
        "access": password(ctx.settings, "object-store-access-key"),
        "secret": password(ctx.settings, "object-store-secret-key"),
    }


def keys(ctx: Reach) -> Keys:
    s = ctx.settings
    return Keys(password(s, "object-store-access-key"), password(s, "object-store-secret-key"))


def send(ctx: Reach, user: Keys, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a signed request over verified TLS; status 0 when nothing answers."""
    service = ctx.cluster.get(SERVICE)
    if service is None:
        return NOTHING
    request = Request(method, f"{HOST}:{PORT}", path, body)
    context = ssl.create_default_context(cafile=str(ctx.settings.handover / "object-store-ca.crt"))
    try:
        with (
            probe.connect(ctx.settings, service["spec"]["clusterIP"], PORT) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as sock,
        ):
            connection = http.client.HTTPConnection(HOST, PORT, timeout=probe.TIMEOUT_S)
            connection.sock = sock
            now = datetime.datetime.now(datetime.UTC)
            connection.request(method, request.target, body, headers(user, request, now))
            answer = connection.getresponse()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return NOTHING


def answers(ctx: Context) -> bool:
    """The bucket is there, keeps an object and gives it back, and a wrong signature is refused."""
    mine, path, text = keys(ctx), f"/{BUCKET}/answers/{secrets.token_hex(8)}", secrets.token_bytes(32)
    if send(ctx, mine, "PUT", f"/{BUCKET}")[0] not in {HTTPStatus.OK, HTTPStatus.CONFLICT}:
        return False
    if send(ctx, mine, "PUT", path, text)[0] != HTTPStatus.OK:
        return False
    kept = send(ctx, mine, "GET", path) == (HTTPStatus.OK, text)
    shut = send(ctx, replace(mine, secret="wrong"), "GET", path)[0] == HTTPStatus.FORBIDDEN
    return send(ctx, mine, "DELETE", path)[0] == HTTPStatus.NO_CONTENT and kept and shut


COMPONENT = Workload(
    needs=("coredns", "local-path"),
    version=VERSIONS.versitygw,
    builds=(PROGRAM,),
    images=(
        Image(
            "versitygw", VERSIONS.versitygw, (ProgramLayer(PROGRAM),), entrypoint=("/usr/local/bin/versitygw",),
            user=str(USER),
        ),
    ),
    authorities=(("object-store-ca", ""),),
    certificates=(Certificate("object-store", "object-store-ca", HOST, names=NAMES),),
    rollouts=(Rollout("StatefulSet", "object-store", "object-store"),),
    prepare=prepare,
    values=values,
    answers=answers,
    wanted=only_full,
)  # fmt: skip
