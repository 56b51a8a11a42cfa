# Asking cert-manager for a certificate: the object that is applied, what is refused, and what is told of its state.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.secret.certificate_request import Request, wanted
from tests.unit.collection.fakes import FakeCluster

ASKED = {
    "issuer": {"name": "letsencrypt", "kind": "ClusterIssuer", "group": "cert-manager.io"},
    "dns_names": ["api.example"],
    "algorithm": "ec",
}
BASE = {"name": "web", "namespace": "default", "state": "present", "labels": {"tier": "edge"}}
API = "cert-manager.io/v1"


class WithCertManager(FakeCluster):
    def __init__(self, *objects: dict[str, Any]) -> None:
        super().__init__()
        self._kinds[API, "Certificate"] = ("certificates", True)
        for obj in objects:
            self.put(obj)


def params(**changes: Any) -> dict[str, Any]:
    return {**BASE, "certificate_request": {**ASKED, **changes.pop("request", {})}, **changes}


def ask(cluster: FakeCluster, *, check: bool = False, **changes: Any) -> dict[str, Any]:
    return Request(cluster, wanted(params(**changes)), check).apply(with_diff=True)


def test_the_certificate_is_applied_once() -> None:
    cluster = WithCertManager()
    asked = ask(cluster, check=True)
    assert cluster.live("Certificate", "web", "default", API) is None
    done = ask(cluster)
    assert asked["changed"] and done["changed"]
    live = cluster.live("Certificate", "web", "default", API)
    assert live["spec"] == {
        "secretName": "web",
        "issuerRef": ASKED["issuer"],
        "duration": "2160h0m0s",
        "renewBefore": "720h0m0s",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
        "dnsNames": ["api.example"],
    }
    assert live["metadata"]["labels"] == {"tier": "edge", "app.kubernetes.io/managed-by": "bytebot.production"}
    assert done["certificate"] == {
        "name": "web",
        "condition": "Ready",
        "ready": None,
        "reason": "",
        "message": "",
        "not_after": "",
    }
    assert not ask(cluster)["changed"]


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ({"algorithm": "rsa", "bits": 4096}, {"algorithm": "RSA", "size": 4096}),
        ({"algorithm": "ec", "curve": "secp384r1"}, {"algorithm": "ECDSA", "size": 384}),
        ({"algorithm": "ed25519"}, {"algorithm": "Ed25519"}),
    ],
)
def test_kinds_of_keys(algorithm: dict[str, Any], key: dict[str, Any]) -> None:
    spec = wanted(params(request=algorithm))["spec"]
    assert spec["privateKey"] == {**key, "rotationPolicy": "Always"}


@pytest.mark.parametrize(
    ("status", "seen", "ready"),
    [("True", 1, True), ("False", 1, False), ("Unknown", 1, None), ("True", 0, None)],
)
def test_the_state_is_cert_managers_own_and_of_this_version(status: str, seen: int, ready: bool | None) -> None:
    cluster = WithCertManager()
    ask(cluster)
    live = cluster.live("Certificate", "web", "default", API)
    live["metadata"]["generation"] = 1
    condition = {"type": "Ready", "status": status, "reason": "Issued", "message": "up", "observedGeneration": seen}
    live["status"] = {"conditions": [condition], "notAfter": "2026-09-01T00:00:00Z"}
    told = ask(cluster)["certificate"]
    assert told["ready"] is ready
    assert told["reason"] == ("Issued" if seen else "")
    assert told["not_after"] == "2026-09-01T00:00:00Z"


def test_without_cert_manager_that_is_said() -> None:
    with pytest.raises(Refused, match=r"since the cluster does not serve cert-manager.io/v1. Install cert-manager, or"):
        ask(FakeCluster())


def secret(metadata: dict[str, Any]) -> dict[str, Any]:
    named = {"namespace": "default", "name": "web", **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "data": {}}


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({}, "is there and not of cert-manager, which would overwrite it. Delete it first"),
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "belongs to External Secrets"),
        ({"labels": {"app.kubernetes.io/managed-by": "bytebot.production"}}, "is there and not of cert-manager"),
    ],
)
def test_a_secret_of_another_one_is_not_given_to_cert_manager(metadata: dict[str, Any], sentence: str) -> None:
    cluster = WithCertManager(secret(metadata))
    with pytest.raises(Refused, match=sentence):
        ask(cluster)
    assert cluster.writes == 0


def test_cert_managers_own_secret_is_no_hindrance() -> None:
    assert ask(WithCertManager(secret({"annotations": {"cert-manager.io/certificate-name": "web"}})))["changed"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data": {"a": {"value": "CANARY"}}}, "certificate_request does not go with data"),
        ({"certificates": [{}]}, "certificate_request does not go with certificates"),
        ({"state": "absent"}, "certificate_request does not go with state absent"),
        ({"request": {"dns_names": []}}, "certificate_request has neither dns_names nor ip_addresses"),
        ({"request": {"days": 10, "renew_before_days": 10}}, "certificate_request.renew_before_days (10) is not below"),
    ],
)
def test_requests_that_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        wanted(params(**changes))
    assert sentence in caught.value.sentence
