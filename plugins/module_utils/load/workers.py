# Spreads the load over processes of their own, so that observing does not slow sending, and one core need not do all.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import asyncio
import contextlib
import math
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, TypeAlias

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.load.engine import GRACE_S, fire
from ansible_collections.bytebot.production.plugins.module_utils.load.plan import Plan, Shot
from ansible_collections.bytebot.production.plugins.module_utils.load.sender import Target, library, sender
from ansible_collections.bytebot.production.plugins.module_utils.load.tally import Tally

RATE_EACH = 400.0  # requests a second that one process sends well
TELL_S = 5.0
START_S = 0.5  # until the first phase begins, so that all processes are ready
SPARE_FILES, MOST_FILES = 200, 1_000_000
Pipe: TypeAlias = "Any"  # multiprocessing's Connection, whose type differs between versions
Renew = Callable[[], "Sequence[str]"]  # new tokens for the users, or none where the ones they have still do
Tell = Callable[[Tally, float], None]  # what was counted so far, and after how many seconds


@dataclass
class Sent:
    """What came of a run. :param broken: why a process did not come to its end; its counts may be missing."""

    tally: Tally = field(default_factory=Tally)
    workers: int = 1
    broken: str = ""


class Workers:
    """Processes that wait for the word to begin; made before anything else runs beside them."""

    def __init__(self, plan: Plan, target: Target, number: int = 0) -> None:
        """Fork. :raises InputError: the machine does not allow as many open files as the plan may need."""
        self._plan, self._target = plan, target
        self.number = number or max(1, min(math.ceil(plan.most_rate / RATE_EACH), os.cpu_count() or 1))
        _open_files(math.ceil(plan.most_rate * (target.timeout_s + GRACE_S) / self.number))
        library()
        shots = plan.shots()
        context = multiprocessing.get_context("fork")
        self._ends: list[Pipe] = []
        self._processes: list[Any] = []
        for one in range(self.number):
            here, there = context.Pipe()
            mine = shots[one :: self.number]
            process = context.Process(target=_work, args=(there, mine, target, [*self._ends, here]), daemon=True)
            process.start()
            there.close()
            self._ends.append(here)
            self._processes.append(process)

    @staticmethod
    def start() -> float:
        """When the first phase may begin, by the monotonic clock, which all processes share."""
        return time.monotonic() + START_S

    def run(self, start: float, tell: Tell, renew: Renew = tuple) -> Sent:
        """Say go and collect; ends within the plan's time and one time-out, whatever the processes do."""
        end = start + self._plan.seconds + self._target.timeout_s + 2 * GRACE_S + TELL_S
        latest: dict[int, Tally] = {}
        broken: list[str] = []
        for here in self._ends:
            with contextlib.suppress(OSError):
                here.send(start)
        open_ends = dict(enumerate(self._ends))
        told = start
        while open_ends and (rest := end - time.monotonic()) > 0:
            for here in wait(list(open_ends.values()), timeout=min(rest, TELL_S)):
                number = next(one for one, this in open_ends.items() if this is here)
                if _take(open_ends[number], number, latest, broken):
                    del open_ends[number]
            if time.monotonic() - told >= TELL_S and latest:
                told = time.monotonic()
                tell(_sum(latest), told - start)
                if tokens := list(renew()):
                    _hand_out(tokens, open_ends.values())
        broken += ["it did not end in time"] * len(open_ends)
        return Sent(_sum(latest), self.number, "; ".join(dict.fromkeys(broken)))

    def close(self) -> None:
        """End what still runs."""
        for here in self._ends:
            here.close()
        for process in self._processes:
            process.join(timeout=1.0)
            if process.is_alive():
                process.kill()
                process.join()


@contextlib.contextmanager
def workers(plan: Plan, target: Target, number: int = 0) -> Iterator[Workers]:
    """Processes that are gone in any case."""
    made = Workers(plan, target, number)
    try:
        yield made
    finally:
        made.close()


def _sum(tallies: dict[int, Tally]) -> Tally:
    whole = Tally()
    for tally in tallies.values():
        whole.merge(tally)
    return whole


def _take(here: Pipe, number: int, latest: dict[int, Tally], broken: list[str]) -> bool:
    """Take what a process tells; true where it is the last of it."""
    try:
        told = here.recv()
    except (EOFError, OSError):
        broken.append("a sending process ended before its time")
        return True
    if told.get("broken"):
        broken.append(str(told["broken"]))
    if "tally" in told:
        latest[number] = Tally.of(told["tally"])
    return bool(told.get("last"))


def _hand_out(tokens: list[str], ends: Iterable[Pipe]) -> None:
    for here in ends:
        with contextlib.suppress(OSError):  # one that has ended is told of when it is read
            here.send(tokens)


def _open_files(wanted: int) -> None:
    """See that as many files may be open. :raises InputError: the machine does not allow that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed, most = wanted + SPARE_FILES, MOST_FILES if hard == resource.RLIM_INFINITY else hard
    if needed > most:
        raise InputError(
            f"A process may open {most} files here, and this load may need {needed} at once: "
            "lower the rate or the time-out, or raise that limit (ulimit -n)."
        )
    if soft not in (resource.RLIM_INFINITY, hard) and soft < needed:
        with contextlib.suppress(OSError, ValueError):  # what the kernel does not grant shows as failed connections
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


# ---------------------------------------------------------------------------- in a process of its own


def _work(there: Pipe, shots: Sequence[Shot], target: Target, others: Sequence[Pipe]) -> None:
    for one in others:  # else this process would keep its own pipe open when the parent is gone
        one.close()
    try:
        start = there.recv()
        tally = Tally()
        asyncio.run(_sending(there, shots, target, start=start, tally=tally))
        there.send({"tally": tally.plain(), "last": True})
    except EOFError:  # nobody said go
        return
    except CollectionError as exc:
        there.send({"broken": exc.sentence, "last": True})
    except Exception as exc:  # noqa: BLE001 - it is told to the parent process, which words it
        there.send({"broken": f"{type(exc).__name__}: {exc}", "last": True})


async def _sending(there: Pipe, shots: Sequence[Shot], target: Target, *, start: float, tally: Tally) -> None:
    tokens = list(target.tokens)

    async def telling() -> None:
        while True:
            await asyncio.sleep(TELL_S)
            try:
                while there.poll():
                    tokens[:] = there.recv()
                there.send({"tally": tally.plain()})
            except (EOFError, OSError):  # the parent process is gone, and nobody wants the load any more
                os._exit(1)

    async with sender(target, tally, tokens) as send:
        teller = asyncio.get_running_loop().create_task(telling())
        try:
            await fire(shots, send, start, target.timeout_s, tally)
        finally:
            teller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await teller
