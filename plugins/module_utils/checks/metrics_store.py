# Judges a Prometheus server: version, configuration, whether it stores samples now, and how long it keeps them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import re
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.metrics_facts import (
    USUAL_RETENTION,
    USUAL_VERSION,
    MetricsFacts,
    PrometheusSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import seconds, version, words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import ABSENT, DENIED, Told
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict

_READ = "the right to read its API"
_START = "Start Prometheus, look at its log, and let this machine reach it."
_UPGRADE = "Upgrade Prometheus to a supported version."
_CONFIG = "Look at Prometheus's log, correct its configuration (promtool check config), and load it again."
_STORING = "Look at Prometheus's log, at the room on its volume and at its targets (Status, Targets)."
_ROOM = "Enlarge the volume of Prometheus, or keep less (--storage.tsdb.retention.size)."
_KEEP = "Set --storage.tsdb.retention.time, with a volume that has the room."
_LARGER = "Raise --storage.tsdb.retention.size with the volume, or store fewer series."
_OTHER = "Judge what it keeps by its own means: it speaks Prometheus's API, and this is not in it."
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*[KMGTPE]?i?B", re.IGNORECASE)


def judge_prometheus(facts: MetricsFacts) -> Verdict:
    """The verdict; what it tells of itself is evidence."""
    seen = facts.prometheus
    if seen is None:
        return no_input("prometheus", "bytebot_prometheus")
    found, evidence = Found(), _evidence(facts, seen)
    if not _serves(found, seen):
        return found.verdict(f"Prometheus at {seen.url}", "", [evidence])
    _version(found, facts, seen)
    _configured(found, seen)
    newest = _storing(found, facts, seen)
    room = _room(found, facts, seen)
    kept = _kept(found, facts, seen)
    good = f"{_name(seen)} serves, took its newest configuration, {newest}{room}, and keeps {kept}"
    return found.verdict(f"Prometheus at {seen.url}", good, [evidence], _weaker(facts))


def _weaker(facts: MetricsFacts) -> list[str]:
    wanted = facts.wanted
    told = []
    if version(wanted.version) < version(USUAL_VERSION):
        told.append(f"Prometheus {wanted.version} wanted, usual {USUAL_VERSION}")
    if (seconds(wanted.retention) or 0.0) < (seconds(USUAL_RETENTION) or 0.0):
        told.append(f"metrics kept for {wanted.retention} wanted, usual {USUAL_RETENTION}")
    return told


def _serves(found: Found, seen: PrometheusSeen) -> bool:
    """Whether it can be asked at all; some that speak its API have no route of readiness, or no version."""
    if seen.ready.kind == ABSENT and (seen.build.ok or seen.age.ok):
        return True
    return found.asked(seen.ready, "it is not ready", _START, allow=_READ)


def _name(seen: PrometheusSeen) -> str:
    told = seen.build.data if seen.build.ok else {}
    return f"{told.get('application') or 'Prometheus'} {told.get('version') or 'of unknown version'}"


def _itself(seen: PrometheusSeen) -> bool:
    """Whether it is Prometheus and not another server that speaks its API: those tell nothing of a configuration."""
    return seen.runtime.ok and "reloadConfigSuccess" in seen.runtime.data


def _version(found: Found, facts: MetricsFacts, seen: PrometheusSeen) -> None:
    if seen.build.kind == ABSENT:
        found.unknown("it does not tell its version", _OTHER)
        return
    if not found.asked(seen.build, "its version is not to be had", _START, allow=_READ):
        return
    text = str(seen.build.data.get("version") or "")
    if not version(text):
        found.unknown(f"its version is {text or 'not told'}", _OTHER)
    elif _itself(seen) and version(text) < version(facts.wanted.version):
        found.wrong(f"version {text} runs, {facts.wanted.version} or newer is wanted", _UPGRADE)


def _configured(found: Found, seen: PrometheusSeen) -> None:
    if seen.runtime.kind not in (ABSENT, DENIED) and not seen.runtime.ok:
        found.wrong(f"what it runs with is not to be had: {seen.runtime.cause}", _START)
    elif seen.runtime.kind == DENIED:
        found.asked(seen.runtime, "what it runs with", _START, allow=_READ)
    elif not _itself(seen):
        found.unknown("it does not tell whether its configuration loads", _OTHER)
    elif seen.runtime.data["reloadConfigSuccess"] is not True:
        loaded = seen.runtime.data.get("lastConfigTime") or "an unknown time"
        found.wrong(f"it refused its newest configuration and runs on that of {loaded}", _CONFIG)


def _storing(found: Found, facts: MetricsFacts, seen: PrometheusSeen) -> str:
    if not found.asked(seen.age, "it answers no query", _STORING, allow="the right to query"):
        return ""
    age = number(seen.age)
    if age is None:
        found.wrong("it has stored no sample of any target in the last 5 minutes", _STORING)
        return ""
    if age > facts.wanted.age_s:
        found.wrong(f"its newest sample is {words(age)} old", _STORING)
    corrupt = seen.runtime.data.get("corruptionCount") if seen.runtime.ok else 0
    if isinstance(corrupt, int) and corrupt > 0:
        found.wrong(f"its storage was found corrupt {corrupt} times since it started", _STORING)
    return f"stores samples (the newest is {words(max(age, 0.0))} old)"


def _room(found: Found, facts: MetricsFacts, seen: PrometheusSeen) -> str:
    if seen.room is None:
        return ""
    if not found.asked(seen.room, "the room on its volume", _ROOM, allow="the right to query"):
        return ""
    free = number(seen.room)
    if free is None:
        remedy = "Correct prometheus.volume, or let Prometheus scrape the kubelets (kubelet_volume_stats_*)."
        found.unknown("no series tells the room on the volume that is named", remedy)
        return ""
    if free < facts.wanted.room:
        found.wrong(f"{free:.0%} of its volume is free, {facts.wanted.room:.0%} is wanted", _ROOM)
    return f" with {free:.0%} of its volume free"


def _kept(found: Found, facts: MetricsFacts, seen: PrometheusSeen) -> str:
    """What it keeps, by the limit that it runs with; one by size alone shows only in what is there."""
    wanted = seconds(facts.wanted.retention) or 0.0
    if not _itself(seen):
        if seen.runtime.kind != DENIED:
            found.unknown("it does not tell how long it keeps metrics", _OTHER)
        return ""
    text = str(seen.runtime.data.get("storageRetention") or "")
    parts = text.split(" or ")
    spans = [known for part in parts if (known := seconds(part)) is not None]
    sized = any(_SIZE.fullmatch(part) for part in parts)
    oldest = number(seen.oldest) if seen.oldest.ok else None
    there = facts.now - oldest if oldest else 0.0
    cut = number(seen.cut) if seen.cut.ok else None
    if spans and min(spans) < wanted:
        found.wrong(f"it keeps metrics for {text}, {facts.wanted.retention} is wanted", _KEEP)
    elif not spans and not sized:
        found.unknown(f"its retention {text!r} is no length of time", _KEEP)
    elif sized and there < wanted and cut:
        back = f"what is there reaches back {words(there)}, {facts.wanted.retention} is wanted"
        found.wrong(f"it keeps {text}, and its limit by size removes samples before that: {back}", _LARGER)
    elif not spans and there < wanted:
        found.unknown(f"it keeps {text}, and what is there reaches back {words(there)} so far", _KEEP)
    elif sized and there < wanted and cut is None:
        gap = "whether its limit by size removes samples before that is not known"
        found.unknown(f"it keeps {text}, and {gap}", "Let Prometheus scrape itself (prometheus_tsdb_*).")
    return text if spans else f"{text}, which now reaches back {words(there)}"


def number(told: Told) -> float | None:
    """The value of the only sample; None where there is none, or it is no number."""
    if not told.ok or not told.data:
        return None
    try:
        value = float(told.data[0][1])
    except (TypeError, ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None


def _evidence(facts: MetricsFacts, seen: PrometheusSeen) -> Evidence:
    kept = ("reloadConfigSuccess", "lastConfigTime", "storageRetention", "corruptionCount", "startTime")
    observed: dict[str, Any] = {
        "ready": seen.ready.seen(),
        "build": _told(seen.build, ("version", "application")),
        "runtime": _told(seen.runtime, kept),
        "newest_sample_age_s": number(seen.age) if seen.age.ok else seen.age.seen(),
    }
    if seen.oldest.data:
        observed["oldest_sample"] = number(seen.oldest)
    if seen.room is not None:
        observed["free_share"] = number(seen.room) if seen.room.ok else seen.room.seen()
    return Evidence(f"Prometheus {seen.url}", observed, facts.at)


def _told(told: Told, names: tuple[str, ...]) -> Any:
    return {name: told.data[name] for name in names if name in told.data} if told.ok and told.data else told.seen()
