# Judges what the replicas used while the load ran, and whether their memory grows.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.load_facts import (
    MIB,
    LoadFacts,
    Replica,
    Sample,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.load.slope import FEWEST, Slope, slope_of
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
    pending,
)

SHOWN = 30  # points of a series in the evidence
HOUR_S = 3600.0
LATEST_S = 15.0  # before the end of the steady part the last look may be
SHORTEST_S = 10.0  # of a window in which a share of processor time is told
USUAL = Wanted()
_EXPONENTS = 100  # from which on three digits would be written with an exponent
_LIMITS = "Give the containers limits, or say memory_budget (performance_testing_memory_budget), and load for longer."


def resources(facts: LoadFacts) -> Verdict:
    """Memory, processor time, throttling and open files against their limits, and no container lost."""
    usage, wanted = facts.usage, facts.wanted
    seen = [one for one in usage.replicas if one.samples]
    evidence = _evidence(facts, [_used(one) for one in usage.replicas])
    weaker = _weaker(wanted)
    if lost := [f"{one.where} {one.what}" for one in usage.changes if not one.gone]:
        remedy = "Read the log of the container before it ended; give it more memory, or find what takes it."
        return failed(f"While the load ran, {', '.join(lost[:3])}.", remedy, evidence, weaker=weaker)
    if not seen:
        return pending(f"Nothing was seen of the replicas: {usage.problem or 'none runs'}.", usage.remedy)
    over = [text for one in seen for text in _over(one, wanted)]
    over += [text for one in seen if (text := _runs_out(facts, one))]
    if over:
        remedy = "Raise the limits by what was used (resources in the chart's values), add replicas, or use less."
        return failed(f"While the load ran, {'; '.join(over[:4])}.", remedy, evidence, weaker=weaker)
    if missing := [*_unseen(facts, seen), *_unbounded(seen, wanted)]:
        return pending(f"Not all could be seen: {'; '.join(missing[:3])}.", usage.remedy or _LIMITS, evidence)
    gone = [one.where for one in usage.changes if one.gone]
    if gone:
        summary = f"{', '.join(gone[:3])} was replaced while the load ran, so what it used is not known."
        return inconclusive(summary, "Run it again when nothing is rolled out or scaled.", evidence)
    memory = max((_most_memory(one) / limit for one in seen if (limit := one.memory_limit)), default=0.0)
    cpu = max((share for one in seen if (share := _cpu_share(one)) is not None), default=0.0)
    throttled = max((share for one in seen if (share := _throttled(one)) is not None), default=0.0)
    summary = (
        f"{len(seen)} containers used at most {_percent(memory)} of their memory and {_percent(cpu)} of their "
        f"processor time, and were throttled in at most {_percent(throttled)} of the periods."
    )
    return passed(summary, evidence, weaker=weaker)


def leak(facts: LoadFacts) -> Verdict:
    """The trend of each replica's memory in the steady part, and that none of them began anew."""
    usage, wanted = facts.usage, facts.wanted
    trends = {one.where: _trend(facts, one) for one in usage.replicas if one.samples}
    evidence = _evidence(facts, [_grown(facts, one, trends.get(one.where)) for one in usage.replicas])
    weaker: tuple[str, ...] = ()
    if wanted.leak_hours < USUAL.leak_hours:
        weaker = (f"memory must last {wanted.leak_hours:g} hours of growth, usual {USUAL.leak_hours:g}",)
    if ended := [f"{one.where} {one.what}" for one in usage.changes if not one.gone]:
        remedy = "Read the log of the container before it ended. A restart frees memory and so hides a leak."
        return failed(f"While the load ran, {', '.join(ended[:3])}.", remedy, evidence, weaker=weaker)
    if not trends:
        return pending(f"Nothing was seen of the replicas: {usage.problem or 'none runs'}.", usage.remedy)
    return _by_trends(facts, trends, evidence, weaker)


