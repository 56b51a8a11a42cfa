# Secrets observed once, the tunnel into a namespace, and the scratch pod: whatever happens, nothing is left.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import socket
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils import observe_sign_in
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import DATABASE, REDIS, Manager
from ansible_collections.bytebot.production.plugins.module_utils.clients.login_postgres import Outcome, _refusal
from ansible_collections.bytebot.production.plugins.module_utils.clients.tunnel import NO_TOOL, tunnel
from ansible_collections.bytebot.production.plugins.module_utils.errors import LibraryMissing, NotPermitted
from ansible_collections.bytebot.production.plugins.module_utils.observe_secrets import Scope, observe, referenced
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.scratch_pod import (
    LABELS,
    PodFailed,
    Probe,
    scratch_pod,
)
from tests.unit.collection.helm_fakes import rendered, stored

Object = dict[str, Any]
WORD = b64encode(os.urandom(32)).decode()
PROBE = Probe("shop", "image:1", 0.0, pause=lambda _seconds: None)


class Ended:
    """An exec stream whose program said something and ended."""

    def __init__(self, said: str) -> None:
        self._said, (self._here, self._there) = [said.encode()], socket.socketpair()
        self._there.close()

    def fileno(self) -> int:
        return self._here.fileno()

    def write(self, _data: bytes) -> None:
        raise EOFError

    def read(self) -> tuple[bytes, bytes]:
        if not self._said:
            raise EOFError
        return b"", self._said.pop()

    def close(self) -> None:
        self._here.close()


class Echo:
    """An exec stream that sends back what it gets."""

    def __init__(self) -> None:
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)

    def fileno(self) -> int:
        return self._here.fileno()

    def write(self, data: bytes) -> None:
        self._there.sendall(data.upper())

    def read(self) -> tuple[bytes, bytes]:
        try:
            return self._here.recv(1000), b""
        except BlockingIOError:
            return b"", b""

    def close(self) -> None:
        self._here.close()
        self._there.close()


class Kubernetes:
    """Holds objects; a pod that is made has the status that it is told to have."""

    def __init__(self, *objects: Object) -> None:
        self.objects = list(objects)
        self.forbidden: set[str] = set()
        self.served: set[str] = set()
        self.status: Object = {"phase": "Running"}
        self.made = 0

    def get(self, _api: str, kind: str, name: str, _namespace: str = "") -> Object | None:
        if name in self.forbidden:
            raise NotPermitted(f"Not permitted to get {name}.")
        found = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
        return found[0] if found else None

    def list(self, _api: str, kind: str, _namespace: str = "", *, labels: str = "", fields: str = "") -> list[Object]:
        if kind in self.forbidden:
            raise NotPermitted(f"Not permitted to list {kind}.")
        wanted = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            one
            for one in self.objects
            if one["kind"] == kind and wanted.items() <= (one["metadata"].get("labels") or {}).items()
        ]

    def serves(self, _api: str, kind: str) -> bool:
        return kind in self.served

    def create(self, obj: Object) -> Object:
        self.made += 1
        self.objects.append({**obj, "status": self.status})
        return self.objects[-1]

    def delete(self, _api: str, kind: str, name: str, _namespace: str = "") -> bool:
        self.objects = [one for one in self.objects if (one["kind"], one["metadata"]["name"]) != (kind, name)]
        return True

    @property
    def pods(self) -> list[Object]:
        return self.list("v1", "Pod")


def secret(name: str, kind: str = "Opaque", **data: str) -> Object:
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    return {"kind": "Secret", "metadata": {"name": name}, "type": kind, "data": encoded}


def database(**changes: str) -> Object:
    good = {"username": "bytebot_user", "password": WORD, "host": "db.shop", "database": "shop"}
    return secret("bytebot-db-secret", **{**good, **changes})


def look(kubernetes: Kubernetes, folder: Path, **scope: Any) -> Any:
    return observe(kubernetes, Scope("shop", "bytebot", **scope), Redactor(), str(folder))  # type: ignore[arg-type]


# ---------------------------------------------------------------------- what is read


def test_secrets_are_read_once_and_what_may_not_be_read_is_told(tmp_path: Path) -> None:
    kubernetes = Kubernetes(database(), secret("token", "kubernetes.io/service-account-token", token="x"))
    kubernetes.forbidden = {"bytebot-redis-secret"}
    facts = look(kubernetes, tmp_path, others=("more",))
    assert set(facts.held) == {"bytebot-db-secret"}
    assert set(facts.denied) == {"bytebot-redis-secret"}
    assert set(facts.absent) == {"bytebot-jwt-secret", "bytebot-tls-secret", "more"}
    assert facts.released is False
    assert kubernetes.made == 0


