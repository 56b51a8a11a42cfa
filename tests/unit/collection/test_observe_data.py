# From where PostgreSQL and Redis are met, and what is read of the release, its workloads and the servers' pods.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import reach
from ansible_collections.bytebot.production.plugins.module_utils.argspec_data import database_keys, redis_keys
from ansible_collections.bytebot.production.plugins.module_utils.checks import postgres, redis
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    POOLING,
    TLS,
    Asked,
    Pool,
    PoolerSeen,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.redis_facts import Pods, RedisSeen, ServerPod
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys, Target
from ansible_collections.bytebot.production.plugins.module_utils.clients import ask_postgres, ask_redis
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Place
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_postgres import (
    UNREADABLE,
    PostgresScope,
    mode_in,
    observe,
    password_flaw,
)
from ansible_collections.bytebot.production.plugins.module_utils.observe_redis import RedisScope
from ansible_collections.bytebot.production.plugins.module_utils.observe_redis import observe as observe_redis
from ansible_collections.bytebot.production.plugins.module_utils.observe_redis_pods import pods_of, service_of
from ansible_collections.bytebot.production.plugins.module_utils.reach import Roads, Sides, Way
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import Probe
from tests.unit.collection.helm_fakes import rendered, stored
from tests.unit.collection.test_observe_secrets import Kubernetes, secret
from tests.unit.real_servers import free_port

Object = dict[str, Any]
WORD = secrets.token_urlsafe(24)
PROBE = Probe("shop", "image:1", 0.0, pause=lambda _seconds: None)
NO_PROBE = Sides("auto", None, "no probe_image is given.")


@dataclass(frozen=True)
class Answer:
    cause: str = ""
    lost: bool = False


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ask(
    sides: Sides,
    port: int,
    answer: Callable[[Way], Answer],
    kubernetes: Kubernetes | None = None,
    host: str = "127.0.0.1",
) -> tuple[str, str, str]:
    """From where a server is met, the state of there being no way, and its cause."""
    with Roads(kubernetes or Kubernetes(), sides) as roads:  # type: ignore[arg-type]
        _seen, side, no_way = roads.ask(host, port, answer)
    return side, no_way.state if no_way else "", no_way.cause if no_way else ""


# ---------------------------------------------------------------------- from where


@pytest.mark.parametrize("side", ["auto", "direct"])
def test_a_server_that_this_machine_reaches_is_met_from_here(side: str) -> None:
    kubernetes = Kubernetes()
    with listening() as port:
        assert ask(Sides(side, PROBE), port, lambda _way: Answer(), kubernetes) == ("controller", "", "")
    assert kubernetes.made == 0


def test_where_this_machine_does_not_reach_a_pod_does_and_is_gone_afterwards() -> None:
    kubernetes, met = Kubernetes(), []

    def look(way: Way) -> Answer:
        met.append(way.side)
        return Answer()

    assert ask(Sides("auto", PROBE), free_port(), look, kubernetes) == ("namespace", "", "")
    assert (met, kubernetes.made, kubernetes.pods) == (["namespace"], 1, [])


@pytest.mark.parametrize(
    ("refusal", "side"),
    [
        (Answer("the server admits no such sign-in from there (pg_hba.conf)"), "namespace"),
        (Answer("DENIED Redis is running in protected mode"), "namespace"),
        (Answer("the connection was lost", lost=True), "namespace"),
        (Answer("the user or the password is refused"), "controller"),
    ],
)
def test_who_is_not_wanted_from_here_asks_from_the_namespace(refusal: Answer, side: str) -> None:
    def answer(way: Way) -> Answer:
        return refusal if way.side == "controller" else Answer()

    with listening() as port:
        assert ask(Sides("auto", PROBE), port, answer)[0] == side
        assert ask(NO_PROBE, port, answer)[0] == "controller"


def test_the_namespace_is_asked_where_it_is_wanted_even_if_this_machine_reaches_it() -> None:
    kubernetes = Kubernetes()
    with listening() as port:
        assert ask(Sides("namespace", PROBE), port, lambda _way: Answer(), kubernetes)[0] == "namespace"
    assert kubernetes.made == 1


