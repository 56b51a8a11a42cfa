# Judges how a release is tuned: its pools, and the limits of its containers.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.bytebot.production.plugins.module_utils.checks import postgres_pools
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import some
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import unseen
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    Facts,
    Measured,
    Object,
    Use,
)
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    State,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

MEBI = 1024 * 1024
_SMALL = 64 * MEBI  # a limit that is no larger is not called too large
_KILLED = "OOMKilled"


# ---------------------------------------------------------------------------- pools


def pool_size(facts: Facts) -> Verdict:
    """The pools fit into the database's connections, and under load none was used up."""
    database = facts.database
    if database is None:
        return pending("The database was not asked.", "Judge without check mode, and set bytebot_probe_image.")
    rooms = postgres_pools.judged(database)
    pools = database.pools or ()
    wanted = facts.wanted
    small = [
        f"{one.name} has a pool of {one.size} for each replica, at least {wanted.least_pool} are wanted"
        for one in pools
        if one.size is not None and one.size < wanted.least_pool
    ]
    used = [
        f"{one.name} had {most:g} of {one.size} connections in use for a tenth of the time"
        for one in pools
        if one.size
        and (most := facts.measured.in_use.get(one.name)) is not None
        and most >= wanted.utilisation * one.size
    ]
    seen = facts.evidence(
        "pools of the release, connections of the database, and its figures under load",
        {
            "pools": [f"{one.name}: {one.size} for each of {one.replicas} replicas" for one in pools],
            "in_use": dict(facts.measured.in_use),
            **measured_words(facts.measured),
            "problems": [*small, *used],
        },
    )
    if rooms.state == State.PASS and (small or used):
        return failed(f"{some([*small, *used])}.", "Give each replica more, as far as the database has them.", seen)
    if rooms.state != State.PASS:
        return Verdict(rooms.state, rooms.summary, rooms.remedy, (*rooms.evidence, seen))
    if gap := _unloaded(facts, "pools"):
        return pending(*gap, seen)
    blind = [one.name for one in pools if one.replicas and one.name not in facts.measured.in_use]
    if blind or not facts.measured.in_use:
        of = some(blind) if blind else "them"
        return inconclusive(
            f"The pools fit, and no metric tells how many connections of {of} are in use.",
            "Name the metric in application_configuration_pool_metric.",
            seen,
        )
    told = ", ".join(f"{name} {count:g}" for name, count in sorted(facts.measured.in_use.items()))
    return passed(
        f"{rooms.summary} In use for nine tenths of the time, also under {_loads(facts.measured)}: {told}.",
        *rooms.evidence,
        seen,
    )


def _unloaded(facts: Facts, what: str) -> tuple[str, str] | None:
    """Why figures say nothing of load, and what to do."""
    told = facts.measured
    if told.problem:
        return f"What is used of the {what} is not known: {told.problem.rstrip('.')}.", "Set bytebot_prometheus."
    if told.load is None:
        return f"The {what} were not looked at under load: {told.unloaded.rstrip('.')}.", _PERMIT_LOAD
    sent, answered, _seconds = told.load
    if answered * 2 < sent:
        return f"Under load only {answered} of {sent} requests were served.", "Let the public address answer first."
    return None


_PERMIT_LOAD = "Put load into bytebot_tests_allowed where some requests a second may be sent."


def measured_words(told: Measured) -> Object:
    """The load and the window of figures, for the evidence."""
    load = None if told.load is None else dict(zip(("sent", "answered", "seconds"), told.load, strict=True))
    return {"window": told.window, "load": load, "not_measured": told.problem or told.unloaded}


def _loads(told: Measured) -> str:
    sent, _answered, seconds = told.load or (0, 0, 0.0)
    return f"{sent} requests in {seconds:.0f} s"


# ---------------------------------------------------------------------------- limits


def limits(facts: Facts) -> Verdict:
    """Limits have room above what is used under load, do not throttle, and are not many times too large."""
    if gap := unseen(facts):
        return gap
    uses = facts.measured.uses
    problems = [*_killed(facts), *(problem for use in uses for problem in _of_use(facts, use))]
    seen = facts.evidence(
        "limits of containers, ends of containers, and figures of their use",
        {
            **measured_words(facts.measured),
            "containers": [_use_words(use) for use in uses],
            "problems": problems,
        },
    )
    if problems:
        return failed(f"{some(problems)}.", "Set the limit by what is used under load, with some room above it.", seen)
    if gap2 := _unloaded(facts, "limits"):
        return pending(*gap2, seen)
    blind = [f"{use.workload} container {use.container}" for use in uses if use.memory is None]
    if not uses or blind:
        return inconclusive(
            f"No figure tells what {blind[0] if blind else 'the containers'} uses.",
            "Let Prometheus scrape the kubelets (cAdvisor), and judge again when it has.",
            seen,
        )
    nearest = max(uses, key=lambda use: (use.memory or 0) / (use.memory_limit or float("inf")))
    return passed(
        f"Under {_loads(facts.measured)}, none of {len(uses)} containers was throttled or ended for memory; the one "
        f"nearest to its limit, {nearest.container} of {nearest.workload}, used {_mib(nearest.memory)} of "
        f"{_mib(nearest.memory_limit)} MiB.",
        seen,
    )


def _of_use(facts: Facts, use: Use) -> Iterator[str]:
    wanted, where = facts.wanted, f"{use.workload} container {use.container}"
    if use.throttled is not None and use.throttled > wanted.throttled:
        yield f"{where} was throttled in {use.throttled:.0%} of its processor's periods"
    if use.processor is not None and use.processor_limit and use.processor > wanted.headroom * use.processor_limit:
        yield f"{where} used {use.processor:.2f} of {use.processor_limit:g} cores for a tenth of the time"
    if not use.processor_limit:
        yield f"{where} has no limit of its processor"
    if not use.memory_limit:
        yield f"{where} has no limit of memory"
    if use.memory is None or not use.memory_limit:
        return
    if use.memory > wanted.headroom * use.memory_limit:
        yield f"{where} used {_mib(use.memory)} of {_mib(use.memory_limit)} MiB"
    if use.memory_limit > max(wanted.too_large * use.memory, _SMALL):
        yield (
            f"{where} used {_mib(use.memory)} MiB at the most, and its limit is {_mib(use.memory_limit)} MiB, more "
            f"than {wanted.too_large:g} times that"
        )


def _killed(facts: Facts) -> Iterator[str]:
    """Containers whose end, the present one or the last, was want of memory."""
    for pod in facts.pods:
        for told in (pod.get("status") or {}).get("containerStatuses") or []:
            ends = [(told.get(state) or {}).get("terminated") or {} for state in ("state", "lastState")]
            if any(end.get("reason") == _KILLED for end in ends):
                yield f"container {told['name']} of pod {pod['metadata']['name']} was ended for want of memory"


def _use_words(use: Use) -> Object:
    return {
        "container": f"{use.workload} container {use.container}",
        "processor": use.processor,
        "processor_limit": use.processor_limit,
        "memory": use.memory,
        "memory_limit": use.memory_limit,
        "throttled": use.throttled,
    }


def _mib(amount: float | None) -> str:
    return "?" if amount is None else f"{amount / MEBI:.0f}"
