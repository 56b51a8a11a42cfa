# The table of causes that end a rollout early: the signal, when it is certain, what to do, and the source.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a rollout cannot succeed: the signal, when it is certain, and what to do.

    :param grace_s: seconds that the signal must last before it is certain; callers may set it per cause.
    """

    code: str
    title: str
    signal: str
    grace_s: float
    remedy: str
    source: str


_KUBELET = "Kubernetes, pkg/kubelet/images and kuberuntime: waiting reasons of a container state"
CAUSES: dict[str, Cause] = {
    cause.code: cause
    for cause in (
        Cause("image_missing", "image not found", "ErrImagePull or ImagePullBackOff; the registry says not found", 3,
              "Check the image name, tag and registry; push the image or correct the values.", _KUBELET),
        Cause("image_denied", "image pull not authorised", "ErrImagePull; the registry says unauthorized or denied", 3,
              "Check imagePullSecrets and the registry's permissions.", _KUBELET),
        Cause("image_pull", "image cannot be pulled",
              "ErrImagePull for any other reason, RegistryUnavailable or ImageInspectError", 60,
              "Check that the nodes reach the registry.", _KUBELET),
        Cause("image_name", "image name is invalid", "InvalidImageName or ErrImageNeverPull", 0,
              "Correct the image reference in the values.", _KUBELET),
        Cause("config_missing", "configuration missing", "CreateContainerConfigError", 5,
              "Create the Secret, ConfigMap or key that the message names.", _KUBELET),
        Cause("container_start", "container cannot start",
              "CreateContainerError, RunContainerError or PostStartHookError; an image that must not run as root", 10,
              "Check the command, the user, the mounts and the hooks of the container.", _KUBELET),
        Cause("crash_loop", "container keeps crashing", "CrashLoopBackOff after the given number of restarts", 0,
              "Read the last log lines: the process ends by itself soon after its start.",
              "Kubernetes docs, Pod lifecycle, container restarts: back-off from 10 s, doubling to 5 min"),
        Cause("init_failed", "init container keeps failing", "CrashLoopBackOff of an init container", 0,
              "Read the init container's last log lines.", "Kubernetes docs, Init containers"),
        Cause("blocked", "a broken pod of an older revision is not replaced",
              "a pod of before that fails again, of a StatefulSet that leaves it as it is", 10,
              "Delete the pod (kubectl delete pod): its StatefulSet makes it anew by the new template.",
              "Kubernetes docs, StatefulSets, Forced rollback"),
        Cause("volume_missing", "volume cannot be mounted", "event FailedMount that names a missing object", 10,
              "Create the Secret, ConfigMap or claim that the message names.", "Kubernetes, event FailedMount"),
        Cause("unschedulable", "pod cannot be scheduled", "condition PodScheduled is False, reason Unschedulable", 60,
              "Free or add capacity, or correct selectors, affinity, tolerations or claims.",
              "Kubernetes docs, Pod conditions; the grace leaves time for a cluster autoscaler"),
        Cause("create_refused", "pods are refused", "condition ReplicaFailure or event FailedCreate", 5,
              "The message names the quota, the limit range or the admission rule: change it or the workload.",
              "Kubernetes docs, Deployment status: ReplicaFailure"),
        Cause("deadline", "progress deadline exceeded", "condition Progressing is False, ProgressDeadlineExceeded", 0,
              "Look at the pods' events and logs below.", "Kubernetes docs, Deployment: progressDeadlineSeconds"),
        Cause("job_failed", "job failed", "condition Failed of a Job", 0,
              "Read the job's last log lines.", "Kubernetes docs, Job termination and cleanup"),
        Cause("pod_failed", "pod failed", "phase Failed of a pod without a controller", 0,
              "Read the pod's last log lines.", "Kubernetes docs, Pod lifecycle, pod phase"),
        Cause("paused", "it is paused", "a Deployment with paused, or a Job with suspend", 10,
              "Resume it (kubectl rollout resume; suspend: false), or correct the values.",
              "Kubernetes docs, Pausing and Resuming a rollout of a Deployment; Suspending a Job"),
        Cause("claim_failed", "volume claim cannot be provisioned",
              "event ProvisioningFailed of a claim, or its phase Lost", 10,
              "Check the storage class that the claim names and its provisioner.",
              "Kubernetes, event ProvisioningFailed; Kubernetes docs, Persistent Volumes, phase"),
        Cause("load_balancer", "no load balancer can be had", "event SyncLoadBalancerFailed of a Service", 60,
              "Check the cloud's quota and permissions, and the Service's annotations.",
              "Kubernetes, service controller, event SyncLoadBalancerFailed; it tries again with a growing back-off"),
        Cause("stalled", "its controller cannot go on", "condition Stalled is True, of a custom resource", 30,
              "The message is its controller's: correct what it names.",
              "kstatus (sigs.k8s.io/cli-utils), conditions Ready, Reconciling and Stalled"),
    )
}  # fmt: skip
