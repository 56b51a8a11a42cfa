# pgBackRest and barman asked in their pods: what is in the way is one sentence and pending, never a traceback.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.backup.source import (
    SOURCE_ARGS,
    checked_source,
    regular_of,
    source_facts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import BackupFacts, backup
from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CollectionError,
    InputError,
    NotPermitted,
    NotThere,
    Unreachable,
)
from tests.unit.collection.fakes import FakeCluster
from tests.unit.collection.test_backup_tools import bar, pg

DAY = 86_400.0
GOOD = json.dumps({"status": "Success"})
PG: dict[str, Any] = {"kind": "pgbackrest", "namespace": "database", "pod": "pg-0", "stanza": "main"}
BAR: dict[str, Any] = {"kind": "barman", "namespace": "database", "pod": "app=barman", "server": "main"}


def pod(name: str, *containers: str, phase: str = "Running", ready: bool = True, **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "database", "labels": {"app": name.rpartition("-")[0]}, **meta},
        "spec": {"containers": [{"name": one} for one in containers or ("main",)]},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


class Stream:
    """One program in a container, which says what it is told to."""

    def __init__(
        self, out: str, said: str = "", status: str = GOOD, *, breaks: bool = False, hangs: bool = False
    ) -> None:
        self._channels = {1: out.encode(), 2: said.encode(), 3: status.encode()}
        self._breaks, self._hangs = breaks, hangs

    def run_forever(self, timeout: float) -> None:
        assert timeout >= 30  # barman check may take as long
        if self._breaks:
            raise RuntimeError("socket is already closed")

    def is_open(self) -> bool:
        return self._hangs

    def read_channel(self, channel: int) -> bytes:
        return self._channels[channel]

    def close(self) -> None:
        pass


def failed(message: str) -> str:
    return json.dumps({"status": "Failure", "message": message})


class Pods(FakeCluster):
    """Pods with a program in them, or something in its way."""

    def __init__(self, *pods: dict[str, Any], answers: dict[str, Any] | None = None) -> None:
        super().__init__(*pods, namespaces=("database",))
        for one in pods:  # who makes a pod gives it neither a status nor an end
            self._stored[self._path_of(one)] |= {"status": one["status"], "metadata": one["metadata"]}
        self.asked: list[tuple[Any, ...]] = []
        self._answers = answers or {}

    def exec(self, namespace: str, pod: str, container: str, command: Sequence[str]) -> Any:
        self.asked.append((namespace, pod, container, tuple(command)))
        answer = next(given for word, given in self._answers.items() if word in command)
        if isinstance(answer, CollectionError):
            raise answer
        return answer if isinstance(answer, Stream) else Stream(answer)


def source(given: dict[str, Any], **changes: Any) -> Any:
    defaults = {name: spec.get("default") for name, spec in SOURCE_ARGS.items()}
    return checked_source({**defaults, **given, **changes})


def looked(cluster: FakeCluster, given: dict[str, Any], **changes: Any) -> BackupFacts:
    return source_facts(source(given, **changes), cluster, DAY * 10_000)


def test_pgbackrest_is_asked_in_its_pod() -> None:
    cluster = Pods(pod("pg-0", "database", "other"), answers={"info": pg("full")})
    seen = looked(cluster, PG)
    ((namespace, name, container, command),) = cluster.asked
    assert (namespace, name, container) == ("database", "pg-0", "database")
    assert command[:2] == ("pgbackrest", "--stanza=main")
    assert command[-2:] == ("info", "--output=json")
    told = backup(seen)
    assert (told.state, "pgBackRest's stanza main in pod database/pg-0" in told.summary) == ("pending", True)
    assert regular_of(source(PG, claim="backups"), seen) is None  # nothing of it is restored


def test_barman_is_asked_in_a_ready_pod_of_its_selector() -> None:
    gone = pod("barman-0", deletionTimestamp="2026-11-30T00:00:00Z")
    pods = (gone, pod("barman-1", ready=False), pod("barman-2", "side", "barman"), pod("barman-3"))
    failing = Stream(bar("check-failed"), status=failed("command terminated with exit code 1"))
    answers = {"list-backups": bar("list-failed"), "show-backup": bar("show-failed"), "check": failing}
    cluster = Pods(*pods, answers=answers)
    told = backup(looked(cluster, BAR, container="barman"))
    assert [one[:3] for one in cluster.asked] == [("database", "barman-2", "barman")] * 3
    assert cluster.asked[1][3] == ("barman", "-f", "json", "show-backup", "main", "20261130T130947")
    assert told.state == "fail"
    assert "failed: failure copying files" in told.summary
    assert "in the pods app=barman of namespace database" in told.summary


def test_the_default_container_is_taken_where_none_is_named() -> None:
    marked = pod("pg-0", "proxy", "db", annotations={"kubectl.kubernetes.io/default-container": "db"})
    cluster = Pods(marked, answers={"info": pg("full")})
    looked(cluster, PG)
    assert cluster.asked[0][2] == "db"