def test_why_there_is_no_way_is_certain_or_said_not_to_be() -> None:
    port = free_port()
    side, state, cause = ask(Sides("direct", PROBE), port, lambda _way: Answer())
    assert (side, state) == ("controller", "refused")
    assert f"no connection to 127.0.0.1:{port}: connection refused" in cause
    _side, state, cause = ask(NO_PROBE, port, lambda _way: Answer())
    assert state == "unseen"
    assert "no probe_image is given" in cause
    _side, state, cause = ask(Sides("direct", PROBE), 1, lambda _way: Answer(), host="no-such-host.invalid")
    assert (state, "does not resolve here" in cause) == ("refused", True)


def test_a_missing_library_and_a_pod_that_cannot_be_made_are_told() -> None:
    def missing(_way: Way) -> Answer:
        raise LibraryMissing("psycopg", "No module named psycopg")

    kubernetes = Kubernetes()
    assert ask(Sides("namespace", PROBE), 1, missing, kubernetes)[1] == "missing"
    assert kubernetes.pods == []
    kubernetes.status = {"phase": "Failed"}
    assert ask(Sides("namespace", PROBE), 1, lambda _way: Answer(), kubernetes)[1] == "unable"


def test_a_server_that_is_lost_behind_the_pod_is_told_by_what_carried_it() -> None:
    side, state, cause = ask(Sides("namespace", PROBE), 1, lambda _way: Answer("it ended", lost=True))
    assert (side, state) == ("namespace", "refused")
    assert "it ended" in cause


# ---------------------------------------------------------------------- the release


def workload(name: str = "api", replicas: int = 3, **container: Any) -> Object:
    spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": name, **container}]}}}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def variable(name: str, value: str) -> Object:
    return {"name": name, "value": value}


def autoscaler(target: str, most: int) -> Object:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": target}, "maxReplicas": most}
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": target}, "spec": spec}


def config(name: str, **data: str) -> Object:
    return {"kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def credentials(**changes: str) -> Object:
    good = {"username": "bytebot_user", "password": WORD, "host": "db.shop", "database": "shop"}
    return secret("bytebot-db-secret", **{**good, **changes})


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Target, Place]]:
    """With whom servers were met; they answer nothing in particular."""
    calls: list[tuple[Target, Place]] = []

    def look(target: Target, place: Place, **_more: object) -> PostgresSeen:
        calls.append((target, place))
        return PostgresSeen()

    def console(target: Target, place: Place) -> PoolerSeen:
        calls.append((target, place))
        return PoolerSeen()

    def look_redis(target: Target, place: Place, **_more: object) -> RedisSeen:
        calls.append((target, place))
        return RedisSeen(info={"role": "master"}, config={"dir": "/var/lib/redis"})

    monkeypatch.setattr(ask_postgres, "look", look)
    monkeypatch.setattr(ask_postgres, "console", console)
    monkeypatch.setattr(ask_redis, "look", look_redis)
    monkeypatch.setattr(reach, "direct", lambda host, _port: ("192.0.2.1", "") if "shop" in host else ("", "away"))
    return calls


VARIABLES = {
    "size_variables": ("DATABASE_MAX_CONNECTIONS", "DATABASE_URL"),
    "mode_variables": ("DATABASE_SSL_MODE", "DATABASE_URL"),
}


def look(kubernetes: Kubernetes, folder: Path, redactor: Redactor | None = None, **scope: Any) -> Any:
    given = {"database": database_keys({}), "sides": NO_PROBE, **VARIABLES, **scope}
    wanted = PostgresScope("shop", "bytebot", **given)
    return observe(kubernetes, wanted, redactor or Redactor(), str(folder))  # type: ignore[arg-type]


