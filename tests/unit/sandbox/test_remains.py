# What is left behind is found in what the machine says, and told.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import remains
from sandbox.host import mounts
from sandbox.remains import Owner, Remain
from sandbox.settings import Settings
from sandbox.status import describe_remains

MOUNTS = """\
/dev/vda / ext4 rw 0 0
overlay /run/box/containerd/c1/rootfs overlay rw,lowerdir=/a:/b 0 0
tmpfs /run/box tmpfs rw 0 0
tmpfs /run/boxes tmpfs rw 0 0
tmpfs /srv/a\\040b/.sandbox/kubelet/x tmpfs rw 0 0
"""


def test_mounts_below_the_folders_deepest_first_and_no_namesakes() -> None:
    found = mounts.below([Path("/run/box"), Path("/srv/a b/.sandbox")], MOUNTS)
    assert sorted(found) == ["/run/box", "/run/box/containerd/c1/rootfs", "/srv/a b/.sandbox/kubelet/x"]
    assert found.index("/run/box/containerd/c1/rootfs") < found.index("/run/box")
    assert mounts.below([Path("/run/bo")], MOUNTS) == []


def test_packet_filter_rules_with_the_sandboxs_addresses_are_found(settings: Settings) -> None:
    ruleset = "table ip nat {\n\tip saddr 10.244.0.0/16 masquerade\n\tip saddr 172.17.0.0/16 masquerade\n}"
    assert remains.filter_rules(settings, ruleset) == ["ip saddr 10.244.0.0/16 masquerade"]


def test_nothing_left_is_said_and_good() -> None:
    assert describe_remains([]) == ("down, nothing left", 0)


def test_what_is_left_is_listed_and_bad() -> None:
    text, code = describe_remains([Remain("interface", "bytebot-host"), Remain("cgroup", "/sys/fs/cgroup/x")])
    assert code == 1
    assert "interface: bytebot-host" in text
    assert "cgroup: /sys/fs/cgroup/x" in text
    assert "nothing left" not in text


def test_the_owner_is_remembered_with_its_checkout(settings: Settings) -> None:
    assert remains.owner(settings) is None
    remains.claim(settings)
    assert remains.owner(settings) == Owner(settings.state, settings.checkout)


def test_a_damaged_owner_file_is_no_owner(settings: Settings) -> None:
    remains.claim(settings)
    settings.owner_file.write_text("")
    assert remains.owner(settings) is None


def test_the_caller_and_what_called_it_are_its_ancestors() -> None:
    found = remains.ancestors(os.getpid())
    assert {os.getpid(), os.getppid()} <= found | {1}


@pytest.mark.parametrize("deaf", [False, True])
def test_processes_end_even_when_they_do_not_listen(deaf: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "TERM_S", 0.2)
    monkeypatch.setattr(remains, "INT_S", 0.2)
    ignore = "signal.signal(15, signal.SIG_IGN); signal.signal(2, signal.SIG_IGN);" if deaf else ""
    code = f"import signal, time; {ignore} print('up', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        remains.end(lambda: {child.pid} if child.poll() is None else set())
        assert child.poll() == (-signal.SIGKILL if deaf else -signal.SIGTERM)
