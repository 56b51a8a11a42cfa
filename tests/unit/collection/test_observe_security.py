# A namespace observed once: one LIST of each kind, what is refused is named, and no secret leaves by any way.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.security import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    CONTEXT,
    PRODUCTION,
    PROTECTION,
    RESOURCES,
    ROOT,
    STORED,
    SecurityFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.inside import Done, _problem
from ansible_collections.bytebot.production.plugins.module_utils.errors import NotPermitted, Unreachable
from ansible_collections.bytebot.production.plugins.module_utils.judge import results_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_encryption import encryption_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_security import (
    Scope,
    observe,
)
from ansible_collections.bytebot.production.plugins.module_utils.pod_owners import as_workload, owner_of
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from tests.unit.collection.fakes import FakeCluster, _Status, served
from tests.unit.collection.helm_fakes import rendered, stored
from tests.unit.collection.security_fixtures import (
    MOUNTS,
    PASSWORD,
    POD,
    SHOP,
    STATUS,
    account,
    config_map,
    deployment,
    live_pod,
    meta,
    namespace,
    secret,
    with_container,
)
from tests.unit.collection.test_access_review import ALICE, binding, role, rule

Object = dict[str, Any]
MODULE = "ansible_collections.bytebot.production.plugins.modules.security_check"
COLLECTIONS = Path(__file__).parents[3] / ".collections"
RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}


