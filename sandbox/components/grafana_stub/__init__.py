# A contract stub of Grafana's documented HTTP API over the real Prometheus, with the product's dashboards. No Grafana.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sandbox import probe
from sandbox.build.pods import IMAGE
from sandbox.component import Context, Rollout, Workload, only_full
from sandbox.handover import password
from sandbox.settings import load

S = load()
PORT = 3000
VERSION = "0.0.0-contract-stub"
DASHBOARDS = S.checkout / "sandbox/chart/dashboards"
# Tokens of service accounts: one may read and query, one may only read dashboards.
READER, LIMITED = "grafana-token", "grafana-token-limited"


def prepare(ctx: Context) -> None:
    for name in (READER, LIMITED):
        password(ctx.settings, name)


def dashboards() -> dict[str, str]:
    """The dashboards' files by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(DASHBOARDS.glob("*.json"))}


def values(ctx: Context) -> Mapping[str, Any]:
    text = json.dumps(dashboards())
    return {
        "image": IMAGE.reference,
        "port": PORT,
        "dashboards": text,
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "reader": password(ctx.settings, READER),
        "limited": password(ctx.settings, LIMITED),
    }


def answers(ctx: Context) -> bool:
    """It says that it is a stub, and tells what Prometheus knows of itself now."""
    host = ctx.cluster.service_address(S.monitoring_namespace, "grafana")
    if not host:
        return False
    health = probe.http_body(ctx.settings, host, PORT, "/api/health")
    query = {"refId": "A", "datasource": {"uid": "prometheus"}, "expr": 'max(up{job="prometheus"})', "instant": True}
    body = json.dumps({"queries": [query], "from": "now-1m", "to": "now"}).encode()
    headers = {"Authorization": f"Bearer {password(ctx.settings, READER)}", "Content-Type": "application/json"}
    said = probe.http_body(ctx.settings, host, PORT, "/api/ds/query", body=body, headers=headers)
    if VERSION.encode() not in health or not said:
        return False
    return [frame["data"]["values"][1] for frame in json.loads(said)["results"]["A"]["frames"]] == [[1.0]]


COMPONENT = Workload(
    needs=("coredns", "monitoring"),
    version=VERSION,
    images=(IMAGE,),
    rollouts=(Rollout("Deployment", S.monitoring_namespace, "grafana-stub"),),
    prepare=prepare,
    values=values,
    answers=answers,
    wanted=only_full,
)
