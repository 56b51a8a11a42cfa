# Ingresses as the controllers of clouds want them: class, certificate and actions stand in annotations.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress import IngressFacts, Wanted, ingress
from tests.unit.collection.test_ingress_checks import HOST, RIGHT, an_ingress, backend, path

Object = dict[str, Any]
ALB = "alb.ingress.kubernetes.io"
CANARY = {"nginx.ingress.kubernetes.io/canary": "true"}
ANY_CLASS = Wanted((HOST,))


def noted(annotations: dict[str, str], *paths: Object, name: str = "bytebot-api", **spec: Any) -> Object:
    one = an_ingress(name, *paths, **spec)
    one["metadata"]["annotations"] = annotations
    return one


def only(one: Object, wanted: Wanted = ANY_CLASS) -> IngressFacts:
    return replace(RIGHT, wanted=wanted, ours=(one,))


def unpublished(one: Object) -> Object:
    return {**one, "status": {}}


@pytest.mark.parametrize(
    "one",
    [
        # GKE's controller reads the annotation alone, there is no IngressClass, and where neither is there it takes it.
        noted({"kubernetes.io/ingress.class": "gce"}, ingressClassName=None),
        noted({}, ingressClassName=None),
        noted({f"{ALB}/certificate-arn": "arn:aws:acm:eu-west-1:1:certificate/2"}, tls=None),
        noted({f"{ALB}/listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]'}, tls=[{"hosts": [HOST]}]),
        noted({"networking.gke.io/managed-certificates": "shop"}, tls=None),
        noted({"ingress.gcp.kubernetes.io/pre-shared-cert": "shop"}, tls=None),
        noted({"appgw.ingress.kubernetes.io/appgw-ssl-certificate": "shop"}, tls=None),
        noted({"route.openshift.io/termination": "edge"}, tls=None),
        noted(
            {f"{ALB}/actions.ssl-redirect": '{"Type": "redirect"}'},
            path("/*", to=backend("ssl-redirect", "use-annotation")),
            path("/"),
        ),
    ],
)
def test_what_controllers_of_clouds_read_from_annotations_is_right(one: Object) -> None:
    found = ingress(only(one))
    assert found.state == "pass", found.summary


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (only(unpublished(noted({}, ingressClassName=None))), "names no class"),
        (only(noted({}, ingressClassName=None), Wanted((HOST,), ingress_class="gce")), "names no class"),
        (only(unpublished(noted({"kubernetes.io/ingress.class": "gce"}, ingressClassName=None))), "does not exist"),
        (only(noted({}, ingressClassName="gce")), "the class gce, which does not exist"),
        (only(noted({f"{ALB}/certificate-arn": " "}, tls=None)), "without a TLS Secret"),
        (only(noted({f"{ALB}/listen-ports": '[{"HTTP": 80}]'}, tls=None)), "without a TLS Secret"),
        (
            only(noted({}, path("/", to=backend("redirect", "use-annotation")))),
            "Service redirect, which does not exist",
        ),
        (replace(RIGHT, others=(noted({}, name="canary"),)), "claimed twice"),
        (replace(RIGHT, others=(noted({next(iter(CANARY)): "false"}, name="canary"),)), "claimed twice"),
        (replace(RIGHT, others=(noted(CANARY, name="canary", namespace="elsewhere"),)), "claimed twice"),
    ],
)
def test_what_no_annotation_explains_is_red(facts: IngressFacts, said: str) -> None:
    found = ingress(facts)
    assert (found.state, said in found.summary) == ("fail", True), found.summary


@pytest.mark.parametrize("ours", [True, False])
def test_a_canary_beside_its_ingress_is_meant(ours: bool) -> None:
    canary = noted(CANARY, name="canary")
    facts = replace(RIGHT, ours=(*RIGHT.ours, canary)) if ours else replace(RIGHT, others=(canary,))
    assert ingress(facts).state == "pass"
