# postgres_check and redis_check against real services, from a namespace of their own that nothing else uses.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.called import HANDOVER, call, kube, states

OURS = os.environ.get("BYTEBOT_TEST_DATA_NAMESPACE", "it-data-check")
VERSION, CREDENTIALS, POOLING, TLS = (
    f"infrastructure.database.{item}" for item in ("version", "credentials", "pooling", "tls")
)
CACHE = tuple(f"infrastructure.cache.{item}" for item in ("version", "credentials", "persistence", "memory"))
DATABASE_HOST, CACHE_HOST = "postgres.database.svc.cluster.local", "redis.cache.svc.cluster.local"
POOLS = [{"name": "api", "size": 5, "replicas": 4}]
NOBODYS = "bm90LXRoZS1wYXNzd29yZC1vZi1hbnlib2R5LWF0LWFsbA-x9"


def judge(module: str, tmp_path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    """What a module says through a pod in our namespace, which is gone afterwards."""
    usual = {"namespace": OURS, "release": "bytebot", "probe_image": "registry.sandbox/base:1", "reach": "namespace"}
    found = call(module, tmp_path, **{**usual, **options})
    assert kube("get", "pods", "-n", OURS, "-o", "name") == ""
    return found


def database(tmp_path: Path, **options: Any) -> dict[str, dict[str, Any]]:
    return judge("postgres_check", tmp_path, **{"pools": POOLS, **options})


def patch(secret: str, **data: str) -> None:
    kube("patch", "secret", secret, "-n", OURS, "-p", json.dumps({"stringData": data}))


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    meta = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OURS, "labels": labels}}
    kube("apply", "-f", "-", stdin=json.dumps(meta))
    yield
    kube("delete", "namespace", OURS, "--wait=false")


@pytest.fixture(autouse=True)
def _secrets(_namespace: None) -> None:
    """The Secrets as a platform team hands them over."""
    kube("delete", "secrets", "--all", "-n", OURS)
    new = ("create", "secret", "generic", "-n", OURS)
    kube(
        *new, "bytebot-db-secret", "--from-literal=username=bytebot_user", f"--from-literal=host={DATABASE_HOST}",
        "--from-literal=database=bytebot_production", f"--from-file=password={HANDOVER}/database-password",
        f"--from-file=ca.crt={HANDOVER}/database-ca.crt",
    )  # fmt: skip
    kube(
        *new, "bytebot-redis-secret", "--from-literal=username=bytebot", f"--from-literal=host={CACHE_HOST}",
        f"--from-file=password={HANDOVER}/redis-password",
    )  # fmt: skip


def test_a_healthy_database_is_green(tmp_path: Path) -> None:
    found = database(tmp_path)
    assert states(found) == dict.fromkeys((VERSION, CREDENTIALS, POOLING, TLS), "pass"), found


def test_a_healthy_cache_is_green(tmp_path: Path) -> None:
    found = judge("redis_check", tmp_path)
    assert states(found) == dict.fromkeys(CACHE, "pass"), found


@pytest.mark.parametrize(
    ("data", "red", "pending", "said"),
    [
        ({"password": NOBODYS}, {CREDENTIALS}, {VERSION, POOLING, TLS}, "the user or the password is refused"),
        ({"host": "postgres.nowhere.svc.cluster.local"}, {VERSION}, {CREDENTIALS, POOLING, TLS}, "does not resolve"),
        ({"port": "5433"}, {VERSION}, {CREDENTIALS, POOLING, TLS}, "was not reached"),
        ({"sslmode": "disable"}, {TLS}, set(), "asks for sslmode disable, and verify-full is wanted"),
        ({"sslmode": "require"}, {TLS}, set(), "asks for sslmode require, and verify-full is wanted"),
    ],
)
def test_a_wrong_word_in_the_databases_secret(
    tmp_path: Path, data: dict[str, str], red: set[str], pending: set[str], said: str
) -> None:
    patch("bytebot-db-secret", **data)
    found = database(tmp_path)
    for state, wanted in (("fail", red), ("pending", pending)):
        assert {control for control, one in found.items() if one["state"] == state} == wanted, found
    assert all(said in found[control]["summary"] for control in red)


