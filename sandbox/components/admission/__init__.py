# Admission policies that namespaces take on by a label: fixed images, no way to the node, resources said.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from sandbox.api import ApiError
from sandbox.component import Context, Reach, Workload, only_full
from sandbox.settings import Settings

LABEL, ENFORCED = "bytebot.test/admission", "enforced"
TRIAL = "admission-trial"
PODS = f"/api/v1/namespaces/{TRIAL}/pods"
REFUSED = "ValidatingAdmissionPolicy"
IMAGES, NODE, RESOURCES = "sandbox-images", "sandbox-node", "sandbox-resources"


def values(_: Reach) -> Mapping[str, str]:
    return {
        "label": LABEL, "enforced": ENFORCED, "trial": TRIAL, "images": IMAGES, "node": NODE, "resources": RESOURCES,
    }  # fmt: skip


def pod(settings: Settings, spec: Mapping[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    """A pod that all policies let in, changed by what is given."""
    one = {
        "name": "one",
        "image": f"{settings.registry_name}/base:1",
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        **container,
    }
    meta = {"name": "asked", "namespace": TRIAL}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [one], **(spec or {})}}


def trials(settings: Settings) -> dict[str, tuple[dict[str, Any], str]]:
    """Pods, each with the policy that must refuse it; none where it must be let in."""
    name, folder = settings.registry_name, {"name": "node", "hostPath": {"path": "/"}}
    requests = {"requests": {"cpu": "10m", "memory": "16Mi"}}
    return {
        "as it should be": (pod(settings), ""),
        "by digest": (pod(settings, image=f"{name}/base@sha256:{'0' * 64}"), ""),
        "latest": (pod(settings, image=f"{name}/base:latest"), IMAGES),
        "no tag": (pod(settings, image=f"{name}/base"), IMAGES),
        "no tag, but a port": (pod(settings, image="localhost:5000/base"), IMAGES),
        "an init container of no tag": (
            pod(settings, {"initContainers": [{**pod(settings)["spec"]["containers"][0], "name": "i", "image": "a"}]}),
            IMAGES,
        ),
        "privileged": (pod(settings, securityContext={"privileged": True}), NODE),
        "more capabilities": (pod(settings, securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}), NODE),
        "a folder of the node": (pod(settings, {"volumes": [folder]}), NODE),
        "the node's network": (pod(settings, {"hostNetwork": True}), NODE),
        "no resources": (pod(settings, resources={}), RESOURCES),
        "no limit of memory": (pod(settings, resources=requests), RESOURCES),
    }


def refused_by(ctx: Reach, asked: Mapping[str, Any]) -> str:
    """What the API server says against a pod without making it; empty where it would take it.

    :raises ApiError: it refuses for a reason of another kind.
    """
    try:
        ctx.cluster.call("POST", f"{PODS}?dryRun=All", json.dumps(asked))
    except ApiError as error:
        if REFUSED not in str(error):
            raise
        return str(error)
    return ""


def answers(ctx: Context) -> bool:
    """Each trial ends as it must, and by the policy that is meant."""
    try:
        for asked, policy in trials(ctx.settings).values():
            said = refused_by(ctx, asked)
            if (f"'{policy}'" not in said) if policy else said:
                return False
    except (OSError, ApiError, HTTPException):
        return False
    return True


COMPONENT = Workload(
    # The pods that are tried have the namespace's default account.
    needs=("kube-apiserver", "kube-controller-manager"),
    version="1",
    values=values,
    answers=answers,
    wanted=only_full,
)
