# Knows which versions of Kubernetes' own APIs are gone, since when, and what stands in their place.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Removed:
    """A kind in a version of an API: the minor version of Kubernetes that no longer has it, and what to write."""

    api_version: str
    kind: str
    minor: int
    instead: str

    def __str__(self) -> str:
        instead = f"; write {self.instead}" if self.instead else "; nothing stands in its place"
        return f"{self.api_version} {self.kind} is gone since Kubernetes 1.{self.minor}{instead}"


# Kubernetes, "Deprecated API Migration Guide".
_TABLE = (
    *((f"apps/{old}", _ANY, 16, "apps/v1") for old in ("v1beta1", "v1beta2")),
    *(("extensions/v1beta1", kind, 16, "apps/v1") for kind in ("DaemonSet", "Deployment", "ReplicaSet")),
    ("extensions/v1beta1", "NetworkPolicy", 16, "networking.k8s.io/v1"),
    ("extensions/v1beta1", "PodSecurityPolicy", 16, ""),
    ("extensions/v1beta1", "Ingress", 22, "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", _ANY, 22, "networking.k8s.io/v1"),
    ("admissionregistration.k8s.io/v1beta1", "MutatingWebhookConfiguration", 22, "admissionregistration.k8s.io/v1"),
    ("admissionregistration.k8s.io/v1beta1", "ValidatingWebhookConfiguration", 22, "admissionregistration.k8s.io/v1"),
    ("apiextensions.k8s.io/v1beta1", _ANY, 22, "apiextensions.k8s.io/v1"),
    ("apiregistration.k8s.io/v1beta1", _ANY, 22, "apiregistration.k8s.io/v1"),
    ("certificates.k8s.io/v1beta1", "CertificateSigningRequest", 22, "certificates.k8s.io/v1"),
    ("coordination.k8s.io/v1beta1", "Lease", 22, "coordination.k8s.io/v1"),
    ("rbac.authorization.k8s.io/v1beta1", _ANY, 22, "rbac.authorization.k8s.io/v1"),
    ("scheduling.k8s.io/v1beta1", "PriorityClass", 22, "scheduling.k8s.io/v1"),
    *(
        ("storage.k8s.io/v1beta1", kind, 22, "storage.k8s.io/v1")
        for kind in ("CSIDriver", "CSINode", "StorageClass", "VolumeAttachment")
    ),
    ("batch/v1beta1", "CronJob", 25, "batch/v1"),
    ("discovery.k8s.io/v1beta1", "EndpointSlice", 25, "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", "Event", 25, "events.k8s.io/v1"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler", 25, "autoscaling/v2"),
    ("policy/v1beta1", "PodDisruptionBudget", 25, "policy/v1"),
    ("policy/v1beta1", "PodSecurityPolicy", 25, ""),
    ("node.k8s.io/v1beta1", "RuntimeClass", 25, "node.k8s.io/v1"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler", 26, "autoscaling/v2"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", _ANY, 26, "flowcontrol.apiserver.k8s.io/v1"),
    ("storage.k8s.io/v1beta1", "CSIStorageCapacity", 27, "storage.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", _ANY, 29, "flowcontrol.apiserver.k8s.io/v1"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", _ANY, 32, "flowcontrol.apiserver.k8s.io/v1"),
)
# What helm says of an object whose kind the API server does not serve.
_NO_MATCH = re.compile(r'no matches for kind "([^"]+)" in version "([^"]+)"')


def removed(api_version: str, kind: str) -> Removed | None:
    """What is known of a kind in a version of an API, where it is one that was removed."""
    for version, known, minor, instead in _TABLE:
        if version == api_version and known in (_ANY, kind):
            return Removed(api_version, kind, minor, instead)
    return None


def removed_in(words: str) -> Iterator[Removed]:
    """The removed kinds that helm's message about a rendering speaks of."""
    for kind, version in _NO_MATCH.findall(words):
        if found := removed(version, kind):
            yield found


def unserved(objects: Iterable[Mapping[str, Any]], minor: int | None) -> list[Removed]:
    """The kinds among objects that a Kubernetes of a minor version no longer has.

    :param minor: None where the version is not known; then nothing can be said.
    """
    found = {removed(str(obj.get("apiVersion")), str(obj.get("kind"))) for obj in objects}
    known = [one for one in found if one and minor is not None and one.minor <= minor]
    return sorted(known, key=lambda one: (one.api_version, one.kind))
