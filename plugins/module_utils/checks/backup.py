# Judges whether the database is backed up: by what makes backups, how old the newest is, and whether it was restored.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found, no_input
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    State,
    Verdict,
    pending,
    utc_now,
)

Object = Mapping[str, Any]
CRON_JOB, SNAPSHOT, VELERO = "cron_job", "volume_snapshot", "velero"
PGBACKREST, BARMAN = "pgbackrest", "barman"
_RESUME = "Let the CronJob run again (spec.suspend: false)."
_FAILED = "Look at the events and the log of the Job's pods, and run the backup again."
_FAILED_OTHERWISE = "Look at the log of what makes the backups, and run the backup again."
_ACCOUNT = "Let this account read what makes the backups."
_RETAIN = "Keep more of them (retention), or agree on fewer (in the inventory: bytebot_backup.keep)."
_COPY = "Back up to that repository as well, and look at its schedule."
_LOG = "Look how old the newest archived log is (pg_stat_archiver; barman: set last_wal_maximum_age)."
_MAKE = "Run the backup now, and look why it has not run (schedule, concurrency, events)."
_NAME = "Name what makes the backups (in the inventory: bytebot_backup)."
_DRILL = "Restore the newest backup into a scratch database, and judge what comes out (backup.drills.database)."


@dataclass(frozen=True, slots=True)
class Made:
    """One backup: when it ended (Unix time, 0 while it has not), and why it is none; empty where it is one."""

    name: str
    at: float
    flaw: str = ""
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class BackupSeen:
    """What makes backups, and what it has made.

    :param kind: ``cron_job``, ``volume_snapshot``, ``velero``, ``pgbackrest`` or ``barman``.
    :param where: what was looked at, in words.
    :param maker: the CronJob; None where it is not there, or the kind has none.
    :param made: its Jobs, the VolumeSnapshots, or the Backups of Velero.
    :param denied: what may not be read, and why; :param remedy: what to do then.
    :param read: the backups that a tool tells of (checks/backup_tools.py), as are all that follow.
    :param wrong: what is wrong, each with its remedy; :param gaps: what is not known.
    :param copies: when the newest ended by repository, where there are several; :param whole: full ones that are kept.
    :param log_judged: whether the tool itself has judged how old the newest archived log is.
    :param told: what else stands in the evidence.
    """

    kind: str
    where: str
    maker: Object | None = None
    made: tuple[Object, ...] = ()
    denied: str = ""
    remedy: str = ""
    read: tuple[Made, ...] = ()
    wrong: tuple[tuple[str, str], ...] = ()
    gaps: tuple[tuple[str, str], ...] = ()
    copies: Mapping[str, float] = field(default_factory=dict)
    whole: int | None = None
    log_judged: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drilled:
    """What the newest restore drill of this source came to.

    :param flaw: why it does not count; :param at: when it was passed, :param made: when its artifact was made.
    :param remedy: what to do against the flaw, where it is known.
    """

    flaw: str = ""
    at: float = 0.0
    made: float = 0.0
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """One observation, and how old a backup may be (the recovery point objective, in seconds).

    :param note: what else is to be told of it.
    :param interval_s: how old a backup may be where the log that is archived between them keeps the objective.
    :param keep: full backups that must be there.
    """

    seen: BackupSeen | None = None
    rpo_s: float = 86_400.0
    now: float = 0.0
    drilled: Drilled | None = None
    note: str = ""
    interval_s: float = 0.0
    keep: int = 1
    at: str = field(default_factory=utc_now)

    @property
    def most_s(self) -> float:
        """How old the newest backup may be."""
        return self.interval_s or self.rpo_s


def made_of(facts: BackupFacts) -> list[Made]:
    """What was made, the oldest first."""
    if facts.seen is None:
        return []
    read = _READ.get(facts.seen.kind)
    found = map(read, facts.seen.made) if read else facts.seen.read
    return sorted(found, key=lambda one: one.began)


def last_success(facts: BackupFacts) -> float:
    """When the newest good one ended (Unix time, 0 where there is none)."""
    newest = max((one.at for one in made_of(facts) if not one.flaw), default=0.0)
    maker = (facts.seen.maker if facts.seen else None) or {}
    return max(newest, _time(maker.get("status") or {}, "lastSuccessfulTime"))


def last_failure(facts: BackupFacts) -> str:
    """That the last backup failed, and why; empty where it did not, or nothing is known."""
    ended = [one for one in made_of(facts) if one.at or one.flaw]
    return f"the last backup, {ended[-1].name}, failed: {ended[-1].flaw}" if ended and ended[-1].flaw else ""


def failure_remedy(facts: BackupFacts) -> str:
    """What to do where the last backup failed."""
    return _FAILED if facts.seen is None or facts.seen.kind == CRON_JOB else _FAILED_OTHERWISE


