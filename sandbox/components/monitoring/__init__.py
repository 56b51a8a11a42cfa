# The namespace `monitoring` and the certificate by which its parts are reached from the machine.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from collections.abc import Mapping

from sandbox.component import Context, Workload, only_full
from sandbox.files import b64
from sandbox.pki import Certificate
from sandbox.settings import load

S = load()
# Part of the host name, Service and its port.
SHOWN = (
    ("prometheus", "prometheus", 9090),
    ("alertmanager", "alertmanager", 9093),
    ("grafana", "grafana", 3000),
    ("sinks", "sinks", 8080),
    ("docs", "runbooks", 8080),
)
HOSTS = tuple(f"{name}.{S.domain}" for name, _, _ in SHOWN)


def values(ctx: Context) -> Mapping[str, object]:
    chain = ctx.pki.text("monitoring.crt") + ctx.pki.text("ingress-issuing-ca.crt")
    return {"chain": b64(chain), "hosts": HOSTS, "shown": SHOWN}


def answers(ctx: Context) -> bool:
    found = ctx.cluster.get(f"/api/v1/namespaces/{S.monitoring_namespace}")
    return found is not None and found["status"].get("phase") == "Active"


COMPONENT = Workload(
    needs=("kube-apiserver",),
    certificates=(Certificate("monitoring", "ingress-issuing-ca", HOSTS[0], names=HOSTS),),
    values=values,
    answers=answers,
    wanted=only_full,
)