def test_pools_are_the_size_of_each_workload_times_the_most_replicas(tmp_path: Path, met: list[Any]) -> None:
    url = f"postgresql://u:{WORD}@db.shop/shop?sslmode=require&connection_limit=7"
    objects = [
        workload("api", envFrom=[{"configMapRef": {"name": "settings"}}]),
        workload("worker", env=[variable("DATABASE_MAX_CONNECTIONS", "4")]),
        workload("agent", env=[{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "urls", "key": "a"}}}]),
        workload("ui", env=[variable("OTHER", "1")]),
    ]
    changed = workload("worker", replicas=6, env=[variable("DATABASE_MAX_CONNECTIONS", "9")])
    others = (objects[0], changed, config("settings", DATABASE_MAX_CONNECTIONS="5", DATABASE_SSL_MODE="verify-full"),
              secret("urls", a=url), autoscaler("api", 10), credentials())  # fmt: skip
    facts = look(Kubernetes(stored(rendered(*objects)), *others), tmp_path)
    assert [(one.name, one.size, one.replicas) for one in facts.pools] == [
        ("api", 5, 10), ("worker", 9, 6), ("agent", 7, 3),
    ]  # fmt: skip
    assert (facts.released, facts.pools_problem, facts.asked_problem) == (True, "", "")
    assert set(facts.asked) == {
        Asked("verify-full", "DATABASE_SSL_MODE of Deployment api"),
        Asked("require", "DATABASE_URL of Deployment agent"),
    }
    assert met[0][0].host == "db.shop"
    assert met[0][1].address == "192.0.2.1"


def test_a_workload_that_uses_the_secret_and_says_no_size_is_a_pool_of_unknown_size(
    tmp_path: Path, met: list[Any]
) -> None:
    word: Object = {"name": "PASS", "valueFrom": {"secretKeyRef": {"name": "bytebot-db-secret", "key": "password"}}}
    first = workload("ui", env=[variable("OTHER", "1")])
    first["spec"]["template"]["spec"]["initContainers"] = [{"name": "wait", "env": [word]}]  # is over by then
    objects = [
        workload("api", env=[word, variable("DATABASE_MAX_CONNECTIONS", "5")]),
        workload("worker", replicas=2, env=[word]),
        workload("off", replicas=0, env=[word]),
        workload("agent", envFrom=[{"secretRef": {"name": "bytebot-db-secret"}}]),
        first,
    ]
    facts = look(Kubernetes(stored(rendered(*objects)), *objects, credentials()), tmp_path)
    assert [(one.name, one.size, one.replicas) for one in facts.pools] == [
        ("api", 5, 3), ("worker", None, 2), ("agent", None, 3),
    ]  # fmt: skip
    found = {one.control: one.verdict for one in postgres.CHECKS.judge(facts, [POOLING])}[POOLING]
    assert (str(found.state), "of worker, agent is not known" in found.summary) == ("pending", True)


@pytest.mark.parametrize("kind", ["HorizontalPodAutoscaler", "Deployment", "settings"])
def test_what_may_not_be_read_of_pools_is_told(tmp_path: Path, met: list[Any], kind: str) -> None:
    one = workload(envFrom=[{"configMapRef": {"name": "settings"}}], env=[variable("DATABASE_MAX_CONNECTIONS", "5")])
    kubernetes = Kubernetes(stored(rendered(one)), credentials(), config("settings"))
    kubernetes.forbidden = {kind}
    facts = look(kubernetes, tmp_path)
    assert "Not permitted" in facts.pools_problem
    states = {one.control: str(one.verdict.state) for one in postgres.CHECKS.judge(facts, [POOLING, TLS])}
    assert states[POOLING] == "pending"
    assert met


def test_pools_that_are_given_are_taken_as_they_are(tmp_path: Path, met: list[Any]) -> None:
    facts = look(Kubernetes(credentials()), tmp_path, pools=(Pool("api", 5, 2),))
    assert facts.pools == (Pool("api", 5, 2),)
    assert (facts.released, len(met)) == (False, 1)