def _by_trends(
    facts: LoadFacts, trends: dict[str, Slope | None], evidence: Evidence, weaker: tuple[str, ...]
) -> Verdict:
    usage = facts.usage
    judged = [_judged(facts, one, trends[one.where]) for one in usage.replicas if one.samples]
    if grows := [text for state, text in judged if state == "grows"]:
        remedy = "Take a memory profile of the application under this load; a limit only delays the end."
        return failed(f"Memory grows: {'; '.join(grows[:3])}.", remedy, evidence, weaker=weaker)
    if missing := [*_unseen(facts, [one for one in usage.replicas if one.samples])]:
        return pending(f"Not all could be seen: {'; '.join(missing[:3])}.", usage.remedy, evidence)
    if unbounded := [text for state, text in judged if state == "unbounded"]:
        remedy = "Give the container a limit of memory, or say memory_budget (performance_testing_memory_budget)."
        return pending(f"How much it may grow is not known: {'; '.join(unbounded[:3])}.", remedy, evidence)
    gone = [f"{one.where} was replaced" for one in usage.changes if one.gone]
    if unsure := [*gone, *(text for state, text in judged if state == "unsure")]:
        return inconclusive(f"Not certain: {'; '.join(unsure[:3])}.", _longer(facts, trends), evidence)
    most = max(trend.high for trend in trends.values() if trend)
    summary = (
        f"The memory of {len(trends)} containers grew by at most {_hourly(most)} MiB an hour "
        f"(95 % confidence) over {facts.window[1] - facts.window[0]:g} s of steady load."
    )
    return passed(summary, evidence, weaker=weaker)


# ---------------------------------------------------------------------------- one replica


def _steady(facts: LoadFacts, replica: Replica) -> list[Sample]:
    first, last = facts.window
    return [one for one in replica.samples if first <= one.at <= last]


def _trend(facts: LoadFacts, replica: Replica) -> Slope | None:
    series = [(one.at, float(one.anonymous)) for one in _steady(facts, replica) if one.anonymous is not None]
    return slope_of(series)


def _tolerated(facts: LoadFacts, replica: Replica) -> float | None:
    """Bytes a second by which it may grow; None where nothing bounds its memory."""
    bound = replica.memory_limit or facts.wanted.memory_budget
    if not bound:
        return None
    return max(0.0, bound - _most_memory(replica)) / (facts.wanted.leak_hours * HOUR_S)


def _judged(facts: LoadFacts, replica: Replica, trend: Slope | None) -> tuple[str, str]:
    if trend is None:
        return "unsure", f"{replica.where} was looked at fewer than {FEWEST} times"
    tolerated = _tolerated(facts, replica)
    if tolerated is None:
        return "unbounded", f"{replica.where} has no limit of memory"
    bounds = f"by {_hourly(trend.low)} to {_hourly(trend.high)} MiB an hour"
    if trend.low > tolerated:
        return "grows", f"{replica.where} {bounds}, at which {facts.wanted.leak_hours:g} hours fill what it may have"
    if trend.high > tolerated:
        return "unsure", f"{replica.where} grows {bounds}, and {_hourly(tolerated)} are allowed"
    return "steady", ""


def _runs_out(facts: LoadFacts, replica: Replica) -> str:
    """Growth that would certainly fill the memory in an hour is no use within limits, whatever a leak may be."""
    trend = _trend(facts, replica)
    if trend is None or not replica.memory_limit or trend.low <= 0:
        return ""
    left = replica.memory_limit - _most_memory(replica)
    horizon = min(HOUR_S, facts.wanted.leak_hours * HOUR_S)
    if trend.low * horizon <= left:
        return ""
    return f"{replica.where} grows so that its memory is full after {max(0.0, left) / trend.low / 60:.0f} minutes"


def _longer(facts: LoadFacts, trends: dict[str, Slope | None]) -> str:
    """How long a soak must be: the interval narrows with the time's power of three halves."""
    first, last = facts.window
    times = []
    for replica in facts.usage.replicas:
        trend, tolerated = trends.get(replica.where), _tolerated(facts, replica)
        if trend and tolerated and trend.high > tolerated > trend.median:
            times.append((last - first) * ((trend.high - trend.median) / (tolerated - trend.median)) ** (2 / 3))
    need = max([*times, last - first]) * 1.2
    return f"Soak for {need:.0f} s or longer (bytebot_load.soak), on a system with nothing else to do."


def _hourly(slope: float) -> str:
    number = slope * HOUR_S / MIB
    return f"{number:.3g}" if abs(number) < _EXPONENTS else f"{number:.0f}"


def _most_memory(replica: Replica) -> float:
    return float(max((one.working or one.anonymous or 0 for one in replica.samples), default=0))


def _cpu_share(replica: Replica) -> float | None:
    """The share of its limit that it used over the whole time; None where it has none or it was not seen."""
    told = [(one.at, one.cpu_s) for one in replica.samples if one.cpu_s is not None]
    if not replica.cpu_limit or not told or told[-1][0] - told[0][0] < SHORTEST_S:
        return None
    return max(0.0, told[-1][1] - told[0][1]) / (told[-1][0] - told[0][0]) / replica.cpu_limit


def _throttled(replica: Replica) -> float | None:
    told = [(one.periods, one.throttled) for one in replica.samples if one.periods is not None]
    if not told or told[-1][1] is None or told[0][1] is None:
        return None
    periods = int(told[-1][0] or 0) - int(told[0][0] or 0)
    return (told[-1][1] - told[0][1]) / periods if periods > 0 else 0.0


