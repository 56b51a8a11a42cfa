# What plays the internet: what it answers, and, between namespaces of the test's own, who reaches whom.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import probe
from sandbox.build.images import ImageStore
from sandbox.catalog import discover
from sandbox.cluster import Cluster
from sandbox.component import Context
from sandbox.components.internet import answers, link
from sandbox.components.internet.responders import CREDENTIALS, GOOGLE, MARK, TOKEN, TOKEN_PATH, internet, metadata
from sandbox.host import netns
from sandbox.pki import Pki
from sandbox.progress import Progress
from sandbox.settings import FULL, SMALL, Settings
from sandbox.shell import run
from sandbox.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[3]
# Starts what the supervisor would start, in settings of the test's own.
PROGRAM = """
import pathlib, sys
from sandbox import settings
from sandbox.components.internet import __main__ as program
own = settings.Settings(checkout=pathlib.Path(sys.argv[1]), state=pathlib.Path(sys.argv[1]), netns=sys.argv[2])
program.load = lambda: own
sys.exit(program.main())
"""


def test_the_internet_says_what_was_asked_and_by_whom() -> None:
    answer = internet("POST", "/leak", {"Host": "www.example.com"}, "10.244.0.9")
    told = {"stand_in": "internet", "method": "POST", "path": "/leak", "host": "www.example.com", "from": "10.244.0.9"}
    assert (answer.status, json.loads(answer.text)) == (200, told)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/latest/meta-data/", {}, 200),
        ("GET", CREDENTIALS + "sandbox-node", {}, 200),
        ("PUT", TOKEN_PATH, {"X-aws-ec2-metadata-token-ttl-seconds": "60"}, 200),
        ("PUT", TOKEN_PATH, {}, 400),
        ("POST", "/latest/meta-data/", {}, 405),
        ("GET", "/latest/nothing", {}, 404),
        ("GET", GOOGLE, {}, 403),
        ("GET", GOOGLE, {"Metadata-Flavor": "Google"}, 200),
    ],
)
def test_the_metadata_service_answers_as_those_of_clouds(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    assert metadata(method, path, headers, "").status == status


def test_its_credentials_are_none() -> None:
    told = json.loads(metadata("GET", CREDENTIALS + "sandbox-node", {}, "").text)
    assert (told["Type"], told["SecretAccessKey"]) == ("sandbox-stand-in", "none")
    assert "stand-in" in TOKEN


@pytest.mark.parametrize(("profile", "there"), [(FULL, True), (SMALL, False)])
def test_it_is_a_part_of_the_full_profile(settings: Settings, profile: str, there: bool) -> None:
    assert discover()["internet"].wanted(dataclasses.replace(settings, profile=profile)) is there


# ------------------------------------------------------------------ real connections


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Context]:
    """A namespace in the sandbox's place, and a certificate."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("real connections: making network namespaces needs root and iproute2")
    settings = Settings(checkout=tmp_path, state=tmp_path, netns=f"np-{os.getpid()}-internet")
    pki = Pki(settings.pki)
    pki.authority("internet-ca")
    pki.certificate(discover()["internet"].certificates[0])
    run("test", ["ip", "netns", "add", settings.netns])
    try:
        yield Context(
            settings, pki, Cluster(settings, pki), Supervisor(settings), ImageStore(settings), Progress(live=False)
        )
    finally:
        run("test", ["ip", "netns", "del", settings.netns])


@pytest.fixture
def started(node: Context) -> Iterator[subprocess.Popen[str]]:
    with start(node.settings) as process:
        yield process
        process.kill()


def start(s: Settings) -> subprocess.Popen[str]:
    command = ["unshare", "--net", "--", sys.executable, "-c", PROGRAM, str(s.state), s.netns]
    process = subprocess.Popen(
        [*netns.enter_command(s), *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == f"{s.internet_address} and {s.metadata_address} answer\n", said + process.stdout.read()
    return process


def test_all_three_answer_and_the_certificate_holds(node: Context, started: subprocess.Popen[str]) -> None:
    assert started.poll() is None
    assert answers(node)
    status, text = probe.http_post(node.settings, node.settings.internet_address, 80, "/x", "y")
    assert (status, json.loads(text)["from"]) == (200, node.settings.internet_gateway)


def test_a_certificate_of_another_authority_is_no_answer(node: Context, started: subprocess.Popen[str]) -> None:
    assert started.poll() is None
    node.pki.path("internet-ca.crt").unlink()
    node.pki.authority("internet-ca")
    assert not answers(node)


def test_the_internet_knows_no_way_but_to_pods(node: Context, started: subprocess.Popen[str]) -> None:
    inside = ["nsenter", f"--net=/proc/{started.pid}/ns/net", "--", "ip", "-4", "route"]
    networks = [line.split()[0] for line in run("test", inside).splitlines()]
    assert sorted(networks) == sorted([node.settings.pod_network, node.settings.internet_network])


def test_its_link_goes_with_it_however_it_ends(node: Context) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with start(node.settings) as process:
            assert link.linked(node.settings)
            process.send_signal(number)
            process.wait(10)
    # The next one does not mind whether the kernel has already taken the former link away.
    with start(node.settings) as process:
        assert answers(node)
        process.kill()


def test_every_answer_is_marked(node: Context, started: subprocess.Popen[str]) -> None:
    assert started.poll() is None
    s = node.settings
    for address in (s.internet_address, s.metadata_address):
        said = probe.exchange(s, address, 80, b"GET /nothing HTTP/1.0\r\n\r\n", most=4096)
        assert f"{MARK}: 1".encode() in said