def test_no_value_of_a_secret_is_told(tmp_path: Path, met: list[Any]) -> None:
    redactor, url = Redactor(), f"postgresql://u:{WORD}@db.shop/shop?sslmode=disable"
    keys = database_keys({"secret": "urls", "dsn_key": "DATABASE_URL"})
    kubernetes = Kubernetes(secret("urls", DATABASE_URL=url))
    facts = look(kubernetes, tmp_path, redactor, database=keys)
    assert met[0][0].password == WORD
    told = str(results_of(postgres.CHECKS.judge(facts), redactor))
    assert WORD not in told
    assert "DATABASE_URL of Secret urls asks for sslmode disable" in told
    assert WORD not in redactor.text(f"lost: {WORD}")


def test_a_secret_that_is_not_there_or_not_readable_is_met_by_nobody(tmp_path: Path, met: list[Any]) -> None:
    assert "is not there" in look(Kubernetes(), tmp_path).secret_problem
    kubernetes = Kubernetes(credentials())
    kubernetes.forbidden = {"bytebot-db-secret"}
    assert "Not permitted" in look(kubernetes, tmp_path).secret_problem
    assert look(Kubernetes(credentials(host="localhost")), tmp_path).target.problems
    assert met == []


def test_the_pooler_is_met_at_its_console(tmp_path: Path, met: list[Any]) -> None:
    console = Keys("pooler", required=("username", "password", "host"))
    pooler = secret("pooler", username="statistics", password=WORD, host="pooler.shop", port="6432")
    facts = look(Kubernetes(credentials(), pooler), tmp_path, pooler=console)
    assert (met[1][0].host, met[1][0].port, met[1][0].database) == ("pooler.shop", 6432, "pgbouncer")
    assert facts.pooler == PoolerSeen()
    assert "is not there" in look(Kubernetes(credentials()), tmp_path, pooler=console).pooler_secret_problem


def test_the_ca_of_a_managed_service_stands_in_for_one_in_the_secret(tmp_path: Path, met: list[Any]) -> None:
    look(Kubernetes(credentials()), tmp_path, ca="-----BEGIN CERTIFICATE-----")
    assert Path(met[0][1].ca_file).read_text(encoding="utf-8") == "-----BEGIN CERTIFICATE-----"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("verify-full", "verify-full"),
        ("postgresql://u:p@h/d?sslmode=require", "require"),
        ("postgresql://u:p@h/d", "prefer"),
        ("postgresql://u:p@h/d?sslmode=require&sslaccept=strict", "verify-full"),
        ("postgresql://u:p@h/d?sslmode=no-verify", UNREADABLE),
        ("postgresql://u:p@[h/d", UNREADABLE),
        ("host=h password=p sslmode='require'", "require"),
        ("host=h password=p", "prefer"),
        ("a secret in the wrong place", UNREADABLE),
    ],
)
def test_the_mode_in_a_text(text: str, mode: str) -> None:
    assert mode_in(text) == mode


@pytest.mark.parametrize(
    ("word", "flawed"), [("shop", True), ("Postgres", True), ("changeme", True), (WORD, False), ("", False)]
)
def test_passwords_that_everybody_tries_first(word: str, flawed: bool) -> None:
    assert bool(password_flaw(Target("h", 1, "shop", word))) is flawed


# ---------------------------------------------------------------------- Redis and its pods


def look_redis(kubernetes: Kubernetes, folder: Path) -> Any:
    scope = RedisScope("shop", "bytebot", redis_keys({}), NO_PROBE)
    return observe_redis(kubernetes, scope, Redactor(), str(folder))  # type: ignore[arg-type]


def server_pod(volume: Object, path: str = "/var/lib", **resources: Any) -> Object:
    main = {"name": "redis", "volumeMounts": [{"name": "v", "mountPath": path}], "resources": resources}
    return {
        "kind": "Pod",
        "metadata": {"name": "redis-0", "labels": {"app": "redis"}},
        "spec": {"containers": [{"name": "exporter"}, main], "volumes": [{"name": "v", **volume}]},
        "status": {"phase": "Running"},
    }


SERVICE: Object = {"kind": "Service", "metadata": {"name": "redis"}, "spec": {"selector": {"app": "redis"}}}
CLAIM = {"persistentVolumeClaim": {"claimName": "data-redis-0"}}


