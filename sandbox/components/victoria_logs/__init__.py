# VictoriaLogs, the store of all pods' logs, with a bounded retention; asked in LogsQL over HTTP.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlencode

from sandbox import probe
from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Reach, Rollout, Workload, only_full
from sandbox.files import b64
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, Settings, load

S = load()
HOST = f"logs.{S.domain}"  # by which the machine reaches it
VERSION = VERSIONS.victoria_logs.partition("-")[0]
REPLACES = (("github.com/VictoriaMetrics/VictoriaMetrics", VERSIONS.victoria_metrics),)
MODULE = "github.com/VictoriaMetrics/VictoriaLogs/app"
PROGRAM = GoTool("victoria-logs", f"{MODULE}/victoria-logs", VERSIONS.victoria_logs, replaces=REPLACES)
USER = 173
PORT = 9428
RETENTION = "31d"
SERVICE = "/api/v1/namespaces/logging/services/victoria-logs"
LINES = "application/stream+json"
# Asks the store itself whether it keeps and finds; kept apart from what pods say.
OWN_STREAM = "sandbox-answers"


def values(ctx: Context) -> Mapping[str, str]:
    chain = b64(ctx.pki.text("logs.crt") + ctx.pki.text("ingress-issuing-ca.crt"))
    return {
        "version": VERSION, "user": str(USER), "port": str(PORT), "retention": RETENTION, "host": HOST, "chain": chain,
    }  # fmt: skip


def search(settings: Settings, address: str, query: str) -> list[dict[str, str]]:
    """The lines that a LogsQL query finds; none also where nothing answers."""
    status, body = probe.http_post(
        settings, address, PORT, "/select/logsql/query", urlencode({"query": query, "limit": "100"})
    )
    return [json.loads(line) for line in body.splitlines() if line] if status == HTTPStatus.OK else []


def address_of(ctx: Reach) -> str:
    """Of its Service; empty where there is none."""
    service = ctx.cluster.get(SERVICE)
    return str(service["spec"]["clusterIP"]) if service else ""


def answers(ctx: Context) -> bool:
    """It takes a line with a new word in it, and finds it by that word."""
    s, address, word = ctx.settings, address_of(ctx), f"n{secrets.token_hex(8)}"
    if not address:
        return False
    line = json.dumps({"_msg": "asked", "stream": OWN_STREAM, "word": word, "_time": "0"})
    status, _ = probe.http_post(s, address, PORT, "/insert/jsonline?_stream_fields=stream", line, kind=LINES)
    probe.http_status(s, address, PORT, "/internal/force_flush")
    return status == HTTPStatus.OK and bool(search(s, address, f'{{stream="{OWN_STREAM}"}} _time:5m word:={word}'))


COMPONENT = Workload(
    needs=("coredns", "local-path"),
    version=VERSION,
    builds=(PROGRAM,),
    certificates=(Certificate("logs", "ingress-issuing-ca", HOST, names=(HOST,)),),
    images=(
        Image(
            "victoria-logs", VERSION, (ProgramLayer(PROGRAM),), entrypoint=("/usr/local/bin/victoria-logs",),
            user=str(USER),
        ),
    ),
    rollouts=(Rollout("StatefulSet", "logging", "victoria-logs"),),
    values=values,
    answers=answers,
    wanted=only_full,
)  # fmt: skip
