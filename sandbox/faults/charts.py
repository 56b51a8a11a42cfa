# Faults in the chart and its values: a copy of the chart with one change, or values laid over the sandbox's own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.api import ApiError
from sandbox.errors import SandboxError
from sandbox.faults.fault import Fault, Hands

CHART = Path(__file__).resolve().parents[1] / "chart"
DEPLOYMENT = "templates/deployment.yaml"
Variables = Callable[[Hands], Mapping[str, Any]]
# Short waits: what cannot succeed is to be seen soon; the cause must come before the time-out all the same.
SOON = {"deployment_crash_restarts": 1, "deployment_timeout": 120}
# What a check before the roll-out finds is deployed all the same where the roll-out's own judgement is wanted.
DESPITE = {"deployment_despite_red": True}


def values(given: Mapping[str, Any], **more: Any) -> Variables:
    """Values laid over the sandbox's own."""
    return lambda _: {"bytebot_values": given, **more}


def edited(file: str, old: str, new: str, **more: Any) -> Variables:
    """A copy of the chart in which one text stands for another; an empty ``old`` writes the file anew."""

    def made(hands: Hands) -> Mapping[str, Any]:
        copy = hands.folder / "chart"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(CHART, copy)
        path = copy / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if old not in text:
            raise SandboxError("fault", f"{file} of the chart has no {old!r}", remedy="correct the fault")
        path.write_text(text.replace(old, new) if old else new, encoding="utf-8")
        return {"bytebot_chart": str(copy), **more}

    return made


HOOK = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: bytebot-prepare
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {job: prepare}}
    spec:
      {{- include "bytebot.pod" . | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: prepare
          {{- include "bytebot.container" . | nindent 10 }}
          command: ["false"]
"""
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: bytebot-uploads}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: CLASS
  resources: {requests: {storage: 1Mi}}
"""
MOUNTED = """\
        - name: uploads
          persistentVolumeClaim: {claimName: bytebot-uploads}
        - name: tmp
"""
PENDING_CLASS = "/apis/storage.k8s.io/v1/storageclasses/sandbox-nowhere"
PODS, LINT = "deployment.execution.pods", "deployment.validation.lint"
VALUES, ENVIRONMENT = "deployment.validation.values", "deployment.validation.environment"
STORAGE, CLASSES = "infrastructure.cluster.storage", "deployment.preparation.storage"
RESOURCES, ROOM = "infrastructure.cluster.resources", "deployment.preparation.resources"
BOUNDED = "security_configuration.containers.resources"
LEFT = "/api/v1/namespaces/bytebot-production/persistentvolumeclaims/bytebot-uploads"
QUOTA = "/api/v1/namespaces/bytebot-production/resourcequotas/sandbox-short"
PODS_PATH = "/api/v1/namespaces/bytebot-production/pods"
RELEASE_PODS = f"{PODS_PATH}?labelSelector=app%3Dbytebot"


def _claimed(hands: Hands) -> Mapping[str, Any]:
    variables = edited(DEPLOYMENT, "        - name: tmp\n", MOUNTED, **SOON, **DESPITE)(hands)
    (Path(variables["bytebot_chart"]) / "templates" / "claim.yaml").write_text(
        CLAIM.replace("CLASS", "sandbox-nowhere")
    )
    return {**variables, "infrastructure_probe_timeout": 15, "deployment_grace": {"unschedulable": 5}}


def _nowhere(hands: Hands) -> None:
    name = {"name": "sandbox-nowhere"}
    made = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": name,
        "provisioner": "bytebot.test/no",
    }
    hands.apply(PENDING_CLASS, {**made, "volumeBindingMode": "Immediate"})


def _short(hands: Hands) -> None:
    """One pod fewer than there are; of those that stay only, so that those by which things are tried can be made."""
    there = len(hands.cluster.items(RELEASE_PODS))
    if hands.cluster.get(QUOTA) is None:
        spec = {"hard": {"pods": str(max(0, there - 1))}, "scopes": ["NotTerminating"]}
        hands.apply(
            QUOTA, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "sandbox-short"}, "spec": spec}
        )


def _no_other_pod(hands: Hands) -> bool:
    """What the API server says to another pod of the release, which it does not make."""
    pods = hands.cluster.items(RELEASE_PODS)
    if not pods:
        return False
    container = {
        "name": "one",
        "image": "registry.sandbox/base:1",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    meta = {"name": "sandbox-tried", "namespace": "bytebot-production"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}}
    try:
        hands.cluster.call("POST", f"{PODS_PATH}?dryRun=All", json.dumps(body))
    except ApiError as error:
        return "exceeded quota: sandbox-short" in str(error)
    return False


def _unclaimed(hands: Hands) -> None:
    hands.delete(PENDING_CLASS)
    if hands.cluster.get(LEFT):  # helm leaves what a failed revision has made; it goes when the pods let go of it
        hands.cluster.call("DELETE", LEFT)


NOBODY_NEAR = """\
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - topologyKey: kubernetes.io/hostname
              labelSelector: {matchLabels: {app: nobody}}
        podAntiAffinity:
"""
HUGE = {"resources": {"api": {"requests": {"memory": "900Gi"}, "limits": {"memory": "900Gi"}}}}
NO_PROBE = {"healthCheck": {"readinessProbe": {"path": "/nowhere"}}}

