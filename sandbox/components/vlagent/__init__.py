# vlagent on the node: every pod's log, with the pod's names and labels, into VictoriaLogs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from sandbox.api import ApiError
from sandbox.build.golang import GoTool
from sandbox.build.images import Image
from sandbox.build.layers import ProgramLayer
from sandbox.component import Context, Reach, Rollout, Workload, only_full
from sandbox.components import victoria_logs
from sandbox.components.victoria_logs import MODULE, REPLACES, VERSION
from sandbox.settings import VERSIONS, Settings

PROGRAM = GoTool("vlagent", f"{MODULE}/vlagent", VERSIONS.victoria_logs, replaces=REPLACES)
PORT = 9429
PODS = "/api/v1/namespaces/logging/pods"
SPEAKER = "log-speaker"
SPOKEN_WITHIN_S, LOOK_S = 20.0, 0.3


def prepare(ctx: Context) -> None:
    """The agent keeps its positions here; like the logs, by way of root's group."""
    folder = ctx.settings.state / "vlagent"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o770)


def values(_: Context) -> Mapping[str, str]:
    return {"version": VERSION, "port": str(PORT), "target": target(victoria_logs.PORT)}


def target(port: int) -> str:
    """Where the agent sends lines to."""
    return f"http://victoria-logs.logging.svc:{port}/insert/native"


def speaker(settings: Settings, word: str) -> dict[str, Any]:
    """A pod that says one line of JSON with a word in it, and ends."""
    line = json.dumps({"level": "info", "message": "a pod speaks", "word": word})
    one = {
        "name": "speaker",
        "image": f"{settings.registry_name}/base:{VERSIONS.tools}",
        "command": ["echo", line],
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    meta = {"name": f"{SPEAKER}-{word}", "namespace": "logging", "labels": {"app": SPEAKER}}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [one]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def after_apply(ctx: Context) -> None:
    """Speakers that a killed question left."""
    ctx.cluster.call("DELETE", f"{PODS}?labelSelector=app%3D{SPEAKER}")


def answers(ctx: Context) -> bool:
    return arrives(ctx, SPOKEN_WITHIN_S, ctx.stop)


def arrives(ctx: Reach, within_s: float, stop: threading.Event | None = None) -> bool:
    """Whether what a new pod says is found in the store, by its fields and by the name of its pod."""
    word, stop = f"n{secrets.token_hex(8)}", stop or threading.Event()
    pod = speaker(ctx.settings, word)
    query = f'_time:10m word:={word} "kubernetes.pod_name":={pod["metadata"]["name"]} level:=info'
    try:
        ctx.cluster.call("POST", PODS, json.dumps(pod))
        end = time.monotonic() + within_s
        while time.monotonic() < end and not stop.wait(LOOK_S):
            if victoria_logs.search(ctx.settings, victoria_logs.address_of(ctx), query):
                return True
    except (OSError, ApiError, HTTPException):
        return False
    else:
        return False
    finally:
        with contextlib.suppress(OSError, ApiError, HTTPException):
            ctx.cluster.call("DELETE", f"{PODS}/{pod['metadata']['name']}?gracePeriodSeconds=0")


COMPONENT = Workload(
    needs=("victoria-logs", "local-path"),
    version=VERSION,
    builds=(PROGRAM,),
    images=(Image("vlagent", VERSION, (ProgramLayer(PROGRAM),), entrypoint=("/usr/local/bin/vlagent",), user="65532"),),
    rollouts=(Rollout("DaemonSet", "logging", "vlagent"),),
    prepare=prepare,
    values=values,
    after_apply=after_apply,
    answers=answers,
    wanted=only_full,
)
