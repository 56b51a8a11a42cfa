# Judges the containers of a namespace, as they are described and as they run: context, resources, what they can write.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks import inside as insides
from ansible_collections.bytebot.production.plugins.module_utils.checks import workload_resources as amounts
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    CONTEXT,
    RESOURCES,
    ROOT,
    WORKLOAD_KINDS,
    Object,
    SecurityFacts,
    settled,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import (
    Finding,
    containers,
    image_user_findings,
    resource_findings,
    security_findings,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload_root import root_findings
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, inconclusive, pending

ENFORCE = "pod-security.kubernetes.io/enforce"
STANDARDS = ("privileged", "baseline", "restricted")  # Kubernetes, "Pod Security Standards", the strictest last
_CONFIG_ERROR = "CreateContainerConfigError"  # the kubelet's reason; it has read the image's configuration
_SEE = "LIST of workloads and pods in namespace"


def _seen(facts: SecurityFacts, more: Object) -> Evidence:
    every = (*facts.described, *facts.running)
    names = sorted({at.where for at in containers(every, facts.namespace)})
    return Evidence(f"{_SEE} {facts.namespace}", {"containers": names, **more}, facts.observed_at)


def _nothing(facts: SecurityFacts, seen: Evidence) -> Verdict | None:
    if facts.described or facts.running or facts.refused(*WORKLOAD_KINDS):
        return None
    return pending(f"Nothing runs in namespace {facts.namespace} yet.", "Deploy the release first.", seen)


def _inside_seen(facts: SecurityFacts) -> Object:
    return {
        "not_looked_inside": facts.not_looked,
        "inside": [_told(one) for one in facts.inside],
    }


def _told(one: insides.Inside) -> Object:
    status = {path: {key: told[key] for key in _FIELDS if key in told} for path, told in one.statuses.items()}
    return {
        "where": one.where,
        "pod": one.pod,
        "problem": one.problem,
        "write": one.said or one.wrote,
        "status": status,
    }


_FIELDS = ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")


def _looked(facts: SecurityFacts) -> str:
    """How far containers were looked into, for a summary."""
    if facts.not_looked:
        return f"not looked inside: {facts.not_looked}"
    done = [one for one in facts.inside if not one.problem]
    blind = [one for one in facts.inside if one.problem]
    told = f"{len(done)} looked into"
    return f"{told}, {len(blind)} could not be: {blind[0].where}, {blind[0].problem.rstrip('.')}" if blind else told


# ---------------------------------------------------------------------------- context


def context(facts: SecurityFacts) -> Verdict:
    """Every container, as described and as it runs, fits the restricted standard, and what is inside shows it."""
    every = (*facts.described, *facts.running)
    findings = [
        *security_findings(every, facts.namespace),
        *image_user_findings(every, facts.namespace, facts.image_users),
        *_refused_users(facts),
        *(finding for one in facts.inside for finding in insides.context_findings(one)),
        *_pod_security(facts),
    ]
    weighed = facts.weighed(CONTEXT, findings)
    images = {"image_users": dict(facts.image_users), "image_user_not_known": dict(facts.image_problems)}
    level = {"pod_security": _enforced(facts)}
    seen = _seen(facts, {**weighed.evidence(), **level, **images, **_inside_seen(facts)})
    if nothing := _nothing(facts, seen):
        return nothing
    if facts.check_mode and not weighed.open:
        return pending("What is true inside needs a probe, and check mode sends none.", "", seen)
    count = len({at.where for at in containers(every, facts.namespace)})
    return settled(
        weighed,
        holds=f"Every container ({count}) fits the restricted Pod Security Standard, and the namespace enforces "
        f"{_enforced(facts)} ({_looked(facts)}{_images(facts)}).",
        remedy="Set the securityContext of pod and container as the restricted standard asks, and the label "
        f"{ENFORCE}={facts.pod_security} on the namespace; or give an exception with its reason.",
        unseen=facts.refused(*WORKLOAD_KINDS, "Namespace"),
        seen=seen,
        weaker=_weaker_standard(facts),
    )


def _images(facts: SecurityFacts) -> str:
    """Which images' users are not known, for a summary; what is inside tells all the same, where it was looked at."""
    unknown = list(facts.image_problems)
    return f"; the user of {len(unknown)} images is not known, such as {unknown[0]}" if unknown else ""


def _enforced(facts: SecurityFacts) -> str:
    labels = ((facts.namespace_object or {}).get("metadata") or {}).get("labels") or {}
    return str(labels.get(ENFORCE) or "none")


def _pod_security(facts: SecurityFacts) -> Iterator[Finding]:
    if facts.namespace_object is None:
        return
    enforced = _enforced(facts)
    rank = STANDARDS.index(enforced) if enforced in STANDARDS else 0
    if rank < STANDARDS.index(facts.pod_security):
        yield Finding(
            f"Namespace {facts.namespace}", f"it enforces pod security {enforced}, {facts.pod_security} is wanted"
        )


def _weaker_standard(facts: SecurityFacts) -> list[str]:
    wanted = facts.pod_security
    return [f"pod security {wanted} wanted, document restricted"] if wanted != STANDARDS[-1] else []


def _refused_users(facts: SecurityFacts) -> Iterator[Finding]:
    """What the kubelet says of images whose user is root, or a name that it cannot tell from root."""
    for pod in facts.running:
        status = pod.get("status") or {}
        for told in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
            waiting = (told.get("state") or {}).get("waiting") or {}
            message = str(waiting.get("message") or "")
            if waiting.get("reason") == _CONFIG_ERROR and "runAsNonRoot" in message:
                where = f"{pod['kind']} {pod['metadata']['name']} container {told.get('name')}"
                yield Finding(where, f"the kubelet does not start it: {message.partition(' (pod:')[0]}")


# ---------------------------------------------------------------------------- resources


def resources(facts: SecurityFacts) -> Verdict:
    """Requests and limits on every container, within quota and limit ranges, and the wanted class of service."""
    every = [amounts.with_defaults(one, facts.limit_ranges) for one in (*facts.described, *facts.running)]
    findings = [
        *resource_findings(every, facts.namespace),
        *amounts.qos_findings(every, facts.namespace, facts.qos),
        *amounts.room_findings(facts.described, facts.pods, facts.quotas, facts.limit_ranges, facts.namespace),
    ]
    weighed = facts.weighed(RESOURCES, findings)
    quotas = {
        item["metadata"]["name"]: {key: (item.get("status") or {}).get(key) or {} for key in ("hard", "used")}
        for item in facts.quotas
    }
    ranges = [item["metadata"]["name"] for item in facts.limit_ranges]
    seen = _seen(facts, {**weighed.evidence(), "quotas": quotas, "limit_ranges": ranges, "qos_wanted": facts.qos})
    if nothing := _nothing(facts, seen):
        return nothing
    count = len({at.where for at in containers(every, facts.namespace) if not at.ephemeral})
    bounds = f"quota {', '.join(quotas)} leaves room" if quotas else "no quota bounds the namespace"
    return settled(
        weighed,
        holds=f"Every container ({count}) has requests and limits for CPU and memory, pods are {facts.qos} or better, "
        f"and {bounds}.",
        remedy="Set resources.requests and resources.limits for the containers named; let an administrator raise the "
        "quota where it is short.",
        unseen=facts.refused(*WORKLOAD_KINDS, "ResourceQuota", "LimitRange"),
        seen=seen,
    )


# ---------------------------------------------------------------------------- the root filesystem


def read_only_root(facts: SecurityFacts) -> Verdict:
    """No container can write its root filesystem, nor a volume that lies over the system's paths."""
    every = (*facts.described, *facts.running)
    findings = [
        *root_findings(every, facts.namespace, facts.writable_paths),
        *(finding for one in facts.inside for finding in insides.root_findings(one)),
    ]
    weighed = facts.weighed(ROOT, findings)
    seen = _seen(facts, {**weighed.evidence(), "writable_paths": list(facts.writable_paths), **_inside_seen(facts)})
    if nothing := _nothing(facts, seen):
        return nothing
    if facts.check_mode and not weighed.open:
        return pending("Whether a write fails needs a probe, and check mode sends none.", "", seen)
    if not weighed.open and (odd := [one for one in facts.inside if one.wrote == "unknown"]):
        return inconclusive(
            f"{odd[0].where}: the try to write ended without an answer ({odd[0].said}).", "Try again.", seen
        )
    count = len({at.where for at in containers(every, facts.namespace)})
    return settled(
        weighed,
        holds=f"Every container ({count}) has a read-only root filesystem or a justified exception ({_looked(facts)}).",
        remedy="Set readOnlyRootFilesystem: true and give an emptyDir for each path that is written (such as /tmp), "
        "away from the system's paths; or give an exception with its reason.",
        unseen=facts.refused(*WORKLOAD_KINDS),
        seen=seen,
    )
