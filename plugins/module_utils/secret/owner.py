# Says who manages a Secret that is there: a controller, Helm, or another tool; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import MANAGER
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import MANAGED_BY

_HELM_RELEASE = "meta.helm.sh/release-name"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who manages a Secret, and what to do where it is to be another way."""

    name: str
    remedy: str

    def refusal(self, secret: str) -> str:
        """The sentence that leaves the Secret alone."""
        return f"{secret} belongs to {self.name}. {self.remedy}"


# By API group and kind, as they stand in ownerReferences: External Secrets, Sealed Secrets, cert-manager, the Vault
# Secrets Operator and the Secrets Store CSI driver name what they make so.
_KINDS = {
    ("external-secrets.io", "ExternalSecret"): "Change the value in its store, or delete the ExternalSecret first.",
    ("bitnami.com", "SealedSecret"): "Seal and apply a new SealedSecret, or delete the SealedSecret first.",
    ("cert-manager.io", "Certificate"): "Change that Certificate (certificate_request), or delete it first.",
    ("secrets.hashicorp.com", "VaultStaticSecret"): "Change the value in Vault, or delete that object first.",
    ("secrets.hashicorp.com", "VaultDynamicSecret"): "Vault renews it by itself; delete that object first.",
    ("secrets.hashicorp.com", "VaultPKISecret"): "Vault renews it by itself; delete that object first.",
}
_OTHER_NAME = "Take another name, or end that first."
_CSI = Owner("the Secrets Store CSI driver", "Change the value in its store, or remove its secretObjects first.")
_ESO = Owner("External Secrets", "Change the value in its store, or delete its ExternalSecret first.")
_VAULT = Owner("the Vault Secrets Operator", "Change the value in Vault, or delete its object first.")
_SEALED = Owner("Sealed Secrets", "Seal and apply a new SealedSecret, or delete it first.")
_CERT_MANAGER = "Change that Certificate (certificate_request), or delete it and the Secret first."
_TOOLS = {"hashicorp-vso": _VAULT, "external-secrets": _ESO}


def owner_of(live: Mapping[str, Any]) -> Owner | None:
    """Who manages a Secret; None where nobody else does."""
    metadata = live.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if release := annotations.get(_HELM_RELEASE):
        return Owner(f"the Helm release {release}", "Take another name, or take it out of the chart first.")
    return _referred(metadata) or _marked(labels, annotations) or _typed(str(live.get("type") or "")) or _tool(labels)


def _referred(metadata: Mapping[str, Any]) -> Owner | None:
    """The object that a Secret is deleted with: whatever is written into it goes when that goes."""
    references = metadata.get("ownerReferences") or []
    known = [one for one in references if (_group(one), one.get("kind")) in _KINDS]
    if (metadata.get("labels") or {}).get("secrets-store.csi.k8s.io/managed") == "true":
        return _CSI  # its owners are the workloads that mount it
    if not references:
        return None
    one = (known or sorted(references, key=lambda item: not item.get("controller")))[0]
    return Owner(f"{one.get('kind')} {one.get('name')}", _KINDS.get((_group(one), one.get("kind")), _OTHER_NAME))


def _marked(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Owner | None:
    """The labels and annotations by which controllers mark a Secret that they do not own."""
    if labels.get("reconcile.external-secrets.io/managed") == "true":
        return _ESO
    if annotations.get("sealedsecrets.bitnami.com/managed") == "true":
        return _SEALED
    if certificate := annotations.get("cert-manager.io/certificate-name"):
        return Owner(f"cert-manager's Certificate {certificate}", _CERT_MANAGER)
    if "secrets.hashicorp.com/vso-ownerRefUID" in labels:
        return _VAULT
    return None


def _typed(kind: str) -> Owner | None:
    if kind == "kubernetes.io/service-account-token":
        return Owner("a service account, whose token Kubernetes writes", "Take another name.")
    if kind == "helm.sh/release.v1":
        return Owner("Helm, whose record of a release it is", "Take another name.")
    return None


def _tool(labels: Mapping[str, str]) -> Owner | None:
    """The tool that the common label names."""
    tool = labels.get(MANAGED_BY, "")
    if tool in ("", MANAGER):
        return None
    remedy = f"Take another name, or remove its label {MANAGED_BY} if {tool} has nothing to do with it any more."
    return _TOOLS.get(tool, Owner(tool, remedy))


def _group(reference: Mapping[str, Any]) -> str:
    return str(reference.get("apiVersion", "")).rpartition("/")[0]
