# The record on disk: kills, full and read-only disks, edits, resuming, and one run of an environment at a time.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, Environment
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Lock, Locked, Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.on_files import RUN, OnFiles
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import checked
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store, next_id
from tests.unit.collection.record_fixtures import BINDING, ENVIRONMENT, HEALTH, KNOWN, NOW, PODS, result

ME = Owner.of(os.getpid())
OTHER = Owner.of(os.getppid())
TLS = "infrastructure.database.tls"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> Any:
        self.now += timedelta(seconds=1)
        return self.now


def store(folder: Path, owner: Owner = ME, environment: Environment = ENVIRONMENT) -> Store:
    return Store(OnFiles(folder / "reports" / environment.name, owner), environment, Clock())


def path_of(run: Run, section: str) -> Path:
    return run.folder / "results" / f"{section}.json"


def add(to: Store, run: Run, *results: dict[str, Any], binding: Binding = BINDING) -> Run:
    return to.add(run, checked(list(results), KNOWN), binding)


def opened(folder: Path) -> tuple[Store, Run]:
    there = store(folder)
    run = add(there, there.open_run(BINDING), result(PODS), result(HEALTH, "fail"), result(TLS))
    return there, run


def dead() -> Owner:
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        return Owner.of(process.pid)


def states(run: Run) -> dict[str, str]:
    return {id_: item["state"] for id_, item in run.content().results.items()}


ALL = {PODS: "pass", HEALTH: "fail", TLS: "pass"}

# ---------------------------------------------------------------------- kept


