# Judges the sandbox by the playbooks that users run, and reads what they recorded.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from sandbox.errors import SandboxError

PLAYBOOKS = {
    "deploy": "deploy.yml",
    "verify": "playbooks/verify.yml",
    "prepare": "tests/sabotage/prepare.yml",
    "go_live": "tests/sabotage/go_live.yml",
    "window": "playbooks/go_live_window.yml",
    "review": "playbooks/review.yml",
}
# These are judged with every fault; another section only with faults that turn a control of it red.
CORE = ("infrastructure", "security_configuration", "deployment", "team")
RED = frozenset({"fail", "error"})
WHOLE = ("prepare", "go_live")  # plays of this folder, which have no tags
PROVEN = frozenset({"pass", "attested"})
_TASK = re.compile(r"^ *([\d.]+) TASK \[(.+?)\]", re.MULTILINE)
_LINE = re.compile(r"^ *([\d.]+) ", re.MULTILINE)
# A task of the sandbox takes seconds; restores, load and windows take longer, and say so.
SLOW_S = 180.0


@dataclass(frozen=True)
class Unproven:
    """A control that does not pass.

    :param why: what its run says of it.
    """

    control: str
    state: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.control} {self.state}" + (f" ({self.why.rstrip('.')})" if self.why else "")


@dataclass(frozen=True)
class Judged:
    """What one run recorded.

    :param states: state by control; :param gate: the gate's decision.
    :param beyond: the controls of stages after the gate's, which never shut it. :param said: a sentence by control.
    """

    states: Mapping[str, str]
    gate: str
    seconds: float
    beyond: frozenset[str] = frozenset()
    said: Mapping[str, str] = field(default_factory=dict)

    def unproven(self, controls: Iterable[str]) -> list[Unproven]:
        """Those among the controls that do not pass, with their states and the reasons."""
        found = ((one, self.states.get(one, "not recorded")) for one in sorted(controls))
        return [Unproven(one, state, self.said.get(one, "")) for one, state in found if state not in PROVEN]

    @property
    def red(self) -> frozenset[str]:
        """The controls that are red."""
        return frozenset(control for control, state in self.states.items() if state in RED)


@dataclass(frozen=True)
class Judge:
    """Runs a playbook with inputs; its reports go to a folder of the test's own.

    :param always: inputs of every run, which those of a fault may overrule.
    """

    root: Path
    always: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reports(self) -> Path:
        """The folder of the test's own reports."""
        return self.root / "build" / "sabotage" / "reports"

    def __call__(self, playbook: str, variables: Mapping[str, Any], name: str, sections: Iterable[str] = ()) -> Judged:
        """Judge.

        :param sections: what is judged beside the core.
        :param name: of the log that is kept below ``build/sabotage``.

        :raises SandboxError: the playbook wrote no record.
        """
        latest = self.reports / "sandbox" / "latest"
        before = latest.resolve() if latest.exists() else None
        core = () if playbook == "window" else CORE
        tags = {} if playbook in WHOLE else {"ANSIBLE_RUN_TAGS": ",".join(dict.fromkeys([*core, *sections]))}
        began = time.monotonic()
        log = self.play(PLAYBOOKS[playbook], {**variables, "run_fresh": True}, name, tags)[1]
        if not latest.exists() or latest.resolve() == before:
            raise SandboxError("sabotage", f"{PLAYBOOKS[playbook]} recorded nothing", remedy=f"read {log}")
        document = json.loads((latest / "results.json").read_text())
        if document["run"]["closed"] is None:
            raise SandboxError("sabotage", f"{PLAYBOOKS[playbook]} did not come to its end", remedy=f"read {log}")
        task, seconds = longest_task(log.read_text(encoding="utf-8"))
        if seconds > SLOW_S:
            print(f"{name}: {seconds:.0f} s in one task, {task}; {log} has the rest", file=sys.stderr, flush=True)
        states = {entry["id"]: entry["state"] for entry in document["controls"]}
        gate = document["gate"]
        later = gate["policy"]["stages"][gate["policy"]["stages"].index(gate["stage"]) + 1 :] if gate["stage"] else []
        beyond = frozenset(entry["id"] for entry in document["controls"] if entry["stage"] in later)
        said = {entry["id"]: entry["summary"] for entry in document["controls"]}
        return Judged(states, gate["decision"], time.monotonic() - began, beyond, said)

    def play(
        self, playbook: str, variables: Mapping[str, Any], name: str, environment: Mapping[str, str]
    ) -> tuple[int, Path]:
        """Run a playbook; its exit status, and the log that is kept."""
        inputs = {**self.always, **variables, "bytebot_reports_dir": str(self.reports)}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), playbook, "-e", json.dumps(inputs)]
        own = {"ANSIBLE_COLLECTIONS_PATH": str(self.root / ".collections"), "ANSIBLE_NOCOLOR": "1"}
        log = self.root / "build" / "sabotage" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with (
            log.open("w", encoding="utf-8", buffering=1) as kept,
            subprocess.Popen(
                command,
                cwd=self.root,
                env={**os.environ, **environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as running,
        ):
            try:
                for second, line in _timed(running.stdout or ()):
                    kept.write(f"{second:7.1f} {line}")
            except BaseException:
                running.kill()
                raise
        return running.returncode, log


def _timed(lines: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Each line with the second at which it came."""
    began = time.monotonic()
    for line in lines:
        yield time.monotonic() - began, line


def longest_task(log: str) -> tuple[str, float]:
    """The task that took the longest, and its seconds, by a log with the second before each line."""
    last = [float(found[1]) for found in _LINE.finditer(log)][-1:]
    begun = [(found[2], float(found[1])) for found in _TASK.finditer(log)]
    spent = [(name, end - second) for (name, second), (_, end) in pairwise([*begun, ("", last[0] if last else 0.0)])]
    return max(spent, key=lambda one: one[1], default=("", 0.0))