def test_the_secrets_of_a_workload_are_those_that_it_needs() -> None:
    spec = {
        "volumes": [
            {"secret": {"secretName": "a"}},
            {"secret": {"secretName": "optional", "optional": True}},
            {"projected": {"sources": [{"secret": {"name": "b"}}]}},
        ],
        "initContainers": [{"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k"}}}]}],
        "containers": [{"envFrom": [{"secretRef": {"name": "d"}}, {"configMapRef": {"name": "no"}}]}],
    }
    assert set(referenced({"kind": "Deployment", "spec": {"template": {"spec": spec}}})) == set("abcd")
    assert list(referenced({"kind": "Ingress", "spec": {"tls": [{"secretName": "e"}]}})) == ["e"]


@pytest.mark.parametrize(
    ("kind", "spec", "status", "problem"),
    [
        # External Secrets Operator, API: ExternalSecretStatus; Sealed Secrets: SealedSecretCondition
        (
            "ExternalSecret",
            {"target": {"name": "bytebot-db-secret"}},
            {
                "conditions": [
                    {"type": "Ready", "status": "False", "message": "could not get secret data from provider"}
                ]
            },
            "Ready is False (could not get secret data from provider)",
        ),
        ("ExternalSecret", {"target": {"name": "bytebot-db-secret"}}, {}, "it has no condition Ready yet"),
        (
            "SealedSecret",
            {"template": {"metadata": {"name": "bytebot-db-secret"}}},
            {"conditions": [{"type": "Synced", "status": "False", "message": "no key could decrypt secret"}]},
            "Synced is False (no key could decrypt secret)",
        ),
        ("SealedSecret", {}, {"conditions": [{"type": "Synced", "status": "True"}]}, ""),
        ("SecretProviderClass", {"secretObjects": [{"secretName": "bytebot-db-secret"}]}, {}, ""),
    ],
)
def test_what_makes_a_secret_from_outside_is_told(
    tmp_path: Path, kind: str, spec: Object, status: Object, problem: str
) -> None:
    maker = {"kind": kind, "metadata": {"name": "bytebot-db-secret"}, "spec": spec, "status": status}
    kubernetes = Kubernetes(database(), maker)
    kubernetes.served = {kind}
    facts = look(kubernetes, tmp_path)
    assert facts.held["bytebot-db-secret"].managers == (Manager(kind, "bytebot-db-secret", problem),)
    (result,) = CHECKS.judge(facts, [DATABASE])
    assert (result.verdict.state == "fail") is bool(problem)


VAULT = {
    "vault.hashicorp.com/agent-inject": "true",
    "vault.hashicorp.com/agent-inject-secret-database": "secret/data/bytebot/production",
}
CSI = {
    "name": "s",
    "csi": {"driver": "secrets-store.csi.k8s.io", "volumeAttributes": {"secretProviderClass": "bytebot"}},
}


def fetching(code: int | None) -> Object:
    state = {"running": {}} if code is None else {"terminated": {"exitCode": code}}
    return {"phase": "Running", "initContainerStatuses": [{"name": "vault-agent-init", "state": state}]}


@pytest.mark.parametrize(
    ("annotations", "volumes", "noted", "status", "state", "words"),
    [
        (
            VAULT,
            [],
            {"vault.hashicorp.com/agent-inject-status": "injected"},
            fetching(0),
            "pending",
            "1 pods have them",
        ),
        (VAULT, [], {"vault.hashicorp.com/agent-inject-status": "injected"}, fetching(None), "fail", "has not fetched"),
        (VAULT, [], {"vault.hashicorp.com/agent-inject-status": "injected"}, fetching(1), "fail", "has not fetched"),
        (VAULT, [], {}, {"phase": "Running"}, "fail", "the injector has not touched it"),
        (VAULT, [], {}, None, "pending", "no pod runs yet"),
        ({}, [CSI], {}, {"phase": "Running"}, "pending", "SecretProviderClass bytebot"),
        ({}, [CSI], {}, {"phase": "Pending"}, "fail", "it has not started"),
        ({}, [], {}, {"phase": "Running"}, "fail", "is not there in namespace"),
    ],
)
def test_files_that_are_put_into_pods_stand_in_the_place_of_a_secret(
    tmp_path: Path,
    annotations: Object,
    volumes: list[Object],
    noted: Object,
    status: Object | None,
    state: str,
    words: str,
) -> None:
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [], "volumes": volumes}}
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"template": template},
    }
    kubernetes = Kubernetes(stored(rendered(workload)))
    if status is not None:
        metadata = {"name": "api-1", "annotations": {**annotations, **noted}}
        kubernetes.objects.append({"kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": status})
    facts = look(kubernetes, tmp_path)
    database, redis, tls = CHECKS.judge(facts, [DATABASE, REDIS, "deployment.secrets.tls"])
    assert (database.verdict.state, words in database.verdict.summary) == (state, True)
    assert redis.verdict.state == "not_applicable"
    assert tls.verdict.state == "fail"


