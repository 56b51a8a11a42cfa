# Makes the rows of a case from its samples.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.benchmark.figures import Figure, differences
from tests.benchmark.model import Row
from tests.benchmark.samples import Samples, Traced

OURS, PEER, RAW = "ours", "peer", "raw"
_REASON = re.compile(r"ErrImagePull|ImagePullBackOff|not found", re.IGNORECASE)
Seen = Callable[[str], list[float]]


def rows_of(case: str, title: str, major: int, samples: Samples, note: str = "", missing: str = "") -> list[Row]:
    """The rows, in the order of the table.

    :param missing: the image that a failing upgrade must name, together with a reason.
    """
    rows = []
    for quantity, what, unit, seen, own_note in _quantities(case, samples, missing):
        ours = Figure.of(seen(OURS))
        if ours is None:
            continue
        name = f"helm{major}.{case}.{quantity}"
        peer, raw = Figure.of(seen(PEER)), Figure.of(seen(RAW))
        if quantity == "over_raw":  # its limit is a share of raw helm's whole time
            raw = Figure.of(samples.seconds(RAW))
        notes = "; ".join(part for part in (own_note, note if peer is None else "") if part)
        rows.append(Row(name, f"{title}, Helm {major}: {what}", unit, ours, peer, raw, notes))
    return rows


def _quantities(case: str, samples: Samples, missing: str) -> Iterator[tuple[str, str, str, Seen, str]]:
    def start(name: str) -> list[float]:
        return samples.seconds(f"start-{name}")

    def whole(name: str) -> list[float]:
        return samples.seconds(name)

    def net(name: str) -> list[float]:
        return differences(samples.seconds(name), start(name)) if name != RAW else []

    def cpu_net(name: str) -> list[float]:
        return differences(samples.cpu(name), samples.cpu(f"start-{name}")) if name != RAW else samples.cpu(RAW)

    def task(name: str) -> list[float]:
        return samples.tasks(name) if name != RAW else samples.seconds(RAW)

    def over_raw(name: str) -> list[float]:
        return differences(samples.tasks(name), samples.seconds(RAW))

    def diagnosis(name: str) -> list[float]:
        return [sample.sign_s for sample in samples.runs.get(name, ()) if sample.sign_s is not None]

    def named(name: str) -> list[float]:
        return [float(names_cause(sample.told.text, missing)) for sample in samples.runs.get(name, ())]

    def processes(name: str) -> list[float]:
        found = samples.traced.get(name)
        return [float(max(len(found.helm_starts), found.by_strace or 0))] if found else []

    def largest(name: str) -> list[float]:
        return [sample.ended.largest_mib for sample in samples.runs.get(name, ())]

    def tree(name: str) -> list[float]:
        found = samples.traced.get(name)
        return [found.tree_mib] if found else []

    yield "start", "an empty play, the bare start of Ansible", "s", start, ""
    yield "playbook", "the whole playbook", "s", whole, ""
    yield "net", "the playbook without Ansible's start", "s", net, ""
    yield "task", "the task", "s", task, ""
    if case == "upgrade":
        yield "over_raw", "the task over raw helm", "s", over_raw, "the ratio to raw is a share of raw helm's time"
    if case == "failing":
        yield "diagnosis", "from the first certain cause to the end", "s", diagnosis, ""
        yield "named", "the message names the image and why", "share of runs", named, ""
    yield "cpu", "processor time without Ansible's start", "s", cpu_net, "user and system, of all processes"
    for phase in dict.fromkeys(phase for sample in samples.runs.get(OURS, ()) for phase in sample.told.phases):
        yield f"phase_{phase}", f"helm_release's own phase {phase}", "s", _phase(samples, phase), ""
    yield "processes", "helm processes", "processes", processes, _agreement(samples.traced)
    yield "memory_tree", "memory of all processes together", "MiB", tree, "PSS, sampled every 20 ms in the warm-up"
    yield "memory_largest", "memory of the largest process", "MiB", largest, "resident, by the kernel's account"


def _phase(samples: Samples, phase: str) -> Seen:
    """Seconds of one phase, of each run that had it."""
    return lambda name: [
        found for one in samples.runs.get(name, ()) if (found := one.told.phases.get(phase)) is not None
    ]


def names_cause(text: str, image: str) -> bool:
    """Whether a message names what is missing, and the reason."""
    return image in text and bool(_REASON.search(text))


def _agreement(traced: dict[str, Traced]) -> str:
    """What strace says beside the wrapper."""
    crossed = {name: found for name, found in traced.items() if found.by_strace is not None}
    if not crossed:
        return "counted by a wrapper, not cross-checked by strace"
    wrong = [
        f"{name}: wrapper {len(found.helm_starts)}, strace {found.by_strace}"
        for name, found in crossed.items()
        if found.by_strace != len(found.helm_starts)
    ]
    return (
        f"wrapper and strace differ ({'; '.join(wrong)})" if wrong else "counted by a wrapper, and by strace the same"
    )
