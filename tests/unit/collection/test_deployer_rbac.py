# The roles that are shipped for the deployer's account give what the playbooks need, and nothing beyond it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.checks.cluster_access import (
    CLUSTER,
    NAMESPACE,
    USUAL_KINDS,
    Permission,
    Served,
    Situation,
    needed,
)

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "roles" / "infrastructure" / "files" / "deployer-rbac.yaml"
OWN = "bytebot-production"
# The kinds of a chart of the application: the usual ones, and what scales it.
KINDS = (*USUAL_KINDS, Served("autoscaling", "horizontalpodautoscalers", True))
# What may make Secrets from outside, as clusters serve it.
MAKERS = (
    Served("external-secrets.io", "externalsecrets", True),
    Served("bitnami.com", "sealedsecrets", True),
    Served("secrets-store.csi.x-k8s.io", "secretproviderclasses", True),
    Served("cert-manager.io", "certificates", True),
)
ROLES = {CLUSTER: "bytebot-deployer", NAMESPACE: "bytebot-deployer-namespace"}


class Grant(NamedTuple):
    """One verb on one resource; ``name`` where it is given for one object only."""

    group: str
    resource: str
    verb: str
    name: str = ""


def wanted(scope: str) -> set[Grant]:
    """What is needed in any situation: first deployment or later one, helm 3 or 4, with the probe of the storage."""
    situations = [
        Situation(OWN, namespace_exists, KINDS, watches, probe=True, makers=MAKERS)
        for namespace_exists, watches in itertools.product((False, True), repeat=2)
    ]
    permissions: list[Permission] = [one for situation in situations for one in needed(situation)]
    return {Grant(one.group, one.resource, one.verb, one.name) for one in permissions if one.scope == scope}


def roles() -> dict[str, list[dict[str, Any]]]:
    documents = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))["items"]
    assert {(one["apiVersion"], one["kind"]) for one in documents} == {("rbac.authorization.k8s.io/v1", "ClusterRole")}
    return {one["metadata"]["name"]: one["rules"] for one in documents}


def granted(scope: str) -> list[Grant]:
    return [
        Grant(*words)
        for rule in roles()[ROLES[scope]]
        for words in itertools.product(
            rule["apiGroups"], rule["resources"], rule["verbs"], rule.get("resourceNames", [""])
        )
    ]


def test_there_is_a_role_for_each_scope_and_no_other() -> None:
    assert set(roles()) == set(ROLES.values())


@pytest.mark.parametrize("scope", ROLES)
def test_all_that_is_needed_is_given(scope: str) -> None:
    assert wanted(scope) - set(granted(scope)) == set()


@pytest.mark.parametrize("scope", ROLES)
def test_nothing_is_given_that_is_not_needed(scope: str) -> None:
    assert set(granted(scope)) - wanted(scope) == set()


@pytest.mark.parametrize("scope", ROLES)
def test_each_is_given_once(scope: str) -> None:
    assert [one for one, times in Counter(granted(scope)).items() if times > 1] == []


def test_rules_are_plain() -> None:
    """No wildcard, no address of the API, nothing collected from other roles."""
    for rule in itertools.chain.from_iterable(roles().values()):
        assert set(rule) <= {"apiGroups", "resources", "resourceNames", "verbs"}
        assert "*" not in "".join(itertools.chain.from_iterable(rule.values()))


def test_no_verb_widens_the_account() -> None:
    everything = [*granted(CLUSTER), *granted(NAMESPACE)]
    assert not {one.verb for one in everything} & {"bind", "escalate", "impersonate"}
    assert {one.verb for one in everything if one.group == "rbac.authorization.k8s.io"} == {"list"}
