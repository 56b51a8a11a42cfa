# Runs playbooks as a user would, keeps everything they print, and gives the tests the sandbox's facts.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SANDBOX = Path(os.environ.get("SANDBOX_DIR", ROOT / ".sandbox"))
LOGS = ROOT / "build" / "integration-logs"
# Of the tests alone: what people signed or left open in the checkout's own reports is none of theirs.
REPORTS = ROOT / "build" / "integration-reports"
BIN = Path(sys.executable).parent
# The inventory's account may work in the release's namespace only; what makes or fills another one says this.
AS_ADMIN = {"bytebot_kubeconfig": str(SANDBOX / "admin.kubeconfig")}
# What most tests are about. A section that takes its time has tests of its own, which name their tags by `--tags`.
CORE = "infrastructure,security_configuration,deployment,team"
BEYOND = "application_configuration,functional_testing,performance_testing,security_testing,monitoring,backup,emergency"
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


def core_only(playbook: str, arguments: Sequence[str] = ()) -> dict[str, str]:
    """The environment in which a playbook of all sections judges those of CORE.

    :param playbook: its path, or its name in the collection.
    Empty where the arguments have tags of their own: Ansible would run the tags of both.
    """
    name = playbook.removesuffix(".yml").replace("/", ".").rpartition(".")[2]
    own = any(one in {"-t", "--tags"} or one.startswith("--tags=") for one in arguments)
    return {"ANSIBLE_RUN_TAGS": CORE} if name in {"deploy", "verify"} and not own else {}


def kill_all(pid: int) -> None:
    """Kill a process and all that came of it: Ansible's workers are sessions of their own, and would stay."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    doomed = [pid]
    for one in doomed:
        doomed += parents.get(one, [])
    for one in doomed:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)


@dataclass(frozen=True)
class Played:
    """How a playbook ended."""

    code: int
    output: str
    changed: int
    failed: int
    seconds: float


@dataclass
class Player:
    """Runs ansible-playbook in a folder with the checkout's collection (or another), and keeps its output."""

    folder: Path = ROOT
    collections: Path = ROOT / ".collections"
    count: int = 0

    def __call__(
        self,
        playbook: str,
        *arguments: str,
        inventory: str = "",
        variables: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Played:
        self.count += 1
        command = [str(BIN / "ansible-playbook"), playbook, *arguments]
        command += ["-i", inventory or str(ROOT / "inventories" / "sandbox")]
        given = {**({"bytebot_reports_dir": str(REPORTS)} if self.folder == ROOT else {}), **(variables or {})}
        command += ["-e", json.dumps(given)] if given else []
        own = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_DEPRECATION_WARNINGS": "0",
            **core_only(playbook, arguments),
        }
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "ANSIBLE_", "K8S_"))}
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**kept, **own, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        name = re.sub(r"\W+", "-", " ".join([Path(playbook).stem, *arguments]))[:60]
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{time.time_ns()}-{name}.log").write_text(output, encoding="utf-8")
        recap = _RECAP.search(output)
        changed, failed = (int(recap.group(3)), int(recap.group(5))) if recap else (0, 0)
        return Played(done.returncode, output, changed, failed, time.monotonic() - began)


@dataclass(frozen=True)
class Whole:
    """One run over the healthy sandbox of all sections beyond CORE, which the tests of these sections look at.

    :param document: its results; :param reports: the folder of reports, to which a test may add runs.
    """

    played: Played
    document: Mapping[str, Any]
    reports: Path

    def controls(self, *prefixes: str) -> dict[str, dict[str, Any]]:
        """The controls whose ids begin so, by id."""
        return {one["id"]: one for one in self.document["controls"] if one["id"].startswith(prefixes)}


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Judge all sections beyond CORE, once."""
    reports = tmp_path_factory.mktemp("whole")
    variables = {"bytebot_reports_dir": str(reports), "run_fresh": True}
    played = Player()("playbooks/verify.yml", "--tags", f"deployment,{BEYOND}", variables=variables)
    document = json.loads((reports / "sandbox" / "latest" / "results.json").read_text(encoding="utf-8"))
    return Whole(played, document, reports)


@pytest.fixture(scope="session", autouse=True)
def _fresh_logs() -> Iterator[None]:
    for folder in (LOGS, REPORTS):
        shutil.rmtree(folder, ignore_errors=True)
    yield


@pytest.fixture(scope="session")
def kubectl() -> Callable[..., str]:
    """Ask the sandbox's cluster by kubectl, independently of the collection."""

    def ask(*arguments: str, check: bool = True) -> str:
        command = [str(SANDBOX / "bin" / "kubectl"), f"--kubeconfig={SANDBOX}/admin.kubeconfig", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=check).stdout

    return ask


@pytest.fixture(scope="session", autouse=True)
def _sandbox_is_up(kubectl: Callable[..., str]) -> None:
    kubeconfig = SANDBOX / "admin.kubeconfig"
    if not kubeconfig.is_file() or "ok" not in kubectl("get", "--raw", "/readyz", check=False):
        pytest.exit(f"The sandbox is not up ({SANDBOX}). Raise it with: make sandbox-up", returncode=2)


@pytest.fixture
def play() -> Player:
    """A player for the checkout."""
    return Player()
