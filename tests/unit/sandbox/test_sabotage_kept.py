# What is known of faults from an earlier call: of which sources it is, and when it counts no more.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import SandboxError
from sandbox.faults.fault import Fault
from tests.sabotage.judging import Judged
from tests.sabotage.keeping import LEDGER, Kept, seen_at_commits
from tests.sabotage.telling import Bite, last_line

FAULT = Fault(name="one", says="it is wrong", layer="cluster", turns_red=("a.b.c",))
RIGHT = Bite.of(FAULT, Judged({"a.b.c": "fail"}, "shut", 1.0))


def tree(root: Path, text: str = "x") -> Path:
    (root / "plugins").mkdir(exist_ok=True)
    (root / "plugins" / "a.py").write_text(text)
    return root


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=one", "-c", "user.email=one@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(root: Path, text: str) -> str:
    tree(root, text)
    git(root, "add", "plugins")
    git(root, "commit", "-q", "-m", text)
    return git(root, "rev-parse", "HEAD")


def test_what_was_seen_only_together_counts_only_where_that_is_wanted(tmp_path: Path) -> None:
    a, b = (dataclasses.replace(FAULT, name=name, turns_red=(f"x.y.{name}",)) for name in "ab")
    bite = Bite.of(a, Judged({"x.y.a": "fail", "x.y.b": "fail"}, "shut", 1.0), [b])
    Kept(tree(tmp_path), fresh=False).keep(a, bite)
    assert Kept(tmp_path, fresh=False).bite(a) is None
    assert Kept(tmp_path, fresh=False, together=True).bite(a) == bite
    assert last_line([bite, bite], 1) == (
        "bitten 2 of 2, collateral 0 (1 of them seen at an earlier commit; 2 of them seen only together with others)"
    )


def test_what_was_bitten_is_kept_until_the_sources_change(tmp_path: Path) -> None:
    Kept(tree(tmp_path), fresh=False).keep(FAULT, RIGHT)
    assert Kept(tmp_path, fresh=False).bite(FAULT) == RIGHT
    assert Kept(tmp_path, fresh=True).bite(FAULT) is None
    assert Kept(tmp_path, fresh=False).bite(dataclasses.replace(FAULT, turns_red=("a.b.c", "d.e.f"))) is None, (
        "it declares more than it did"
    )
    assert Kept(tree(tmp_path, "y"), fresh=False).bite(FAULT) is None