def test_pods_that_may_not_be_listed_leave_injection_open(tmp_path: Path) -> None:
    workload = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api"},
        "spec": {"template": {"metadata": {"annotations": VAULT}, "spec": {"containers": []}}},
    }
    kubernetes = Kubernetes(stored(rendered(workload)))
    kubernetes.forbidden = {"Pod"}
    (result,) = CHECKS.judge(look(kubernetes, tmp_path), [DATABASE])
    assert (result.verdict.state, result.verdict.remedy) == ("pending", "Grant list on pods.")


@pytest.mark.parametrize(
    ("env", "state"), [("LOG_LEVEL", "not_applicable"), ("REDIS_HOST", "fail")], ids=["no redis", "redis"]
)
def test_the_deployed_release_says_whether_redis_is_used(tmp_path: Path, env: str, state: str) -> None:
    container = {"name": "api", "env": [{"name": env, "value": "x"}], "envFrom": [{"secretRef": {"name": "further"}}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec}
    kubernetes = Kubernetes(stored(rendered(workload)), secret("further", password=WORD))
    facts = look(kubernetes, tmp_path)
    assert "further" in facts.held
    (result,) = CHECKS.judge(facts, [REDIS])
    assert result.verdict.state == state


# ---------------------------------------------------------------------- signing in


def signs_in(monkeypatch: pytest.MonkeyPatch, outcome: Outcome | Exception) -> None:
    def answer(*_given: object) -> Outcome:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(observe_sign_in, "SERVICES", {"postgresql": answer, "redis": answer})


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(), "pass"),
        (Outcome("the database does not exist"), "fail"),
        (Outcome("the server has no connection left", passing=True), "inconclusive"),
        (LibraryMissing("psycopg", "No module named psycopg"), "pending"),
    ],
)
def test_the_pod_is_gone_whatever_comes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: Outcome | Exception, state: str
) -> None:
    signs_in(monkeypatch, outcome)
    kubernetes = Kubernetes(database())
    (result,) = CHECKS.judge(look(kubernetes, tmp_path, probe=PROBE), [DATABASE])
    assert result.verdict.state == state
    assert (kubernetes.made, kubernetes.pods, list(tmp_path.iterdir())) == (1, [], [])


def test_no_pod_is_made_where_the_credentials_are_none(tmp_path: Path) -> None:
    kubernetes = Kubernetes(database(password="$(openssl rand -base64 32)"))
    look(kubernetes, tmp_path, probe=PROBE)
    assert kubernetes.made == 0


def test_no_pod_is_made_for_what_is_not_judged(tmp_path: Path) -> None:
    kubernetes = Kubernetes(database())
    look(kubernetes, tmp_path, probe=PROBE, only=(REDIS,))
    assert kubernetes.made == 0