FAULTS = (
    Fault(
        name="pod_larger_than_any_node", says="a pod asks for more memory than any node has", layer="values",
        turns_red=(RESOURCES, ROOM, PODS), variables=values(HUGE),
    ),
    Fault(
        name="storage_class_unknown", says="a claim of the release names a storage class that is not there",
        layer="values", turns_red=(STORAGE, CLASSES, PODS),
        variables=edited("templates/claim.yaml", "", CLAIM.replace("CLASS", "no-such-class")),
    ),
    Fault(
        name="chart_template_broken", says="a template of the chart does not parse", layer="values", turns_red=(LINT,),
        variables=edited("templates/broken.yaml", "", "{{ if }}\n"),
    ),
    Fault(
        name="api_version_removed", says="a template writes an API version that Kubernetes no longer has",
        layer="values", turns_red=(LINT,),
        variables=edited("templates/availability.yaml", "apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"),
    ),
    Fault(
        name="value_wrong_type", says="the number of replicas is a word", layer="values", turns_red=(LINT,),
        variables=values({"replicas": {"api": "two"}}),
    ),
    Fault(
        name="value_placeholder", says="a value is the document's example", layer="values", turns_red=(VALUES, PODS),
        variables=values({"security": {"cors": {"origins": ["https://app.example.com"]}}}),
    ),
    Fault(
        name="value_ignored", says="global.imageTag is given, and image.tag wins over it", layer="values",
        turns_red=(VALUES,), variables=values({"global": {"imageTag": "1.0.0"}, "image": {"tag": "1.0.0"}}),
    ),
    Fault(
        name="value_missing", says="a value that the environment requires is not set", layer="inputs",
        turns_red=(VALUES,), variables=lambda _: {"deployment_required_values": ["imagePullSecrets"]},
    ),
    Fault(
        name="image_tag_latest", says="the image is named by the tag latest", layer="values",
        turns_red=(ENVIRONMENT, PODS),
        variables=edited("templates/_helpers.tpl", ':{{ include "bytebot.version" . }}{{ end }}', ":latest{{ end }}"),
    ),
    Fault(
        name="staging_host", says="a variable points to staging", layer="values", turns_red=(ENVIRONMENT, PODS),
        variables=values({"env": {"BYTEBOT_ANALYTICS_ENDPOINT": "https://analytics-staging.bytebot.com"}}),
    ),
    Fault(
        name="resources_missing", says="the containers have no limits", layer="values",
        turns_red=("deployment.validation.resources", ROOM, PODS), variables=edited(
            "templates/_helpers.tpl", "resources: {{- toYaml .Values.resources.api | nindent 2 }}",
            "resources: {requests: {cpu: 50m, memory: 128Mi}}",
        ),
    ),
    Fault(
        name="container_privileged", says="a container asks to be privileged", layer="values",
        turns_red=("deployment.validation.security_context", PODS),
        variables=edited(
            "templates/_helpers.tpl",
            "securityContext: {{- toYaml .Values.containerSecurityContext | nindent 2 }}",
            "securityContext: {privileged: true, allowPrivilegeEscalation: true}",
        ),
    ),
    Fault(
        name="image_bad", says="the image's tag does not exist", layer="values", turns_red=(PODS,), playbook="deploy",
        variables=values({"global": {"imageTag": "no-such-tag"}}, **SOON),
    ),
    Fault(
        name="crash_loop", says="the application ends at once", layer="values", turns_red=(PODS,), playbook="deploy",
        variables=edited(DEPLOYMENT, "args: [serve]", "args: [no-such-command]", **SOON),
    ),
    Fault(
        name="config_key_missing", says="a container takes a variable from a key that its Secret lacks",
        layer="values", turns_red=(PODS, "security_configuration.secrets.stored"), playbook="deploy",
        variables=edited(
            DEPLOYMENT, "{{ .Values.redis.existingSecret }}, key: password",
            "{{ .Values.redis.existingSecret }}, key: no-such-key", **SOON,
        ),
    ),
    Fault(
        name="pod_unschedulable", says="the pods must run beside a pod that is not there", layer="values",
        turns_red=(PODS,), playbook="deploy",
        variables=edited(
            DEPLOYMENT, "      affinity:\n        podAntiAffinity:\n", NOBODY_NEAR,
            **SOON, deployment_grace={"unschedulable": 5},
        ),
    ),
    Fault(
        name="hook_fails", says="a hook of the chart ends with an error", layer="values", turns_red=(PODS,),
        playbook="deploy", variables=edited("templates/hook.yaml", "", HOOK, **SOON),
    ),
    Fault(
        name="claim_pending", says="a claim of the release waits for a provisioner that is not there", layer="cluster",
        turns_red=(STORAGE, PODS), playbook="deploy", put=_nowhere, heal=_unclaimed, variables=_claimed,
    ),
    Fault(
        name="init_stuck", says="an init container never ends", layer="values", turns_red=(PODS,), playbook="deploy",
        variables=edited(
            DEPLOYMENT, "args: [migrate]", 'command: [sleep, "3600"]', deployment_timeout=30,
        ),
    ),
    Fault(
        name="quota_short", says="the namespace's quota lets fewer pods be than the release has", layer="cluster",
        turns_red=(ROOM, PODS, BOUNDED), playbook="deploy", put=_short, heal=lambda hands: hands.delete(QUOTA),
        # Another variable, so that the pods are to be rolled.
        variables=values({"tasks": {"timeout": "6m"}}, **SOON, **DESPITE, deployment_grace={"create_refused": 5}),
        seen=_no_other_pod,
    ),
    Fault(
        name="probe_failing", says="the readiness probe asks a path that is not there", layer="values",
        turns_red=(PODS,), playbook="deploy", variables=values(NO_PROBE, deployment_timeout=40),
    ),
)  # fmt: skip
