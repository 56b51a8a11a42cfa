# Who manages a Secret: what another controller or tool owns is left alone, with one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import Refused
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.owner import owner_of
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import MANAGED_BY, parse
from tests.unit.collection.fakes import FakeCluster


def secret(metadata: dict[str, Any], kind: str = "Opaque") -> dict[str, Any]:
    named = {"namespace": "default", "name": "app", **metadata}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": named, "type": kind, "data": {"password": "eA=="}}


def reference(api: str, kind: str, *, controller: bool = True) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "name": "theirs", "uid": "u", "controller": controller}


OWNED = [
    ({"ownerReferences": [reference("external-secrets.io/v1", "ExternalSecret")]}, "ExternalSecret theirs. Change the"),
    ({"ownerReferences": [reference("bitnami.com/v1alpha1", "SealedSecret")]}, "SealedSecret theirs. Seal and apply"),
    ({"ownerReferences": [reference("cert-manager.io/v1", "Certificate")]}, "Certificate theirs. Change that Certific"),
    (
        {"ownerReferences": [reference("secrets.hashicorp.com/v1beta1", "VaultStaticSecret")]},
        "VaultStaticSecret theirs",
    ),
    (
        {"ownerReferences": [reference("apps/v1", "Deployment", controller=False)]},
        "Deployment theirs. Take another name",
    ),
    (
        {
            "ownerReferences": [reference("apps/v1", "ReplicaSet", controller=False)],
            "labels": {"secrets-store.csi.k8s.io/managed": "true"},
        },
        "the Secrets Store CSI driver. Change the value in its store",
    ),
    ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets. Change the value in its store"),
    ({"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}, "Sealed Secrets. Seal and apply"),
    ({"annotations": {"cert-manager.io/certificate-name": "web"}}, "cert-manager's Certificate web. Change that"),
    (
        {"annotations": {"meta.helm.sh/release-name": "shop"}},
        "the Helm release shop. Take another name, or take it",
    ),
    ({"labels": {MANAGED_BY: "hashicorp-vso"}}, "the Vault Secrets Operator. Change the value in Vault"),
    ({"labels": {MANAGED_BY: "Terraform"}}, "Terraform. Take another name, or remove its label"),
]


@pytest.mark.parametrize(("metadata", "sentence"), OWNED)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_another_one_manages_is_left_alone(metadata: dict[str, Any], sentence: str, state: str) -> None:
    cluster = FakeCluster(secret(metadata))
    base = {"namespace": "default", "name": "app", "type": "Opaque", "state": "present"}
    one = Keeper(cluster, Redactor(), parse({**base, "data": {"password": {"random": {}}}}), False)
    with pytest.raises(Refused) as caught:
        getattr(one, state)(with_diff=False)
    assert caught.value.sentence.startswith(f"Secret default/app belongs to {sentence}")
    assert cluster.writes == 0


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "helm.sh/release.v1"])
def test_types_that_have_their_writer(kind: str) -> None:
    assert owner_of(secret({}, kind)) is not None


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": {MANAGED_BY: "bytebot.production"}},
        {"labels": {"tier": "db", "reconcile.external-secrets.io/managed": "false"}, "annotations": {"note": "x"}},
        {"ownerReferences": []},
    ],
)
def test_what_nobody_else_manages(metadata: dict[str, Any]) -> None:
    assert owner_of(secret(metadata)) is None