@pytest.mark.parametrize(
    ("pod", "found"),
    [
        (
            server_pod(CLAIM, limits={"memory": "256Mi"}),
            ServerPod("redis-0", 2**28, "persistentVolumeClaim data-redis-0", lasting=True),
        ),
        (server_pod({"emptyDir": {}}), ServerPod("redis-0", None, "emptyDir v", lasting=False)),
        (server_pod({"ephemeral": {}}), ServerPod("redis-0", None, "ephemeral v", lasting=False)),
        (server_pod(CLAIM, path="/var/li"), ServerPod("redis-0")),
    ],
)
def test_the_volume_and_limit_of_the_servers_pod(pod: Object, found: ServerPod) -> None:
    seen = pods_of(Kubernetes(SERVICE, pod), "redis.cache.svc", "shop", "/var/lib/redis")  # type: ignore[arg-type]
    assert seen == Pods((found,))


@pytest.mark.parametrize(
    ("images", "proxy"),
    [
        (["public.ecr.aws/docker/library/haproxy:2.9.4-alpine"], True),  # as the chart redis-ha puts before its pods
        (["registry:5000/envoyproxy/envoy@sha256:1", "registry:5000/exporter"], True),
        (["haproxy:3", "redis:7"], False),
        (["registry/cache:1"], False),
        ([], False),
    ],
)
def test_pods_of_a_proxy_are_not_the_servers(images: list[str], proxy: bool) -> None:
    pod = server_pod({"emptyDir": {}})
    pod["spec"]["containers"] = [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]
    seen = pods_of(Kubernetes(SERVICE, pod), "redis.cache.svc", "shop", "/data")  # type: ignore[arg-type]
    assert ("of a proxy" in seen.problem, bool(seen.found)) == (proxy, not proxy)


def test_pods_that_are_not_there_or_may_not_be_seen() -> None:
    kubernetes = Kubernetes(SERVICE)
    kubernetes.forbidden = {"Pod"}
    assert "Not permitted" in pods_of(kubernetes, "redis", "shop", "/data").problem  # type: ignore[arg-type]
    assert "no such Service" in pods_of(Kubernetes(), "redis", "shop", "/data").outside  # type: ignore[arg-type]
    named: Object = {"kind": "Service", "metadata": {"name": "redis"}, "spec": {"type": "ExternalName"}}
    assert "selects no pods" in pods_of(Kubernetes(named), "redis", "shop", "/data").outside  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("redis", ("redis", "shop")),
        ("redis.cache", ("redis", "cache")),
        ("redis.cache.svc", ("redis", "cache")),
        ("Redis.cache.svc.cluster.local.", ("redis", "cache")),
        ("redis-0.redis.cache.svc.cluster.local", ("redis", "cache")),
        ("master.shop.abc123.use1.cache.amazonaws.com", None),
        ("10.0.0.1", None),
    ],
)
def test_the_service_that_a_host_names(host: str, named: tuple[str, str] | None) -> None:
    assert service_of(host, "shop") == named


def test_redis_is_met_and_its_pods_are_seen_where_its_data_are(tmp_path: Path, met: list[Any]) -> None:
    own = secret("bytebot-redis-secret", password=WORD, host="redis.shop.svc")
    facts = look_redis(Kubernetes(own, SERVICE, server_pod(CLAIM)), tmp_path)
    assert met[0][0].password == WORD
    assert [one.volume for one in facts.pods.found] == ["persistentVolumeClaim data-redis-0"]


@pytest.mark.parametrize(("name", "state"), [("LOG_LEVEL", "not_applicable"), ("REDIS_HOST", "pending")])
def test_the_release_says_whether_redis_is_used(tmp_path: Path, met: list[Any], name: str, state: str) -> None:
    kubernetes = Kubernetes(stored(rendered(workload(env=[variable(name, "x")]))))
    found = redis.CHECKS.judge(look_redis(kubernetes, tmp_path))
    assert {str(one.verdict.state) for one in found[1:]} == {state}
    assert found[0].verdict.state == ("fail" if state == "pending" else state)
    assert met == []