def _files_share(replica: Replica) -> float | None:
    most = max((one.files for one in replica.samples if one.files is not None), default=None)
    return most / replica.files_limit if most is not None and replica.files_limit else None


def _over(replica: Replica, wanted: Wanted) -> list[str]:
    bound = replica.memory_limit or wanted.memory_budget
    memory = _most_memory(replica) / bound if bound else None
    rows = (
        (memory, wanted.memory_share, "of its memory"),
        (_cpu_share(replica), wanted.cpu_share, "of its processor time"),
        (_files_share(replica), wanted.files_share, "of the files that it may open"),
    )
    found = [
        f"{replica.where} used {_percent(share)} {what}, and {_percent(limit)} are allowed"
        for share, limit, what in rows
        if share is not None and share > limit
    ]
    share = _throttled(replica)
    if share is not None and share > wanted.throttled_share:
        allowed = _percent(wanted.throttled_share)
        found.append(f"{replica.where} was throttled in {_percent(share)} of the periods, and {allowed} are allowed")
    return found


def _unseen(facts: LoadFacts, seen: list[Replica]) -> list[str]:
    """What was not looked at, not to the end, or not at its memory."""
    replicas, (_first, last) = facts.usage.replicas, facts.window
    missing = [f"{one.where}: {one.problem or 'no sample came'}" for one in replicas if not one.samples]
    missing += [
        f"{one.where} was looked at only until {one.samples[-1].at:.0f} s"
        for one in seen
        if one.samples[-1].at < last - LATEST_S
    ]
    return missing + [
        f"{one.where}: its memory could not be read"
        for one in seen
        if all(sample.working is None and sample.anonymous is None for sample in one.samples)
    ]


def _unbounded(seen: list[Replica], wanted: Wanted) -> list[str]:
    """What cannot be compared: memory or processor time without a bound, and what is bounded and was not seen."""
    found = [f"{one.where} has no limit of memory" for one in seen if not (one.memory_limit or wanted.memory_budget)]
    for one in seen:
        if not one.cpu_limit:
            found.append(f"{one.where} has no limit of processor time")
        elif _cpu_share(one) is None:
            found.append(f"{one.where}: its processor time could not be read")
        elif _throttled(one) is None:
            found.append(f"{one.where}: how often it was throttled could not be read")
    return found


# ---------------------------------------------------------------------------- evidence


def _evidence(facts: LoadFacts, rows: list[dict[str, Any]]) -> Evidence:
    changes = [f"{one.where} {one.what}" for one in facts.usage.changes]
    told = {"containers": rows, "changes": changes, "steady_from_to_s": list(facts.window)}
    return Evidence(facts.usage.source or "replicas", told, facts.observed_at)


def _used(replica: Replica) -> dict[str, Any]:
    limit = replica.memory_limit
    return {
        "container": replica.where,
        "workload": replica.workload,
        "most_memory_mib": round(_most_memory(replica) / MIB, 1),
        "memory_limit_mib": round(limit / MIB, 1) if limit else None,
        "cpu_share": _rounded(_cpu_share(replica)),
        "throttled_share": _rounded(_throttled(replica)),
        "open_files_share": _rounded(_files_share(replica)),
        "samples": len(replica.samples),
        "problem": replica.problem,
    }


def _grown(facts: LoadFacts, replica: Replica, trend: Slope | None) -> dict[str, Any]:
    series = [[round(one.at, 1), (one.anonymous or 0) // 1024] for one in replica.samples if one.anonymous is not None]
    step = max(1, -(-len(series) // SHOWN))
    bounds = [round(one * HOUR_S / MIB, 2) for one in (trend.low, trend.median, trend.high)] if trend else None
    tolerated = _tolerated(facts, replica)
    return {
        "container": replica.where,
        "growth_mib_per_hour_low_median_high": bounds,
        "allowed_mib_per_hour": None if tolerated is None else round(tolerated * HOUR_S / MIB, 2),
        "series_columns": ["seconds", "memory_kib"],
        "series": series[::step],
    }


def _weaker(wanted: Wanted) -> tuple[str, ...]:
    rows = (
        ("of memory", wanted.memory_share, USUAL.memory_share),
        ("of processor time", wanted.cpu_share, USUAL.cpu_share),
        ("of periods throttled", wanted.throttled_share, USUAL.throttled_share),
        ("of open files", wanted.files_share, USUAL.files_share),
    )
    return tuple(
        f"{_percent(given)} {what} allowed, usual {_percent(usual)}" for what, given, usual in rows if given > usual
    )


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
