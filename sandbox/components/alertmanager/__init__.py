# Alertmanager with the documented routing, delivering to the sandbox's own sinks.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from sandbox import probe
from sandbox.build.golang import GoModule
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Rollout, Workload, only_full
from sandbox.settings import VERSIONS, load

S = load()
PORT = 9093
CONFIG = Path(__file__).parent / "alertmanager.yml"
RECEIVERS = ("default-receiver", "critical-alerts", "warning-alerts")
# Its web page is not published with the module, and nobody looks at it here.
NO_PAGE = "Alertmanager of the sandbox: built without its web page; amtool and the API answer.\n"
PROGRAM = GoModule(
    "alertmanager",
    "github.com/prometheus/alertmanager",
    VERSIONS.alertmanager,
    ("cmd/alertmanager", "cmd/amtool"),
    stand_ins=(("ui/app/dist/README.txt", NO_PAGE),),
)


def values(_: Context) -> Mapping[str, str | int]:
    text = CONFIG.read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"version": VERSIONS.alertmanager, "port": PORT, "config": text, "config_digest": digest}


def answers(ctx: Context) -> bool:
    """It is ready, is the version that was built, and has read the receivers of now."""
    host = ctx.cluster.service_address(S.monitoring_namespace, "alertmanager")
    if not host or probe.http_status(ctx.settings, host, PORT, "/-/ready") != HTTPStatus.OK:
        return False
    try:
        status = json.loads(probe.http_body(ctx.settings, host, PORT, "/api/v2/status"))
        receivers = json.loads(probe.http_body(ctx.settings, host, PORT, "/api/v2/receivers"))
    except ValueError:
        return False
    told = {receiver["name"] for receiver in receivers}
    return status["versionInfo"]["version"] == VERSIONS.alertmanager and told == set(RECEIVERS)


COMPONENT = Workload(
    needs=("coredns", "local-path", "monitoring"),
    version=VERSIONS.alertmanager,
    builds=(PROGRAM,),
    images=(
        Image(
            "alertmanager",
            VERSIONS.alertmanager,
            (ProgramLayer(PROGRAM),),
            entrypoint=("/usr/local/bin/alertmanager",),
            user="65532",
        ),
    ),
    rollouts=(Rollout("StatefulSet", S.monitoring_namespace, "alertmanager"),),
    values=values,
    answers=answers,
    wanted=only_full,
)