@pytest.mark.parametrize(
    ("said", "policies", "state", "told"),
    [
        ("socket.gaierror: [Errno -2] Name or service not known", [], "refused", "does not resolve"),
        ("nc: bad address 'x'", [], "refused", "does not resolve"),
        ("bash: connect: Connection refused", [], "refused", "nothing listens there"),
        ("connect: Connection timed out", [], "refused", "no way to it"),
        ("connect: Connection timed out", ["deny"], "blocked", "NetworkPolicy deny"),
        ("Temporary failure in name resolution", ["deny"], "blocked", "NetworkPolicy deny"),
        (NO_TOOL, [], "unable", "none of python3"),
        ("Not permitted to exec in pod shop/x: forbidden.", [], "unable", "Not permitted"),
    ],
)
def test_each_way_to_fail_has_its_own_words(said: str, policies: list[str], state: str, told: str) -> None:
    spec = {"podSelector": {}, "policyTypes": ["Egress"]}
    kubernetes: Any = Kubernetes(
        *({"kind": "NetworkPolicy", "metadata": {"name": one}, "spec": spec} for one in policies)
    )
    found = observe_sign_in._judged(kubernetes, PROBE, Outcome("the connection was lost", lost=True), said)
    assert (found.state, told in found.cause) == (state, True)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('FATAL: password authentication failed for user "x"', "the user or the password is refused"),
        ('FATAL: database "x" does not exist', "the database does not exist"),
        ("FATAL: no pg_hba.conf entry for host", "the server admits no such sign-in from there (pg_hba.conf)"),
        (
            "server does not support SSL, but SSL was required",
            "the server offers no TLS, and the Secret's sslmode asks",
        ),
        ("SSL error: certificate verify failed", "the server's certificate does not verify"),
        ("FATAL: sorry, too many clients already", "the server has no connection left"),
    ],
)
def test_postgresqls_words_are_understood(message: str, cause: str) -> None:
    assert _refusal(f"connection failed: {message}").cause.startswith(cause)


# ---------------------------------------------------------------------- the tunnel


def test_the_tunnel_carries_both_ways() -> None:
    with (
        tunnel(lambda _command: Echo(), "db.shop", 5432) as way,
        socket.create_connection(("127.0.0.1", way.port), timeout=10) as here,
    ):
        here.sendall(b"hello")
        assert here.recv(100) == b"HELLO"


def test_what_the_pod_said_is_kept_when_the_connection_ends() -> None:
    asked: list[list[str]] = []

    def opens(command: list[str]) -> Ended:
        asked.append(command)
        return Ended("Name or service not known\n")

    with (
        tunnel(opens, "db.shop", 5432) as way,
        socket.create_connection(("127.0.0.1", way.port), timeout=10) as here,
    ):
        assert here.recv(100) == b""
        assert way.said == "Name or service not known"
    assert asked[0][-2:] == ["db.shop", "5432"]


# ---------------------------------------------------------------------- the pod


def test_leftovers_go_first_and_the_pod_holds_nothing() -> None:
    kubernetes: Any = Kubernetes({"kind": "Pod", "metadata": {"name": "left", "labels": LABELS}})
    with scratch_pod(kubernetes, PROBE):
        (pod,) = kubernetes.pods
        assert pod["metadata"]["name"] != "left"
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert "env" not in spec["containers"][0]
    assert kubernetes.pods == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"phase": "Failed"}, "ended at once"),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "InvalidImageName", "message": "bad"}}}]},
            "cannot start",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]},
            "cannot be pulled",
        ),
        ({"phase": "Pending"}, "does not run within"),
        (
            {
                "phase": "Pending",
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
                ],
            },
            r"no node takes the scratch pod \(0/1 nodes\)",
        ),
    ],
)
def test_a_pod_that_does_not_run_is_told_and_gone(status: Mapping[str, Any], said: str) -> None:
    kubernetes: Any = Kubernetes()
    kubernetes.status = status
    with pytest.raises(PodFailed, match=said), scratch_pod(kubernetes, PROBE):
        pass
    assert kubernetes.pods == []


def test_a_node_that_comes_in_time_takes_the_pod() -> None:
    """A drain ends, or an autoscaler makes one: that none takes it counts only after the grace."""
    kubernetes: Any = Kubernetes()
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    kubernetes.status = {"phase": "Pending", "conditions": [told]}

    def comes(_seconds: float) -> None:
        kubernetes.objects = [{**one, "status": {"phase": "Running"}} for one in kubernetes.objects]

    with scratch_pod(kubernetes, replace(PROBE, timeout_s=60.0, pause=comes)):
        assert len(kubernetes.pods) == 1
    assert PROBE.unplaced_s < replace(PROBE, shape=dict).unplaced_s, "one that asks for room may wait for a new node"


def test_a_request_to_end_removes_the_pod_first() -> None:
    kubernetes: Any = Kubernetes()
    with pytest.raises(SystemExit), scratch_pod(kubernetes, PROBE):
        os.kill(os.getpid(), signal.SIGTERM)
    assert kubernetes.pods == []
