# Each cause that keeps the sandbox from working has its own clear sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.preflight import Facts, judge, kernel_lacks, parse_routes
from sandbox.remains import Owner
from sandbox.settings import Settings

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
cni9\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_a_good_machine_has_no_causes(settings: Settings) -> None:
    assert judge(Facts(builds_pending=True, go="1.26.8"), settings) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(system="Darwin"), ["needs Linux", "Darwin"]),
        (Facts(debian=False), ["apt-get", "Debian 12"]),
        (Facts(root=False), ["root", "sudo"]),
        (Facts(builds_pending=True, go=""), ["no Go", "1.26"]),
        (Facts(builds_pending=True, go="1.19.8"), ["1.19.8 is too old", "1.26"]),
        (Facts(builds_pending=True, go="1.22.1", go_fetches=False), ["GOTOOLCHAIN=local", "1.22.1"]),
        (Facts(builds_pending=True, go="1.26.0", free_gib=7.9, state="/s"), ["7.9 GB", "8 GB", "SANDBOX_DIR"]),
        (Facts(free_gib=3.5, state="/s"), ["3.5 GB", "4 GB"]),
        (Facts(state="/s", state_writable=False), ["/s cannot be written"]),
        (Facts(routes=[("10.250.0.0/16", "tun0")]), ["10.250.0.0/30", "10.250.0.0/16", "tun0"]),
        (Facts(routes=[("10.244.3.0/24", "flannel.1")]), ["10.244.0.0/16", "flannel.1"]),
        (Facts(routes=[("10.96.0.0/12", "wg0")]), ["10.96.0.0/16", "wg0"]),
        (
            Facts(other_owner=Owner(Path("/b/.sandbox"), Path("/b"))),
            ["/b/.sandbox", "`cd /b && .venv/bin/python -m sandbox down`"],
        ),
        (
            Facts(other_owner=Owner(Path("/srv/state"), Path("/b"))),
            ["cd /b && SANDBOX_DIR=/srv/state .venv/bin/python -m sandbox down"],
        ),
        (Facts(kernel_lacks=["overlay", "veth devices"]), ["kernel lacks overlay, veth devices"]),
        (Facts(programs_lacking=["nsenter"]), ["nsenter", "util-linux"]),
    ],
)
def test_one_sentence_per_cause(facts: Facts, words: list[str], settings: Settings) -> None:
    causes = judge(facts, settings)
    assert len(causes) == 1
    assert [word for word in words if word not in causes[0]] == []
    assert causes[0].endswith(".")
    assert "\n" not in causes[0]


def test_all_causes_are_named_at_once(settings: Settings) -> None:
    facts = Facts(debian=False, root=False, builds_pending=True, go="", free_gib=1, state_writable=False)
    assert len(judge(facts, settings)) == 5


def test_an_older_go_that_may_fetch_its_successor_will_do(settings: Settings) -> None:
    assert judge(Facts(builds_pending=True, go="1.21.0", go_fetches=True), settings) == []


def test_go_is_not_asked_for_when_nothing_is_to_be_built(settings: Settings) -> None:
    assert judge(Facts(builds_pending=False, go=""), settings) == []


def test_the_sandboxs_own_link_is_no_obstacle(settings: Settings) -> None:
    assert judge(Facts(routes=[("10.250.0.0/30", settings.machine_interface)]), settings) == []


def test_routes_are_read_from_the_kernels_table_without_the_default() -> None:
    assert parse_routes(ROUTES) == [("192.0.2.0/24", "eth0"), ("10.244.0.0/24", "cni9")]


def test_kernel_features_are_told_by_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def refuse(command: list[str], **_: object) -> object:
        tried.append(command)

        class Done:
            returncode = 1 if "bridge" in command else 0

        return Done()

    monkeypatch.setattr("sandbox.preflight.subprocess.run", refuse)
    monkeypatch.setattr("sandbox.preflight._which", lambda name: name)
    assert "bridge devices" in kernel_lacks()
    assert "veth devices" not in kernel_lacks()
    assert all(command[:2] == ["unshare", "--net"] for command in tried if command[0] != "modprobe")