class Kubernetes(FakeCluster):
    """The fake cluster, which may refuse paths, and has no kinds beyond its own."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects, namespaces=())
        self.forbidden: set[str] = set()

    def put(self, obj: Object, manager: str = "somebody") -> None:
        super().put(obj, manager)
        if "status" in obj:  # as the kubelet and controllers write it
            self._stored[self._path_of(obj)]["status"] = obj["status"]

    def _get(self, path: str, body: Any, query: Any, kind: str) -> Object:
        if path in self.forbidden or path.rsplit("/", 1)[-1] in self.forbidden:
            raise _Status(403, f'User "x" cannot get {path}')
        if path == "/metrics":
            raise _Status(404, "not found")
        return super()._get(path, body, query, kind)


def cluster(*more: Object, pod: Object = POD) -> Kubernetes:
    return Kubernetes(
        namespace(),
        deployment(pod),
        live_pod(pod),
        secret(),
        account("app"),
        account("default"),
        config_map(HOST="db"),
        {**RBAC, **role("deployer", rule("get", "secrets"))},
        {**RBAC, "kind": "RoleBinding", **binding("deployer", ALICE)},
        *more,
    )


def said(write: str = "refused sh: cannot create: Read-only file system", **status: str) -> str:
    told = "".join(f"{key}:\t{value}\n" for key, value in (STATUS | status).items())
    parts = [f"@@ /proc/1/status\n{told}", f"@@ /proc/self/status\n{told}", f"@@ /proc/self/mounts\n{MOUNTS}"]
    return "".join((*parts, f"@@ {write}\n"))


def looked(
    kubernetes: Kubernetes, answer: Done | Exception | None = None, log: str | Exception = "started\n", **scope: Any
) -> tuple[SecurityFacts, list[tuple[str, str, Sequence[str]]]]:
    asked: list[tuple[str, str, Sequence[str]]] = []

    def run(pod: str, container: str, command: Sequence[str]) -> Done:
        asked.append((pod, container, command))
        if isinstance(answer, Exception):
            raise answer
        return answer or Done(said())

    def read(_pod: str, _container: str, _bounds: Mapping[str, int]) -> str:
        if isinstance(log, Exception):
            raise log
        return log

    facts = observe(kubernetes, Scope(SHOP, **scope), Redactor(), run=run, log=read)
    return facts, asked


def states(facts: SecurityFacts) -> dict[str, str]:
    return {one.control: str(one.verdict.state) for one in CHECKS.judge(facts)}


def test_a_namespace_in_order_is_green_but_for_the_list_that_nobody_gave() -> None:
    facts, asked = looked(cluster())
    assert states(facts) == {**dict.fromkeys(CHECKS.controls, "pass"), PRODUCTION: "pending"}
    assert [(pod, container) for pod, container, _command in asked] == [("api-6d4-x1", "app")]


def test_each_kind_is_listed_once_however_many_controls_need_it() -> None:
    kubernetes = cluster()
    looked(kubernetes)
    paths = [path for method, path, _body in kubernetes.sent if method == "GET"]
    assert len(paths) == len(set(paths))
    few = cluster()
    looked(few, only=[RESOURCES])
    kinds = {path.rsplit("/", 1)[-1] for _method, path, _body in few.sent}
    assert kinds == {
        "pods", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "resourcequotas", "limitranges",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("refused", "control"),
    [
        ("pods", CONTEXT),
        ("deployments", ROOT),
        ("configmaps", STORED),
        ("limitranges", RESOURCES),
        ("clusterrolebindings", PROTECTION),
        ("roles", PRODUCTION),
        (f"/api/v1/namespaces/{SHOP}", CONTEXT),
    ],
)
def test_what_is_refused_is_pending_and_says_which_permission(refused: str, control: str) -> None:
    kubernetes = cluster()
    kubernetes.forbidden.add(refused)
    facts, _asked = looked(kubernetes)
    (result,) = CHECKS.judge(facts, [control])
    assert result.verdict.state == "pending"
    assert "Not permitted to GET" in result.verdict.summary
    assert refused.rsplit("/", 1)[-1] in result.verdict.summary


def test_where_secrets_may_not_be_listed_those_that_are_named_are_read_one_by_one() -> None:
    kubernetes = cluster()
    kubernetes.forbidden.add("secrets")
    facts, _asked = looked(kubernetes)
    assert [one["metadata"]["name"] for one in facts.secrets] == ["db"]
    assert states(facts)[STORED] == "pass"
    assert states(facts)[PROTECTION] == "pending"
    kubernetes.forbidden.add(f"/api/v1/namespaces/{SHOP}/secrets/db")
    facts, _asked = looked(kubernetes)
    assert "db" in facts.unread_secrets
    assert states(facts)[STORED] == "pending"


def test_a_secret_that_is_named_and_not_there_is_red() -> None:
    facts, _asked = looked(cluster(pod=with_container(envFrom=[{"secretRef": {"name": "gone"}}])))
    assert facts.absent == ("gone",)
    assert states(facts)[STORED] == "fail"


# ---------------------------------------------------------------------- inside


def test_who_may_not_exec_is_told_so_once() -> None:
    facts, asked = looked(cluster(), NotPermitted("Not permitted to exec."))
    assert (facts.inside, facts.not_looked, len(asked)) == ((), "Not permitted to exec", 1)
    assert states(facts)[CONTEXT] == "pass"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Done("", 'exec failed: exec: "sh": executable file not found in $PATH'), "it has no sh to ask by"),
        (Done("", "it has not ended within 15 s"), "it has not ended within 15 s"),
        (Unreachable("The API cannot be reached."), "The API cannot be reached."),
    ],
    ids=["no shell", "too slow", "unreachable"],
)
def test_a_container_that_cannot_be_asked(answer: Done | Exception, problem: str) -> None:
    facts, _asked = looked(cluster(), answer)
    assert [one.problem for one in facts.inside] == [problem]
    assert states(facts)[ROOT] == "pass"


@pytest.mark.parametrize(
    ("answer", "control"),
    [(said(Uid="0 0 0 0"), CONTEXT), (said(Seccomp="0"), CONTEXT), (said("written"), ROOT)],
    ids=["root", "seccomp", "written"],
)
def test_what_is_inside_counts(answer: str, control: str) -> None:
    facts, _asked = looked(cluster(), Done(answer))
    red = {name for name, state in states(facts).items() if state == "fail"}
    assert red == {control}


def test_nothing_is_written_where_only_the_context_is_judged() -> None:
    _facts, asked = looked(cluster(), only=[CONTEXT])
    assert ".bytebot-write" not in asked[0][2][2]
    _facts, asked = looked(cluster(), only=[ROOT])
    assert ".bytebot-write" in asked[0][2][2]


def test_where_processes_are_shared_process_1_is_another_ones() -> None:
    _facts, asked = looked(cluster(pod={**POD, "shareProcessNamespace": True}))
    assert asked[0][2][-2:] == ["/proc/self/status", "/proc/self/mounts"]
    assert "/proc/1/status" not in asked[0][2]


def test_nobody_looks_inside_in_check_mode_or_where_it_is_off() -> None:
    for scope in ({"check_mode": True}, {"look_inside": False}):
        facts, asked = looked(cluster(), **scope)
        assert asked == []
        assert facts.not_looked


def test_the_script_says_what_is_true_here(tmp_path: Path) -> None:
    """Run as it is, in this machine's own shell: builtins alone, and nothing is left."""
    _facts, asked = looked(cluster(), only=[ROOT])
    command = [word.replace("/.bytebot-write-", f"{tmp_path}/w-") for word in asked[0][2]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": "/bin:/usr/bin"})
    facts, _asked = looked(cluster(), Done(done.stdout), only=[ROOT])
    (seen,) = facts.inside
    assert seen.wrote == "written"
    assert {"Uid", "CapEff", "Seccomp"} <= seen.statuses["/proc/self/status"].keys()
    assert any(one.path == "/" for one in seen.mounts)
    assert list(tmp_path.iterdir()) == []
    gone = [word.replace(f"{tmp_path}/w-", f"{tmp_path}/no/w-") for word in command]
    done = subprocess.run(gone, capture_output=True, text=True, check=True, env={"PATH": "/bin:/usr/bin"})
    assert "@@ refused" in done.stdout


@pytest.mark.parametrize(
    ("status", "said_", "problem"),
    [
        (b'{"status":"Success"}', "", ""),
        (b'{"status":"Failure","message":"exit code 2"}', "sh: bad\n", "sh: bad"),
        (b'{"status":"Failure","message":"exit code 2"}', "", "exit code 2"),
        (b"", "", "its end was not told"),
    ],
)
def test_how_a_program_ended(status: bytes, said_: str, problem: str) -> None:
    assert _problem(status, said_) == problem


# ---------------------------------------------------------------------- logs and secrets


@pytest.mark.parametrize("form", [PASSWORD, b64encode(PASSWORD.encode()).decode()], ids=["plain", "base64"])
def test_a_secret_in_a_log_is_red_and_never_shown(form: str) -> None:
    redactor = Redactor()
    kubernetes = cluster()
    facts = observe(
        kubernetes, Scope(SHOP), redactor, run=lambda *_: Done(said()), log=lambda *_: f"starting with {form}\n"
    )
    assert states(facts)[PROTECTION] == "fail"
    told = json.dumps(results_of(CHECKS.judge(facts), redactor))
    assert "its log holds the value of Secret db/password" in told
    assert PASSWORD not in told
    assert form not in told


def test_logs_that_may_not_be_read_are_pending_and_those_that_are_not_asked_for_are_said() -> None:
    facts, _asked = looked(cluster(), log=NotPermitted("Not permitted to GET the log."))
    (result,) = CHECKS.judge(facts, [PROTECTION])
    assert result.verdict.state == "pending"
    assert "Not permitted to GET the log." in result.verdict.summary
    facts, _asked = looked(cluster(), look_in_logs=False)
    assert "look_in_logs is off" in CHECKS.judge(facts, [PROTECTION])[0].verdict.summary


def test_the_release_is_read_from_the_secrets_that_were_listed_anyway() -> None:
    kept = {**rendered(config_map(HOST="db"), revision=2), "config": {"db": {"password": "hunter2horse"}}}
    record = stored(kept)
    record["metadata"]["namespace"] = SHOP
    kubernetes = cluster(record)
    facts, _asked = looked(kubernetes, release="bytebot")
    assert facts.release is not None
    assert facts.release.revision == 2
    assert [one["metadata"]["name"] for one in facts.secrets] == ["db"]
    assert states(facts)[STORED] == "fail"
    broken = cluster({**record, "data": {"release": b64encode(b"no release").decode()}})
    facts, _asked = looked(broken, release="bytebot")
    assert facts.release_problem
    assert states(facts)[STORED] == "pending"


# ---------------------------------------------------------------------- owners

JOBS = {"tidy-1": {"kind": "Job", "metadata": meta("tidy-1", ownerReferences=[{"kind": "CronJob", "name": "tidy"}])}}
OWNERS = [
    ("ReplicaSet", "api-6d4", ("Deployment", "api")),
    ("ReplicaSet", "bare", ("ReplicaSet", "bare")),
    ("StatefulSet", "db", ("StatefulSet", "db")),
    ("Job", "tidy-1", ("CronJob", "tidy")),
    ("Job", "once", ("Job", "once")),
    ("Node", "node-1", None),
    ("Rollout", "api", None),
]


@pytest.mark.parametrize(("kind", "name", "owner"), OWNERS, ids=[f"{row[0]} {row[1]}" for row in OWNERS])
def test_owners_of_pods(kind: str, name: str, owner: tuple[str, str] | None) -> None:
    pod = live_pod()
    pod["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    assert owner_of(pod, JOBS) == owner
    made = as_workload(pod, JOBS)
    assert (made["kind"], made["metadata"]["name"]) == (owner or ("Pod", "api-6d4-x1"))


def test_a_pod_alone_is_judged_and_one_that_has_ended_is_not() -> None:
    alone, ended = live_pod({"containers": [{"name": "x"}]}, "alone"), live_pod(name="ended", phase="Succeeded")
    for pod in (alone, ended):
        pod["metadata"].pop("ownerReferences")
    facts, _asked = looked(cluster(alone, ended))
    assert [one["metadata"]["name"] for one in facts.described] == ["api", "alone"]
    assert [one["metadata"]["name"] for one in facts.pods] == ["api-6d4-x1", "alone"]
    assert states(facts)[RESOURCES] == "fail"


# ---------------------------------------------------------------------- encryption at rest

COUNTED = (
    'apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",'
    'transformer_prefix="k8s:enc:aescbc:v1:key1:"} 14\n'
)


class Server(Kubernetes):
    """One whose API server says something of itself."""

    metrics = ""

    def raw_text(self, method: str, path: str, **more: Any) -> str:
        return self.metrics if path == "/metrics" else super().raw_text(method, path, **more)


@pytest.mark.parametrize(
    ("metrics", "flags", "told"),
    [
        (COUNTED, None, "on"),
        (COUNTED.replace("to_storage", "from_storage"), None, ""),
        (COUNTED.replace('"secrets"', '"configmaps"'), None, ""),
        ("", ["--secure-port=6443"], "off"),
        ("", ["--encryption-provider-config=/etc/enc.yaml"], ""),
        ("", None, ""),
    ],
)
def test_what_the_cluster_tells_of_encryption(metrics: str, flags: list[str] | None, told: str) -> None:
    server = Server()
    server.metrics = metrics
    if flags is not None:
        server.put({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-apiserver-a", "namespace": "kube-system"},
            "spec": {"containers": [{"name": "s", "command": ["kube-apiserver", *flags]}]},
        })  # fmt: skip
    state, why = encryption_of(server)
    assert state == told
    assert why


# ---------------------------------------------------------------------- the module in its own process


def module(tmp_path: Path, **options: Any) -> dict[str, Any]:
    arguments = {"namespace": SHOP, "_ansible_remote_tmp": str(tmp_path), "host": "http://127.0.0.1:9", **options}
    done = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


ONE = {"workload": "api", "control": ROOT, "reason": "it writes", "until": "2027-03-31"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"only": ["security_configuration.secrets.other"]}, "is not settled by security_check"),
        ({"exceptions": [{**ONE, "control": "team.access.other"}]}, "which security_check does not settle"),
        ({"exceptions": [{**ONE, "reason": " "}]}, "has no reason"),
        ({"exceptions": [{**ONE, "until": "soon"}]}, "is until soon, which is no day such as 2027-03-31"),
        ({"group_members": {"ops": "alice"}}, "ops needs a list"),
        ({}, "cannot be reached"),
    ],
)
def test_a_wrong_input_is_one_sentence(tmp_path: Path, options: Object, sentence: str) -> None:
    answer = module(tmp_path, **options)
    assert answer["failed"]
    assert sentence in answer["msg"]


def test_the_module_judges_over_a_real_socket(tmp_path: Path) -> None:
    with served(cluster()) as address:
        authorized = [{"kind": "User", "name": "alice", "powers": ["secrets"]}]
        only = [PRODUCTION, RESOURCES]
        answer = module(tmp_path, host=address, authorized_subjects=authorized, only=only)
        assert {one["control"]: one["state"] for one in answer["results"]} == dict.fromkeys(only, "pass")
        assert answer["failed_controls"] == []
        assert 0 < answer["api_requests"] <= 12
        assert answer["secret_readers"] == ["User alice by RoleBinding shop/b-deployer of Role deployer (directly)"]
