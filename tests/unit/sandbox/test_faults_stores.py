# What the faults in PostgreSQL, Redis and CoreDNS change in the components' own configuration, and that it comes back.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography import x509

from sandbox.catalog import discover
from sandbox.component import Context
from sandbox.components import postgres
from sandbox.faults import FAULTS, ingress
from sandbox.faults.fault import Hands
from tests.unit.sandbox.test_config_files import ctx, objects  # noqa: F401 - a fixture


class Cluster:
    """Keeps the objects of three components as declared, and takes merge patches of their data."""

    def __init__(self, kept: Mapping[tuple[str, str], dict[str, Any]]) -> None:
        self.kept = dict(kept)
        self.applied: list[str] = []

    def get(self, path: str) -> dict[str, Any]:
        kind, name = path.split("/")[-2:]
        return self.kept[kind, name]

    def apply(self, component: str, _: str) -> None:
        self.applied.append(component)


class Doing(Hands):
    """Patches the kept objects at once; what would wait for pods does not."""

    def patch(self, path: str, body: Mapping[str, Any], kind: str = "") -> None:
        if "data" in body:
            self.cluster.get(path)["data"].update(body["data"])  # type: ignore[index]

    def until(self, holds: Any, what: str) -> None: ...

    def restart(self, path: str) -> None: ...


@pytest.fixture
def hands(ctx: Context) -> Hands:  # noqa: F811
    kept = {
        (f"{one['kind'].lower()}s", one["metadata"]["name"]): one
        for name in ("postgres", "redis", "coredns")
        for one in objects(ctx, discover()[name])
    }
    return Doing(ctx.settings, Cluster(kept), ctx.pki)  # type: ignore[arg-type]


def data(hands: Hands, kind: str, name: str, key: str) -> str:
    found: str = hands.cluster.get(f"/{kind}/{name}")["data"][key]  # type: ignore[index]
    return found


@pytest.mark.parametrize(
    ("name", "said", "gone"),
    [
        ("redis_aof_off", "appendonly no", "appendonly yes"),
        ("redis_maxmemory_zero", "maxmemory 0", "maxmemory 192mb"),
        ("redis_maxmemory_above_limit", "maxmemory 512mb", "maxmemory 192mb"),
        ("redis_full_no_eviction", "maxmemory-policy noeviction", "maxmemory-policy volatile-lru"),
    ],
)
def test_a_directive_is_changed_and_nothing_else(hands: Hands, name: str, said: str, gone: str) -> None:
    before = data(hands, "configmaps", "redis", "redis.conf").splitlines()
    for _ in range(2):
        FAULTS[name].put(hands)
    after = data(hands, "configmaps", "redis", "redis.conf").splitlines()
    assert said in after
    assert gone not in after
    assert len(after) == len(before)
    assert len(set(before) - set(after)) == (2 if name == "redis_full_no_eviction" else 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [("redis_no_password", "user default on nopass ~* &* +@all"), ("redis_acl_allows_all", "~* &* +@all\n")],
)
def test_the_access_list_is_opened(hands: Hands, name: str, said: str) -> None:
    FAULTS[name].put(hands)
    acl = base64.b64decode(data(hands, "secrets", "redis", "users.acl")).decode()
    assert said in acl
    assert ("-@dangerous" in acl) is (name == "redis_no_password")


def test_no_password_is_asked_for_over_the_network_and_the_local_rule_stays(hands: Hands) -> None:
    FAULTS["pg_hba_trust"].put(hands)
    rules = [line.split() for line in data(hands, "configmaps", "postgres", "pg_hba.conf").splitlines()]
    assert rules == [["local", "all", "all", "peer"], ["hostssl", "all", "all", "all", "trust"]]


def test_without_encryption_the_same_users_come_in_with_the_same_passwords(hands: Hands) -> None:
    FAULTS["database_tls_off"].put(hands)
    rules = [line.split() for line in data(hands, "configmaps", "postgres", "pg_hba.conf").splitlines()]
    assert rules == [["local", "all", "all", "peer"], ["host", "all", "all", "all", "scram-sha-256"]]
    assert "ssl = off" in data(hands, "configmaps", "postgres", "postgresql.conf")


@pytest.mark.parametrize(
    ("name", "names", "over"),
    [
        ("database_certificate_other_name", {"postgres.elsewhere.test"}, False),
        ("database_certificate_expired", set(postgres.NAMES), True),
    ],
)
def test_a_certificate_is_wrong_in_one_thing_only(hands: Hands, name: str, names: set[str], over: bool) -> None:
    FAULTS[name].put(hands)
    made = x509.load_pem_x509_certificate(base64.b64decode(data(hands, "secrets", "postgres-tls", "tls.crt")))
    alternative = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(alternative.get_values_for_type(x509.DNSName)) == names
    assert (made.not_valid_after_utc < datetime.datetime.now(datetime.UTC)) is over
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(hands.pki.path("database-ca.crt").read_bytes()))


@pytest.mark.parametrize("name", ["pg_hba_trust", "redis_aof_off", "redis_no_password"])
def test_healing_declares_the_component_again(hands: Hands, name: str) -> None:
    FAULTS[name].heal(hands)
    component = "postgres" if name.startswith("pg") else "redis"
    assert set(hands.cluster.applied) == {component}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["dns_host_missing", "dns_points_elsewhere"])
def test_names_are_answered_otherwise_and_then_as_before(hands: Hands, name: str) -> None:
    before = data(hands, "configmaps", "coredns", "Corefile")
    for _ in range(2):
        FAULTS[name].put(hands)
    changed = data(hands, "configmaps", "coredns", "Corefile")
    assert changed != before
    assert (ingress.ELSEWHERE in changed) is (name == "dns_points_elsewhere")
    assert hands.settings.node_address not in changed
    for _ in range(2):
        FAULTS[name].heal(hands)
    assert data(hands, "configmaps", "coredns", "Corefile") == before
