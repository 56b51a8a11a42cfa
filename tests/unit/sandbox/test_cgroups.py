# Both versions of cgroups, on trees as they were seen on machines.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.host import cgroups
from sandbox.host.cgroups import V1, V2

CONTROLLERS_V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified")


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """As on a machine with separate controllers; `cpu,cpuacct` style links exist on many."""
    for controller in CONTROLLERS_V1:
        (tmp_path / controller).mkdir()
    (tmp_path / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (tmp_path / "cpuset" / "cpuset.mems").write_text("0\n")
    (tmp_path / "net_cls").symlink_to(tmp_path / "cpu")
    return tmp_path


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """As on a machine with the unified tree. The kernel makes the control files of a new folder itself."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma misc\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "box" / "cgroup.subtree_control").write_text("")
    return tmp_path


def test_version_is_told_by_the_root(v1: Path) -> None:
    assert isinstance(cgroups.detect("box", v1), V1)
    (v1 / "cgroup.controllers").write_text("cpu\n")
    assert isinstance(cgroups.detect("box", v1), V2)


def test_v1_makes_one_folder_per_controller_and_fills_cpuset(v1: Path) -> None:
    groups = cgroups.detect("box", v1)
    groups.ensure()
    groups.ensure()
    assert groups.trees() == sorted(v1 / controller / "box" for controller in CONTROLLERS_V1)
    assert (v1 / "cpuset/box/cpuset.cpus").read_text() == "0-1\n"
    assert (v1 / "cpuset/box/cpuset.mems").read_text() == "0\n"
    assert groups.enter_files() == [v1 / "pids/box/supervisor/cgroup.procs"]
    assert groups.enter_files()[0].parent.is_dir()


def test_v2_hands_controllers_down_before_processes_come(v2: Path) -> None:
    groups = cgroups.detect("box", v2)
    groups.ensure()
    # A plain file keeps only the last write; the kernel's file adds up.
    assert (v2 / "cgroup.subtree_control").read_text() == "+misc"
    assert (v2 / "box/cgroup.subtree_control").read_text() == "+pids"
    assert groups.trees() == [v2 / "box"]
    assert groups.enter_files() == [v2 / "box/supervisor/cgroup.procs"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_members_are_supervised_processes_and_those_of_pods(version: str, request: pytest.FixtureRequest) -> None:
    groups = cgroups.detect("box", request.getfixturevalue(version))
    groups.ensure()
    tree = groups.membership()
    pod = tree / "kubepods/burstable/poda1b2"
    for folder, pids in ((tree / "supervisor", "10\n11\n"), (pod / "c1", "20\n"), (pod / "c2", "21\n")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").write_text(pids)
    other = tree / "kubepods/podff"
    other.mkdir(parents=True)
    (other / "cgroup.procs").write_text("30\n")
    assert cgroups.members(groups) == {10, 11, 20, 21, 30}
    assert cgroups.container_members(groups) == {20, 21, 30}
    assert cgroups.pod_members(groups, "a1b2") == {20, 21}
    assert cgroups.pod_members(groups, "none") == set()


def test_without_a_sandbox_there_are_no_members_and_no_trees(v1: Path) -> None:
    groups = cgroups.detect("box", v1)
    assert groups.trees() == []
    assert cgroups.members(groups) == set()


def test_remove_takes_the_whole_tree_from_the_leaves(v1: Path) -> None:
    groups = V1("box", v1)
    for controller in CONTROLLERS_V1:
        (v1 / controller / "box/kubepods/pod1").mkdir(parents=True)
    cgroups.remove(groups)
    assert groups.trees() == []
    assert (v1 / "cpu").is_dir()