def test_a_host_that_the_certificate_does_not_name(tmp_path: Path) -> None:
    address = kube("get", "service", "postgres", "-n", "database", "-o", "jsonpath={.spec.clusterIP}")
    patch("bytebot-db-secret", host=address)
    found = database(tmp_path)
    assert states(found) == {VERSION: "pass", CREDENTIALS: "pass", POOLING: "pass", TLS: "fail"}, found
    assert "does not verify" in found[TLS]["summary"]


def test_pools_that_are_larger_than_the_database(tmp_path: Path) -> None:
    found = database(tmp_path, pools=[{"name": "api", "size": 20, "replicas": 10}])
    assert states(found) == {VERSION: "pass", CREDENTIALS: "pass", POOLING: "fail", TLS: "pass"}
    assert "may open 200 connections (api 20 x 10)" in found[POOLING]["summary"]


def test_the_pooler_is_asked_by_its_console(tmp_path: Path) -> None:
    kube(
        "create", "secret", "generic", "-n", OURS, "pooler", "--from-literal=username=pooler_statistics",
        "--from-literal=host=pgbouncer.database.svc.cluster.local", "--from-literal=port=6432",
        f"--from-file=password={HANDOVER}/pooler-password", f"--from-file=ca.crt={HANDOVER}/database-ca.crt",
    )  # fmt: skip
    found = database(tmp_path, pooler={"secret": "pooler"}, only=[POOLING])[POOLING]
    assert found["state"] == "pass", found
    assert "of the 52 that the server has for it" in found["summary"]
    found = database(tmp_path, pooler={"secret": "pooler", "instances": 3}, only=[POOLING])[POOLING]
    assert found["state"] == "fail"
    patch("pooler", port="6433")
    found = database(tmp_path, pooler={"secret": "pooler"}, only=[POOLING])[POOLING]
    assert (found["state"], "was not reached" in found["summary"]) == ("fail", True)


def test_a_newer_version_is_wanted(tmp_path: Path) -> None:
    assert states(database(tmp_path, minimum_version=99, only=[VERSION])) == {VERSION: "fail"}
    assert states(judge("redis_check", tmp_path, minimum_version=99, only=[CACHE[0]])) == {CACHE[0]: "fail"}


def test_without_a_probe_and_a_way_nothing_is_said_of_the_server(tmp_path: Path) -> None:
    found = database(tmp_path, probe_image=None)
    assert set(states(found).values()) == {"pending"}
    assert "no probe_image is given" in found[VERSION]["summary"]


@pytest.mark.parametrize(
    ("data", "red", "pending"),
    [
        ({"password": NOBODYS}, {CACHE[1]}, {CACHE[0], CACHE[2], CACHE[3]}),
        ({"host": "redis.nowhere.svc.cluster.local"}, {CACHE[0]}, {CACHE[1], CACHE[2], CACHE[3]}),
    ],
)
def test_a_wrong_word_in_the_caches_secret(
    tmp_path: Path, data: dict[str, str], red: set[str], pending: set[str]
) -> None:
    patch("bytebot-redis-secret", **data)
    found = judge("redis_check", tmp_path)
    for state, wanted in (("fail", red), ("pending", pending)):
        assert {control for control, one in found.items() if one["state"] == state} == wanted, found


@pytest.mark.parametrize(
    ("options", "red"),
    [
        ({"use": "queue"}, CACHE[3]),
        ({"headroom": 0.5}, CACHE[3]),
        ({"data_directory": "/tmp"}, CACHE[2]),
        ({"require_tls": True}, CACHE[1]),
    ],
)
def test_more_is_wanted_of_the_cache(tmp_path: Path, options: dict[str, Any], red: str) -> None:
    found = states(judge("redis_check", tmp_path, **options))
    assert {control for control, state in found.items() if state == "fail"} == {red}
    assert {state for control, state in found.items() if control != red} == {"pass"}


def test_where_nothing_says_whether_redis_is_used_it_is_pending(tmp_path: Path) -> None:
    kube("delete", "secret", "bytebot-redis-secret", "-n", OURS)
    found = states(judge("redis_check", tmp_path))
    assert found == dict.fromkeys(CACHE, "pending")


def test_check_mode_only_reads(tmp_path: Path) -> None:
    found = database(tmp_path, _ansible_check_mode=True)
    assert set(states(found).values()) == {"pending"}
    assert "check mode sends none" in found[VERSION]["summary"]
