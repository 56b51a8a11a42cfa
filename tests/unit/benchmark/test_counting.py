# The wrapper counts each start and becomes the real program; strace's lines are counted rightly.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.benchmark.counting import CountingHelm, count_execve
from tests.benchmark.processes import Command, run, tree


def real(folder: Path) -> Path:
    path = folder / "it's helm"
    path.write_text('#!/bin/sh\necho "$#:$2"; cat; exit 3\n')
    path.chmod(0o700)
    return path


def test_the_wrapper_notes_each_start_without_any_environment(tmp_path: Path) -> None:
    counting = CountingHelm(real(tmp_path), tmp_path / "a folder")
    for verb in ("version", "upgrade"):
        command = [counting.path, verb, "two words"]
        done = subprocess.run(command, env={}, input="in", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (3, "2:two words\nin")
    assert counting.take() == ["version", "upgrade"]
    assert counting.take() == []


STRACE = """\
10 execve("/v/bin/ansible-playbook", ["ansible-playbook"], 0x7ffc /* 9 vars */) = 0
11 execve("/usr/local/bin/helm", ["helm", "version"], 0x55 /* 3 vars */) = -1 ENOENT (No such file or directory)
11 execve("/x/helm", ["/x/helm", "version"], 0x55 /* 3 vars */) = 0
12 execve("/x/helm", ["/x/helm", "upgrade"], 0x55 /* 3 vars */ <unfinished ...>
13 execve("/bin/sh", ["sh"], 0x55 /* 3 vars */ <unfinished ...>
13 <... execve resumed>)                = 0
12 <... execve resumed>)                = 0
14 execve("/x/helm", ["/x/helm", "= 0"], 0x55 /* 3 vars */ <unfinished ...>
14 <... execve resumed>)                = -1 EACCES (Permission denied)
15 execve("/x/helm3", ["/x/helm3"], 0x55 /* 3 vars */) = 0
"""


def test_strace_counts_what_was_really_started() -> None:
    assert count_execve(STRACE.splitlines(), "/x/helm") == 2


def test_a_tree_is_all_descendants_and_no_other() -> None:
    assert tree(5, [(1, 0), (5, 1), (6, 5), (7, 6), (8, 1), (9, 8)]) == {5, 6, 7}


def test_a_run_is_measured(tmp_path: Path) -> None:
    ended = run(Command(["/bin/sh", "-c", "echo out; echo err >&2; exit 4"], tmp_path, {}), sample_memory=True)
    assert (ended.code, ended.output) == (4, "out\nerr\n")
    assert ended.seconds > 0
    assert ended.largest_mib > 0