def test_what_is_added_is_there_at_once_for_any_reader(tmp_path: Path) -> None:
    _, run = opened(tmp_path)
    again = store(tmp_path, OTHER).run(run.header.id)
    assert states(again) == ALL
    assert again.header == run.header
    assert (tmp_path / "reports" / "shop" / "latest").resolve() == run.folder


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    opened(tmp_path)
    for path in (tmp_path / "reports").rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_newest_result_counts(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    run = add(there, run, result(HEALTH))
    assert states(run) == {**ALL, HEALTH: "pass"}


def test_a_closed_run_takes_nothing_more_and_is_not_resumed(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    closed = there.close(run)
    with pytest.raises(InputError, match="was closed at"):
        add(there, closed, result(HEALTH))
    assert there.open_run(BINDING).header.id != run.header.id
    assert states(there.run(run.header.id)) == ALL


# ---------------------------------------------------------------------- resumed


def test_the_newest_run_that_is_not_closed_goes_on(tmp_path: Path) -> None:
    there, first = opened(tmp_path)
    second = there.open_run(BINDING, fresh=True)
    assert second.header.id > first.header.id
    resumed = there.open_run(BINDING)
    assert (resumed.header.id, resumed.header.resumed) == (second.header.id, 1)
    there.close(resumed)
    assert there.open_run(BINDING).header.id == first.header.id


@pytest.mark.parametrize("part", ["release", "environment", "organization", "catalogue"])
def test_a_run_of_another_binding_does_not_go_on_and_is_kept(part: str, tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    assert there.open_run(replace(BINDING, **{part: "another"})).header.id != run.header.id
    assert states(there.run(run.header.id)) == ALL


def test_the_release_may_become_known_in_the_run(tmp_path: Path) -> None:
    there = store(tmp_path)
    run = there.open_run(replace(BINDING, release=""))
    run = add(there, run, result(PODS))
    assert run.header.binding == BINDING
    mine = there.mine()
    assert mine is not None
    assert mine.header == run.header
    later = add(there, run, binding=replace(BINDING, release=""))
    assert later.header.binding == BINDING


def test_a_run_of_another_process_is_not_mine(tmp_path: Path) -> None:
    opened(tmp_path)
    assert store(tmp_path, OTHER).mine() is None
    assert store(tmp_path / "empty").mine() is None
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("last", ["", "20261124T160101Z-ffff", "20261124T160102Z-efff", "20271124T160102Z-00ff"])
def test_a_run_comes_after_those_that_are_there(last: str) -> None:
    assert next_id(NOW, last) > last
    assert RUN.fullmatch(next_id(NOW, last))


# ---------------------------------------------------------------------- killed, damaged, edited


def test_what_a_killed_writer_leaves_behind_is_not_read(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    for folder in (run.folder, run.folder / "results"):
        (folder / ".deployment.json.abc.tmp").write_text('{"schema_ver')
    assert states(there.run(run.header.id)) == ALL
    assert not run.content().defects
    assert there.open_run(BINDING).header.id == run.header.id


ENDLESS = """
import itertools, sys
from pathlib import Path
from tests.unit.collection.record_fixtures import HEALTH, PODS, result
from tests.unit.collection.test_record_store import BINDING, TLS, add, store
there = store(Path(sys.argv[1]))
run = there.open_run(BINDING)
for turn in itertools.count():
    run = add(there, run, result(PODS), result(HEALTH, ("fail", "pass")[turn % 2]), result(TLS))
    print(turn, flush=True)
"""


@pytest.mark.parametrize("turns", [1, 4, 9])
def test_a_run_that_is_killed_while_it_writes_goes_on(turns: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS, str(tmp_path)]
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **path}) as process:
        assert process.stdout is not None
        for _ in range(turns):
            process.stdout.readline()
        process.kill()
    run = store(tmp_path).open_run(BINDING)
    assert run.header.resumed == 1
    assert not run.content().defects
    assert states(run) in (ALL, {**ALL, HEALTH: "pass"})


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda text: text[: len(text) // 2], "only half written"),
        (lambda text: "", "only half written"),
        (lambda text: "[]", "no mapping"),
        (lambda text: text.replace('"fail"', '"pass"'), "was changed after it was written"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "schema version 2"),
    ],
)
def test_a_file_that_is_not_as_written_costs_one_sentence(edit: Any, said: str, tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    path = path_of(run, "deployment")
    spoilt = edit(path.read_text())
    path.write_text(spoilt)
    content = run.content()
    assert list(content.results) == [TLS]
    assert list(content.defects) == ["deployment"]
    assert said in content.defects["deployment"]
    assert str(path) in content.defects["deployment"]
    add(there, run, result(PODS))
    assert states(run) == {PODS: "pass", TLS: "pass"}
    aside = path.with_name("deployment.json.unusable-1")
    assert aside.read_text() == spoilt
    assert str(aside) in " ".join(run.content().defects.values())


def reseal(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    files.write_json(path, files.sealed({**content, **changes}))


@pytest.mark.parametrize(("key", "value"), [("environment", "bank"), ("run", "another"), ("section", "team")])
def test_a_file_from_elsewhere_is_not_used(key: str, value: str, tmp_path: Path) -> None:
    _, run = opened(tmp_path)
    reseal(path_of(run, "deployment"), **{key: value})
    assert f"belongs to {key} '{value}'" in run.content().defects["deployment"]


def test_evidence_has_a_seal_of_its_own(tmp_path: Path) -> None:
    _, run = opened(tmp_path)
    path = path_of(run, "deployment")
    results = json.loads(path.read_text())["results"]
    results[PODS]["evidence"][0]["observed"] = {"asked": "something else"}
    reseal(path, results=results)
    assert "does not match its SHA-256" in run.content().defects["deployment"]


def test_a_damaged_header_costs_one_sentence_and_another_run_opens(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    (run.folder / "run.json").write_text('{"schema')
    found, defects = there.runs()
    assert (found, len(defects)) == ([], 1)
    assert there.mine() is None
    assert there.open_run(BINDING).header.id != run.header.id
    assert path_of(run, "deployment").exists()


def test_a_header_of_another_environment_is_not_used(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    reseal(run.folder / "run.json", environment=asdict(replace(ENVIRONMENT, name="bank")))
    assert "environment bank" in there.runs()[1][0]


# ---------------------------------------------------------------------- disks


def failing(patch: pytest.MonkeyPatch, where: Any, name: str, nth: int, number: int) -> list[int]:
    """Let the nth call fail; the list has one entry for each call."""
    real, calls = getattr(where, name), []

    def call(*args: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == nth:
            raise OSError(number, os.strerror(number))
        return real(*args, **more)

    patch.setattr(where, name, call)
    return calls


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize(
    ("where", "name"), [(os, "fsync"), (os, "open"), (os, "fdopen"), (Path, "replace"), (Path, "symlink_to")]
)
def test_a_disk_that_takes_nothing_costs_one_sentence_and_loses_nothing(
    where: Any, name: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, run = opened(tmp_path)
    again, failed = result(HEALTH), 0
    for nth in range(1, 30):
        run = add(there, run, result(HEALTH, "fail"))
        with monkeypatch.context() as patch:
            calls = failing(patch, where, name, nth, number)
            try:
                add(there, run, again)
            except files.NotWritten as exc:
                failed += 1
                assert os.strerror(number) in exc.sentence
                assert "\n" not in exc.sentence
        content = there.run(run.header.id).content()
        assert not content.defects
        assert {id_: item["state"] for id_, item in content.results.items()} in (ALL, {**ALL, HEALTH: "pass"})
        assert not list(run.folder.rglob("*.tmp"))
        if len(calls) < nth:
            break
    assert failed == len(calls) > 0


def test_a_file_in_the_place_of_the_folder_costs_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(files.NotWritten, match="cannot be written"):
        store(tmp_path).open_run(BINDING)


# ---------------------------------------------------------------------- one at a time


def test_two_runs_of_one_environment_exclude_each_other(tmp_path: Path) -> None:
    there, run = opened(tmp_path)
    for fresh in (False, True):
        with pytest.raises(Locked) as caught:
            store(tmp_path, OTHER).open_run(BINDING, fresh)
        assert str(os.getpid()) in caught.value.sentence
        assert run.header.id in caught.value.sentence
    there.close(run)
    assert store(tmp_path, OTHER).open_run(BINDING).header.id != run.header.id


def test_runs_of_two_environments_do_not(tmp_path: Path) -> None:
    opened(tmp_path)
    other = store(tmp_path, OTHER, replace(ENVIRONMENT, name="bank"))
    assert other.open_run(BINDING).folder.parent.name == "bank"


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    run = store(tmp_path, dead()).open_run(BINDING)
    assert store(tmp_path).open_run(BINDING).header.id == run.header.id


def test_a_process_that_got_the_same_number_is_another_one(tmp_path: Path) -> None:
    run = store(tmp_path, replace(ME, process="before the reboot")).open_run(BINDING)
    assert store(tmp_path, OTHER).open_run(BINDING).header.id == run.header.id


def test_a_process_of_another_machine_is_taken_to_live(tmp_path: Path) -> None:
    store(tmp_path, replace(dead(), host="elsewhere")).open_run(BINDING)
    with pytest.raises(Locked, match=r"or delete .*lock if that machine no longer runs it"):
        store(tmp_path).open_run(BINDING)


@pytest.mark.parametrize("text", ["", '{"owner": {"pid', "[]", '{"owner": {}}'])
def test_a_lock_that_is_half_written_is_free(text: str, tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(text)
    with Lock(tmp_path, ME).held("run", "now"):
        pass
    assert Lock(tmp_path, ME).run_of_mine() == "run"
