# Asks cert-manager for a certificate: applies its Certificate object, and says by which condition it will be ready.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.apply import (
    MANAGER,
    Tally,
    naming,
    refuse_deleting,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.manifest import Identity, Object
from ansible_collections.bytebot.production.plugins.module_utils.secret.certificates import (
    LEAF_DAYS,
    LEAF_RENEW_DAYS,
    days_of,
    names_in,
)
from ansible_collections.bytebot.production.plugins.module_utils.secret.owner import owner_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import MANAGED_BY

API = "cert-manager.io/v1"
READY = "Ready"
_ALGORITHMS = {"rsa": "RSA", "ec": "ECDSA", "ed25519": "Ed25519"}
_SIZES = {"secp256r1": 256, "secp384r1": 384, "secp521r1": 521}


@dataclass(frozen=True, slots=True)
class Request:
    """Asks for the certificate of one Secret. With ``check`` the API server is asked and nothing is stored."""

    cluster: Cluster
    wanted: Object
    check: bool

    def apply(self, *, with_diff: bool) -> dict[str, Any]:
        """Apply the Certificate; the module's result. It does not wait: cert-manager's issuer may take its time."""
        metadata = self.wanted["metadata"]
        name = Identity("Certificate", metadata["namespace"], metadata["name"], "cert-manager.io")
        if not self.cluster.serves(API, "Certificate"):
            raise Refused(
                f"{name} cannot be asked for, since the cluster does not serve {API}. "
                "Install cert-manager, or have the certificate made here (certificates)."
            )
        self._refuse_anothers(name)
        with naming(name, "read"):
            live = self.cluster.get(API, "Certificate", name.name, name.namespace)
        refuse_deleting(name, live)
        with naming(name, "applied"):
            after = self.cluster.apply(self.wanted, manager=MANAGER, dry_run=self.check)
        tally = Tally()
        tally.note(name, live, after)
        shown = tally.result(with_diff=with_diff)
        return {
            "changed": shown["changed"],
            "secret": {"namespace": name.namespace, "name": name.name},
            "keys": [],
            "certificate": _state(after),
            **({"diff": shown["diff"]} if "diff" in shown else {}),
        }

    def _refuse_anothers(self, name: Identity) -> None:
        """Leave alone a Secret that is not cert-manager's: it would overwrite its values."""
        secret = self.cluster.get("v1", "Secret", name.name, name.namespace)
        if secret is None:
            return
        owner = owner_of(secret)
        told = f"Secret {name.namespace}/{name.name}"
        if owner is None:
            raise Refused(f"{told} is there and not of cert-manager, which would overwrite it. Delete it first.")
        if not _is_cert_managers(secret):
            raise Refused(owner.refusal(told))


def wanted(params: Mapping[str, Any]) -> Object:
    """The Certificate object for a module's options."""
    given, where = params["certificate_request"], "certificate_request"
    for other in ("data", "key_pairs", "certificates", "replace"):
        if params.get(other):
            raise InputError(f"{where} does not go with {other}: cert-manager fills the Secret by itself.")
    if params["state"] != "present":
        raise InputError(f"{where} does not go with state absent. Delete the Certificate by kube_apply.")
    names = names_in(where, given)
    days, renew = days_of(where, given, (LEAF_DAYS, LEAF_RENEW_DAYS))
    issuer = {key: given["issuer"][key] for key in ("name", "kind", "group")}
    spec: Object = {
        "secretName": params["name"],
        "issuerRef": issuer,
        "duration": f"{days * 24}h0m0s",
        "renewBefore": f"{renew * 24}h0m0s",
        "privateKey": _key(given),
        "usages": ["digital signature", *(f"{word} auth" for word in given.get("usages") or ["server"])],
    }
    spec |= {"dnsNames": list(names.dns)} if names.dns else {}
    spec |= {"ipAddresses": list(names.addresses)} if names.addresses else {}
    labels = {**{str(key): str(value) for key, value in (params.get("labels") or {}).items()}, MANAGED_BY: MANAGER}
    metadata = {"name": params["name"], "namespace": params["namespace"], "labels": labels}
    return {"apiVersion": API, "kind": "Certificate", "metadata": metadata, "spec": spec}


def _key(given: Mapping[str, Any]) -> Object:
    """The private key that is asked for, new with every renewal."""
    algorithm = given["algorithm"]
    size = {"rsa": given.get("bits") or 3072, "ec": _SIZES[given.get("curve") or "secp256r1"]}.get(algorithm)
    return {
        "algorithm": _ALGORITHMS[algorithm],
        **({"size": size} if size else {}),
        "rotationPolicy": "Always",
    }


def _state(live: Mapping[str, Any]) -> dict[str, Any]:
    """What cert-manager says of the Certificate by now; ``ready`` is null while it has said nothing of this version."""
    metadata, status = live["metadata"], live.get("status") or {}
    found: Mapping[str, Any] = next((one for one in status.get("conditions") or [] if one.get("type") == READY), {})
    seen = found.get("observedGeneration") in (None, metadata.get("generation"))
    ready = {"True": True, "False": False}.get(str(found.get("status"))) if seen else None
    return {
        "name": metadata["name"],
        "condition": READY,
        "ready": ready,
        "reason": str(found.get("reason", "")) if seen else "",
        "message": str(found.get("message", "")) if seen else "",
        "not_after": str(status.get("notAfter", "")),
    }


def _is_cert_managers(secret: Mapping[str, Any]) -> bool:
    metadata = secret.get("metadata") or {}
    owners = {str(one.get("apiVersion", "")).partition("/")[0] for one in metadata.get("ownerReferences") or []}
    return "cert-manager.io" in owners or "cert-manager.io/certificate-name" in (metadata.get("annotations") or {})