def backup(facts: BackupFacts) -> Verdict:
    """Backups are made, the last one did not fail, and the newest is young enough; only a restore proves it."""
    seen = facts.seen
    if seen is None:
        return no_input("backup", "bytebot_backup")
    found, made = Found(), made_of(facts)
    told = {**_told(seen, made), **({"first_backup": facts.note} if facts.note else {})}
    evidence = Evidence(seen.where, told, facts.at)
    if seen.denied:
        found.unknown(seen.denied, seen.remedy or _ACCOUNT)
        return found.verdict(seen.where, "", [evidence])
    if seen.kind == CRON_JOB and seen.maker is None:
        found.wrong("it is not there", _NAME)
        return found.verdict(seen.where, "", [evidence])
    if seen.maker and (seen.maker.get("spec") or {}).get("suspend"):
        found.wrong("it is suspended", _RESUME)
    if broken := last_failure(facts):
        found.wrong(broken, failure_remedy(facts))
    newest = last_success(facts)
    if not newest:
        found.wrong("it has made no backup yet", _MAKE)
    elif facts.now - newest > facts.most_s:
        found.wrong(f"its newest backup is {words(facts.now - newest)} old, {words(facts.most_s)} is the most", _MAKE)
    _by_tool(facts, seen, found)
    drilled = facts.drilled
    if drilled and drilled.flaw:
        found.wrong(drilled.flaw, drilled.remedy or _DRILL)
    elif drilled and facts.now - drilled.made > facts.rpo_s:
        age = words(facts.now - drilled.made)
        found.wrong(f"its newest artifact is {age} old, {words(facts.rpo_s)} is the most", _MAKE)
    if not drilled and found.gaps:
        found.unknown("nothing shows that its newest backup can be restored", _DRILL)
    good = f"its newest backup is {words(facts.now - newest)} old"
    if drilled:
        good += f", and one was restored {words(facts.now - drilled.at)} ago"
    good += f"; {facts.note}" if facts.note else ""
    verdict = found.verdict(seen.where, good, [evidence])
    if drilled or verdict.state is not State.PASS:
        return verdict
    return pending(
        f"Needs a restore drill: {seen.where} made a backup {words(facts.now - newest)} ago, and nothing shows that it "
        "can be restored.",
        _DRILL,
        evidence,
    )


def _by_tool(facts: BackupFacts, seen: BackupSeen, found: Found) -> None:
    """What a tool says beside its list of backups; other kinds say nothing."""
    for what, remedy in seen.wrong:
        found.wrong(what, remedy)
    for what, remedy in seen.gaps:
        found.unknown(what, remedy)
    if seen.whole is not None and last_success(facts) and seen.whole < facts.keep:
        found.wrong(f"{seen.whole} full backups are kept, {facts.keep} are the least", _RETAIN)
    for name, at in seen.copies.items():
        if facts.now - at > facts.most_s:
            found.unknown(f"the newest backup in {name} is {words(facts.now - at)} old", _COPY)
    if seen.kind in (PGBACKREST, BARMAN) and facts.interval_s > facts.rpo_s and not seen.log_judged:
        found.unknown(f"whether its log archive keeps the RPO of {words(facts.rpo_s)} is not told", _LOG)


def _job(one: Object) -> Made:
    """Kubernetes API reference, JobStatus."""
    status = one.get("status") or {}
    failed = next((told for told in status.get("conditions") or [] if _true(told, "Failed")), None)
    flaw = str(failed.get("message") or failed.get("reason") or "it failed") if failed else ""
    return Made(_name(one), _time(status, "completionTime"), flaw, _born(one))


def _snapshot(one: Object) -> Made:
    """Kubernetes documentation, Volume Snapshots."""
    status = one.get("status") or {}
    flaw = str((status.get("error") or {}).get("message") or "")
    at = _time(status, "creationTime") if status.get("readyToUse") else 0.0
    if at and str(status.get("restoreSize") or "") in ("0", "0Gi", "0Mi"):
        flaw = "it is empty"
    return Made(_name(one), at, flaw, _born(one))


def _velero(one: Object) -> Made:
    """Velero documentation, Backup API type."""
    status = one.get("status") or {}
    phase = str(status.get("phase") or "New")
    bad = phase in ("Failed", "PartiallyFailed", "FailedValidation", "FinalizingPartiallyFailed")
    flaw = f"{phase}, {status.get('errors', 0)} errors" if bad else ""
    at = _time(status, "completionTimestamp") if phase == "Completed" else 0.0
    expired = (status.get("progress") or {}).get("totalItems") == 0
    return Made(_name(one), at, flaw or ("it is empty" if at and expired else ""), _born(one))


_READ: dict[str, Callable[[Object], Made]] = {CRON_JOB: _job, SNAPSHOT: _snapshot, VELERO: _velero}


def _true(told: Object, kind: str) -> bool:
    return told.get("type") == kind and told.get("status") == "True"


def _born(one: Object) -> float:
    return _time(one.get("metadata") or {}, "creationTimestamp")


def _time(given: Mapping[str, Any], key: str) -> float:
    try:
        return datetime.fromisoformat(str(given.get(key) or "").replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name"))


def _told(seen: BackupSeen, made: Iterable[Made]) -> dict[str, Any]:
    spec, status = (seen.maker or {}).get("spec") or {}, (seen.maker or {}).get("status") or {}
    return {
        "kind": seen.kind,
        "suspended": bool(spec.get("suspend")),
        "schedule": spec.get("schedule"),
        "last_success": status.get("lastSuccessfulTime"),
        "made": [{"name": one.name, "ended": one.at, "flaw": one.flaw} for one in made][-5:],
        **seen.told,
        **({"denied": seen.denied} if seen.denied else {}),
    }