def test_what_was_bitten_at_a_commit_counts_from_there_on_where_that_is_asked(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    before, then = committed(tmp_path, "1"), committed(tmp_path, "2")
    Kept(tmp_path, fresh=False).keep(FAULT, RIGHT)
    now = committed(tmp_path, "3")
    assert Kept(tmp_path, fresh=False).bite(FAULT) is None
    for since in (before, then, then[:8]):
        kept = Kept(tmp_path, fresh=False, since=since)
        assert (kept.bite(FAULT), kept.earlier("one")) == (RIGHT, then[:10])
    assert Kept(tmp_path, fresh=False, since=now).bite(FAULT) is None
    assert Kept(tmp_path, fresh=True, since=before).bite(FAULT) is None


def test_what_was_bitten_between_commits_counts_only_as_long_as_it_is_there(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    first = committed(tmp_path, "1")
    Kept(tree(tmp_path, "not committed"), fresh=False).keep(FAULT, RIGHT)
    kept = Kept(tmp_path, fresh=False, since=first)
    assert (kept.bite(FAULT), kept.earlier("one")) == (RIGHT, "")
    tree(tmp_path, "1")
    assert Kept(tmp_path, fresh=False, since=first).bite(FAULT) is None


def test_what_was_bitten_beside_a_revision_is_not_after_it(tmp_path: Path) -> None:
    """A branch that was merged later had nothing of it."""
    git(tmp_path, "init", "-q", "-b", "main")
    committed(tmp_path, "1")
    git(tmp_path, "checkout", "-q", "-b", "beside")
    committed(tmp_path, "2")
    Kept(tmp_path, fresh=False).keep(FAULT, RIGHT)
    git(tmp_path, "checkout", "-q", "main")
    (tmp_path / "plugins" / "b.py").write_text("x")
    git(tmp_path, "add", "plugins")
    git(tmp_path, "commit", "-q", "-m", "mended")
    since = git(tmp_path, "rev-parse", "HEAD")
    git(tmp_path, "merge", "-q", "--no-edit", "beside")
    assert Kept(tmp_path, fresh=False, since=since).bite(FAULT) is None
    assert Kept(tmp_path, fresh=False, since=f"{since}^").bite(FAULT) == RIGHT


@pytest.mark.parametrize("changed", [{"shuts": False}, {"playbook": "deploy"}, {"turns": "stale"}])
def test_what_is_judged_in_another_way_than_it_was_is_judged_again(tmp_path: Path, changed: dict[str, Any]) -> None:
    Kept(tree(tmp_path), fresh=False).keep(FAULT, RIGHT)
    assert Kept(tmp_path, fresh=False).bite(dataclasses.replace(FAULT, **changed)) is None


def test_what_was_bitten_while_the_sources_changed_is_not_kept(tmp_path: Path) -> None:
    kept = Kept(tree(tmp_path), fresh=False)
    tree(tmp_path, "y")
    kept.keep(FAULT, RIGHT)
    assert (kept.between, kept.bite(FAULT)) == (1, None)
    assert Kept(tree(tmp_path), fresh=False).bite(FAULT) is None


@pytest.mark.parametrize("name", ["deploy.yml", "ansible.cfg", "meta/runtime.yml"])
def test_what_is_played_belongs_to_the_sources(tmp_path: Path, name: str) -> None:
    Kept(tree(tmp_path), fresh=False).keep(FAULT, RIGHT)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")
    assert Kept(tmp_path, fresh=False).bite(FAULT) is None


@pytest.mark.parametrize("since", ["nothing", "--all", "other"])
def test_a_revision_that_is_not_before_this_one_is_refused(tmp_path: Path, since: str) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    committed(tmp_path, "1")
    git(tmp_path, "checkout", "-q", "-b", "other")
    committed(tmp_path, "2")
    git(tmp_path, "checkout", "-q", "main")
    with pytest.raises(SandboxError, match=f"no revision {since} before"):
        Kept(tmp_path, fresh=False, since=since)


@pytest.mark.parametrize("states", [{"a.b.c": "pass"}, {"a.b.c": "fail", "d.e.f": "fail"}])
def test_what_was_not_right_is_judged_again(tmp_path: Path, states: dict[str, str]) -> None:
    kept = Kept(tree(tmp_path), fresh=False)
    kept.keep(FAULT, Bite.of(FAULT, Judged(states, "shut", 1.0)))
    assert kept.bite(FAULT) is None
    kept.keep(FAULT, RIGHT)
    kept.keep(FAULT, Bite.of(FAULT, Judged(states, "shut", 1.0)))
    assert Kept(tmp_path, fresh=False).bite(FAULT) is None, "it was right before"


@pytest.mark.parametrize("text", ["{", "[]", '{"bites": [{"name": "one"}]}', '{"bites": [1]}'])
def test_a_damaged_file_is_as_none(tmp_path: Path, text: str) -> None:
    kept = Kept(tree(tmp_path), fresh=False)
    kept.keep(FAULT, RIGHT)
    (tmp_path / "build" / "sabotage" / "kept.json").write_text(text)
    assert Kept(tmp_path, fresh=False).bite(FAULT) is None


def test_what_was_bitten_at_a_commit_is_known_on_another_machine(tmp_path: Path) -> None:
    """By the ledger in the repository, as long as nothing says otherwise; the smoke set does not write it."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    git(here, "init", "-q", "-b", "main")
    commit = committed(here, "1")
    Kept(here, fresh=False).keep(FAULT, RIGHT)
    assert not (here / LEDGER).exists()
    Kept(here, fresh=True, ledger=True).keep(FAULT, RIGHT)
    git(here, "add", LEDGER)
    git(here, "commit", "-q", "-m", "bitten")
    git(tmp_path, "clone", "-q", str(here), str(there))
    assert Kept(there, fresh=False).bite(FAULT) == RIGHT, "the sources are the same, though there is no build here"
    committed(there, "2")
    assert Kept(there, fresh=False).bite(FAULT) is None
    kept = Kept(there, fresh=False, since=commit)
    assert (kept.bite(FAULT), kept.earlier("one")) == (RIGHT, commit[:10])
    kept.keep(FAULT, Bite.of(FAULT, Judged({"a.b.c": "pass"}, "open", 1.0)))
    assert Kept(there, fresh=False, since=commit).bite(FAULT) is None, "also where the smoke set says so"


def test_what_is_not_of_a_commit_is_in_no_ledger(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    committed(tmp_path, "1")
    Kept(tree(tmp_path, "2"), fresh=False, ledger=True).keep(FAULT, RIGHT)
    assert Kept(tmp_path, fresh=False).bite(FAULT) == RIGHT
    assert seen_at_commits(tmp_path) == {}


def test_a_damaged_line_of_the_ledger_is_as_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    committed(tmp_path, "1")
    Kept(tmp_path, fresh=False, ledger=True).keep(FAULT, RIGHT)
    ledger = tmp_path / LEDGER
    ledger.write_text("{\n[1]\n" + ledger.read_text())
    assert list(seen_at_commits(tmp_path)) == ["one"]
