# Prometheus of its Go module: finds its targets in Kubernetes, holds the documented rules. Built without its web page,
# whose sources are not published with the module.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox import probe
from sandbox.build.golang import GoModule
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Reach, Rollout, Workload, only_full
from sandbox.files import render
from sandbox.settings import VERSIONS, load

S = load()
PORT = 9090
FOLDER = Path(__file__).parent
RULES = FOLDER / "rules"
# Jobs of the sandbox's own parts; those of the application have targets once it is deployed.
OWN_JOBS = frozenset(
    {"prometheus", "alertmanager", "node-exporter", "kubelet", "kubernetes-cadvisor", "kube-state-metrics"}
)
PROGRAM = GoModule(
    "prometheus",
    "github.com/prometheus/prometheus",
    # Prometheus 3.16.0 is the module's v0.316.0.
    "0.{}{:0>2}.{}".format(*VERSIONS.prometheus.split(".")),
    ("cmd/prometheus", "cmd/promtool"),
    says=VERSIONS.prometheus,
    # Of the ways to find targets only Kubernetes', and files and HTTP, which are always there.
    tags=("netgo", "remove_all_sd", "enable_kubernetes_sd"),
)


def rules() -> dict[str, str]:
    """The rule files by name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(RULES.glob("*.yml"))}


def values(ctx: Context) -> Mapping[str, Any]:
    known = {"s": ctx.settings}
    return {
        "version": VERSIONS.prometheus,
        "port": PORT,
        "rules": json.dumps(rules(), indent=1),
        "config": json.dumps(render(FOLDER / "prometheus.yml.j2", known)),
    }


def ask(ctx: Reach, path: str) -> Any:
    """Its answer's `data`; None where it does not answer."""
    host = ctx.cluster.service_address(S.monitoring_namespace, "prometheus")
    said = probe.http_body(ctx.settings, host, PORT, path) if host else b""
    try:
        return json.loads(said)["data"]
    except (ValueError, KeyError):
        return None


def answers(ctx: Context) -> bool:
    """A target of each of the sandbox's own jobs is up, all rules are loaded, and it knows its Alertmanager."""
    targets, groups = ask(ctx, "/api/v1/targets?state=active"), ask(ctx, "/api/v1/rules")
    managers = ask(ctx, "/api/v1/alertmanagers")
    if not (targets and groups and managers):
        return False
    up = {target["labels"]["job"] for target in targets["activeTargets"] if target["health"] == "up"}
    loaded = {Path(group["file"]).name for group in groups["groups"]}
    return up >= OWN_JOBS and loaded == set(rules()) and bool(managers["activeAlertmanagers"])


COMPONENT = Workload(
    needs=("coredns", "local-path", "monitoring"),
    version=VERSIONS.prometheus,
    builds=(PROGRAM,),
    images=(
        Image(
            "prometheus",
            VERSIONS.prometheus,
            (ProgramLayer(PROGRAM),),
            entrypoint=("/usr/local/bin/prometheus",),
            user="65532",
        ),
    ),
    rollouts=(Rollout("StatefulSet", S.monitoring_namespace, "prometheus"),),
    values=values,
    answers=answers,
    wanted=only_full,
)