NO_PROGRAM = failed('exec failed: exec: "pgbackrest": executable file not found in $PATH: unknown')
CONFIG = "ERROR: [055]: unable to open missing file '/etc/pgbackrest.conf' for read"


@pytest.mark.parametrize(
    ("pods", "answer", "changes", "said"),
    [
        ([], "", {}, "There is no pod pg-0 in namespace database"),
        ([], "", {"pod": "app=pg"}, "No pod app=pg runs in namespace database"),
        ([pod("pg-0", phase="Pending")], "", {}, "Pod database/pg-0 does not run (Pending)"),
        ([pod("pg-0", phase="Succeeded")], "", {"pod": "app=pg"}, "No pod app=pg runs"),
        ([pod("pg-0", "a", "b")], "", {"container": "c"}, "has no container c; it has a, b"),
        ([pod("pg-0")], NotPermitted("Not permitted to exec in pod database/pg-0: no."), {}, "Not permitted to exec"),
        ([pod("pg-0")], NotPermitted(f"{'x' * 300}: grant that verb."), {}, "grant that verb"),
        ([pod("pg-0")], NotThere("exec in pod database/pg-0: gone."), {}, "gone"),
        ([pod("pg-0")], Unreachable("The Kubernetes API failed to exec."), {}, "failed to exec"),
        ([pod("pg-0")], Stream("", status=NO_PROGRAM), {}, "container main has no program pgbackrest"),
        ([pod("pg-0")], Stream("", CONFIG, failed("exit 55")), {}, f"pgbackrest did not end well: {CONFIG}"),
        ([pod("pg-0")], Stream("", status=""), {}, "pgbackrest did not end well: its end was not told"),
        ([pod("pg-0")], Stream("", hangs=True), {}, "it has not ended within 60 s"),
        ([pod("pg-0")], Stream("", breaks=True), {}, "The connection to the program in pod database/pg-0 broke"),
        ([pod("pg-0")], Stream(""), {}, "what pgBackRest says is no JSON: nothing"),
        ([pod("pg-0")], Stream("stanza: main\n status: ok"), {}, "is no JSON: stanza: main status: ok"),
        ([pod("pg-0")], Stream('[{"name": "ma'), {}, 'is no JSON: [{"name": "ma'),
        ([pod("pg-0")], Stream("\ufffd\x00"), {}, "is no JSON"),
    ],
)
def test_what_is_in_the_way_is_one_sentence(
    pods: list[dict[str, Any]], answer: Any, changes: dict[str, Any], said: str
) -> None:
    told = backup(looked(Pods(*pods, answers={"info": answer}), PG, **changes))
    assert (told.state, said in told.summary) == ("pending", True), told.summary
    assert told.remedy


def test_barman_that_refuses_its_account_is_one_sentence() -> None:
    answers = {"list-backups": Stream("", "ERROR: please run barman as 'barman' user", failed("exit 1"))}
    told = backup(looked(Pods(pod("barman-0"), answers=answers), BAR))
    assert (told.state, "please run barman as 'barman' user" in told.summary) == ("pending", True)


def test_a_check_of_barman_that_cannot_be_run_leaves_its_list() -> None:
    answers = {"list-backups": bar("list-two"), "check": Stream("", hangs=True)}
    told = backup(looked(Pods(pod("barman-0"), answers=answers), BAR))
    assert told.state == "pending"
    assert "barman check tells nothing that can be read: barman did not end well: it has not ended" in told.summary
    answers["list-backups"] = bar("list-empty")
    assert backup(looked(Pods(pod("barman-0"), answers=answers), BAR)).state == "fail"


def test_check_mode_runs_nothing() -> None:
    cluster = Pods(pod("pg-0"))
    told = backup(source_facts(source(PG), cluster, DAY, check_mode=True))
    assert not cluster.asked
    assert (told.state, "check mode sends none" in told.summary) == ("pending", True)


@pytest.mark.parametrize(
    ("given", "changes", "said"),
    [
        (PG, {"pod": ""}, "pod is needed for kind pgbackrest"),
        (PG, {"stanza": ""}, "stanza is needed for kind pgbackrest"),
        (BAR, {"server": ""}, "server is needed for kind barman"),
        (BAR, {"server": "all"}, "'all' is no name of a server"),
        (BAR, {"server": "--help"}, "'--help' is no name of a server"),
        (PG, {"stanza": "a b"}, "'a b' is no name of a stanza"),
        (PG, {"interval": "daily"}, "backup.interval: 'daily'"),
        (PG, {"keep": 0}, "at least one full backup"),
    ],
)
def test_a_wrong_input_is_refused(given: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match="backup") as refused:
        source(given, **changes)
    assert said in refused.value.sentence
