# The account that deploys: a client certificate, the roles that the collection ships, and their bindings.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

import json
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path

import yaml

from sandbox.api import ApiError
from sandbox.component import Context, Workload
from sandbox.pki import Certificate
from sandbox.settings import load

S = load()
ROLES = Path(__file__).parents[3] / "roles" / "infrastructure" / "files" / "deployer-rbac.yaml"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
# What only the one role gives, and what only the other.
GIVEN = (
    {"verb": "list", "resource": "nodes"},
    {"verb": "create", "group": "apps", "resource": "deployments", "namespace": S.app_namespace},
)


def roles() -> str:
    """The shipped roles, one document each."""
    return yaml.safe_dump_all(yaml.safe_load(ROLES.read_text(encoding="utf-8"))["items"])


def values(_: Context) -> Mapping[str, str]:
    return {"roles": roles()}


def answers(ctx: Context) -> bool:
    """The API server has taken up both bindings; it needs a moment for that."""
    return all(_allowed(ctx, attributes) for attributes in GIVEN)


def _allowed(ctx: Context, attributes: Mapping[str, str]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": S.deployer, "resourceAttributes": dict(attributes)},
    }
    try:
        answer = json.loads(ctx.cluster.call("POST", REVIEWS, json.dumps(review)))
    except (OSError, ApiError, HTTPException):
        return False
    return answer["status"].get("allowed") is True


COMPONENT = Workload(
    needs=("kube-apiserver",),
    certificates=(Certificate(S.deployer, "ca", S.deployer, kubeconfig=True),),
    values=values,
    answers=answers,
)
