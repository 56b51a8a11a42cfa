# The cases: a no-op, an upgrade, and an upgrade whose image is missing, each by every contender in turns.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmark.cluster import Namespace
from tests.benchmark.contenders import Contender, Place, Play, Raw, Values, expect
from tests.benchmark.errors import Broken
from tests.benchmark.model import Row
from tests.benchmark.processes import Command, Ended, run
from tests.benchmark.rows import rows_of
from tests.benchmark.samples import Sample, Samples, Tell, rotations, traced

OURS, PEER, RAW = "ours", "peer", "raw"
TIMEOUT_S = 30  # of the failing upgrade, where helm waits to the end; more than enough for the others
MISSING = "registry.sandbox/no-such-image:1"
LONG_REPETITIONS = 3  # of the failing upgrade, which costs two time-outs for each repetition


@dataclass
class Bench:
    """All that a case works with.

    :param contenders: ours, the peer and raw helm; :param starts: plays without a task, the bare start of each Ansible.
    """

    place: Place
    namespace: Namespace
    contenders: Sequence[Contender]
    starts: Sequence[Play]
    repetitions: int
    tell: Tell
    versions: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def values(self) -> Values:
        """Values with the next version, which makes the pods new."""
        return {"version": str(next(self.versions))}


Execute = Callable[[Command], Ended]


class NoOp:
    """The same chart with the same values again. Raw helm has none: it makes a new revision each time."""

    name, title, measured, strace, most = "noop", "no-op", (OURS, PEER), True, 99

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._values: dict[str, Values] = {}

    def prepare(self, contender: Contender, helm: Path) -> None:
        """Deploy what shall not change."""
        self._values[contender.name] = self._bench.values()
        ended = run(contender.command(helm, self._values[contender.name], TIMEOUT_S))
        expect(contender.told(ended), contender, ended, failed=False)

    def attempt(self, contender: Contender, helm: Path, execute: Execute) -> Sample:
        """Deploy it again."""
        ended = execute(contender.command(helm, self._values[contender.name], TIMEOUT_S))
        told = contender.told(ended)
        expect(told, contender, ended, failed=False, changed=False)
        return Sample(ended, told)


class Upgrade:
    """Another version by a value, which makes new pods; the upgrade waits until they are ready."""

    name, title, measured, strace, most = "upgrade", "upgrade", (OURS, PEER, RAW), True, 99

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def prepare(self, contender: Contender, helm: Path) -> None:
        """Deploy what shall change."""
        ended = run(contender.command(helm, self._bench.values(), TIMEOUT_S))
        expect(contender.told(ended), contender, ended, failed=False)

    def attempt(self, contender: Contender, helm: Path, execute: Execute) -> Sample:
        """Upgrade, and see by kubectl that the new pods are ready."""
        values = self._bench.values()
        ended = execute(contender.command(helm, values, TIMEOUT_S))
        told = contender.told(ended)
        expect(told, contender, ended, failed=False, changed=True)
        if (found := self._bench.namespace.deployed_version(contender.release)) != values["version"]:
            raise Broken(
                f"{contender.name}: version {values['version']} is not ready (found: {found or 'none ready'})."
            )
        return Sample(ended, told)


class Failing:
    """An upgrade to an image that is not there, with a time-out of 30 s."""

    name, title, measured, strace, most = "failing", "failing upgrade", (OURS, PEER, RAW), False, LONG_REPETITIONS

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._helm = Path()

    def prepare(self, contender: Contender, helm: Path) -> None:
        """Keep the helm that makes ready; each attempt deploys anew, since the one before leaves a failed release."""
        self._helm = helm

    def attempt(self, contender: Contender, helm: Path, execute: Execute) -> Sample:
        """Deploy anew what runs (not measured), then upgrade to what cannot."""
        bench, good = self._bench, Raw(self._bench.place, contender.name)
        bench.namespace.ask("delete", "secrets", f"--selector=owner=helm,name={contender.release}")
        kinds = "deployments,services,configmaps,serviceaccounts"
        bench.namespace.ask("delete", kinds, contender.release, "--ignore-not-found", "--cascade=foreground")
        ended = run(good.command(self._helm, bench.values(), TIMEOUT_S))
        expect(good.told(ended), good, ended, failed=False)
        command = contender.command(helm, {**bench.values(), "image": MISSING}, TIMEOUT_S)
        with bench.namespace.watched_for_missing_image(contender.release) as sign:
            ended = execute(command)
        told = contender.told(ended)
        expect(told, contender, ended, failed=True)
        if sign.at is None or sign.at > ended.at:
            raise Broken(f"{contender.name} failed before the image was found missing: {told.text.strip()[-600:]}")
        return Sample(ended, told, ended.at - sign.at)


Case = NoOp | Upgrade | Failing
CASES = (NoOp, Upgrade, Failing)


def measure(bench: Bench, case: Case, helm: Path, major: int) -> list[Row]:
    """All rows of one case with one helm.

    :raises Broken: ``helm_release`` did not do what the case measures; where another cannot, its figures are missing.
    """
    label = f"helm{major}.{case.name}"
    samples, notes = Samples(), list[str]()
    usable: list[Contender] = []
    for contender in (one for one in bench.contenders if one.name in case.measured):
        bench.tell(f"{label}: warm-up, {contender.name}")
        try:
            case.prepare(contender, helm)
            found = traced(contender, case.attempt, helm, bench.place.work / label, strace=case.strace)
        except Broken as error:
            if contender.name == OURS:
                raise
            notes.append(f"no figures of {contender.name}: {error}"[:300])
            bench.tell(f"{label}: {notes[-1]}")
            continue
        samples.traced[contender.name] = found
        usable.append(contender)
    times = min(bench.repetitions, case.most)
    for number, turn in enumerate(rotations([*usable, *bench.starts], times), start=1):
        took = [f"{one.name} {_sampled(case, one, helm, samples, bench.starts):.2f} s" for one in turn]
        bench.tell(f"{label}: {number} of {times}: {', '.join(took)}")
    return rows_of(case.name, case.title, major, samples, "; ".join(notes), MISSING)


def _sampled(case: Case, one: Contender, helm: Path, samples: Samples, starts: Sequence[Play]) -> float:
    if one in starts:
        ended = run(one.command(helm, {}, TIMEOUT_S))
        sample = Sample(ended, one.told(ended))
        expect(sample.told, one, ended, failed=False)
    else:
        sample = case.attempt(one, helm, run)
    samples.add(one.name, sample)
    return sample.ended.seconds
