# What controllers read from an Ingress's annotations in place of its specification: class, certificate, action, canary.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEGACY_CLASS = "kubernetes.io/ingress.class"  # from before IngressClass; GKE's own controller obeys nothing else
ALB = "alb.ingress.kubernetes.io"
# A certificate that the load balancer holds itself: AWS Load Balancer Controller, "Ingress annotations"; GKE, "Google-
# managed SSL certificates" and "Pre-shared certificates"; Application Gateway, "Annotations"; OpenShift, "Creating a
# route through an Ingress object".
_HELD = (
    f"{ALB}/certificate-arn",
    "networking.gke.io/managed-certificates",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
    "appgw.ingress.kubernetes.io/appgw-ssl-certificate",
    "route.openshift.io/termination",
)
_LISTENS = f"{ALB}/listen-ports"  # with HTTPS and no certificate named, it looks for one of the hosts by itself
_BY_ANNOTATION = "use-annotation"  # a port's name, which says that the backend is an action and no Service
_CANARY = "nginx.ingress.kubernetes.io/canary"

Object = Mapping[str, Any]


def annotations_of(one: Object) -> Mapping[str, Any]:
    """The annotations of an object."""
    found: Mapping[str, Any] = (one.get("metadata") or {}).get("annotations") or {}
    return found


def holds_certificate(one: Object) -> bool:
    """Whether the load balancer has the certificate of its own; which one it shows is told by a handshake."""
    told = annotations_of(one)
    return any(str(told.get(name) or "").strip() for name in _HELD) or '"HTTPS"' in str(told.get(_LISTENS) or "")


def is_action(one: Object, service: str, port: str) -> bool:
    """Whether a backend is an action that an annotation describes, as a redirect to https."""
    return port == _BY_ANNOTATION and f"{ALB}/actions.{service}" in annotations_of(one)


def is_canary(one: Object) -> bool:
    """Whether an Ingress takes a share of the requests of another one on purpose."""
    return str(annotations_of(one).get(_CANARY) or "").lower() == "true"
