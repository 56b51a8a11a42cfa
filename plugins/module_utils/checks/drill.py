# Judges backups by what was restored of them: the database, the configuration, and what drills came to before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.backup.database import DatabaseFacts
from ansible_collections.bytebot.production.plugins.module_utils.backup.records import Record
from ansible_collections.bytebot.production.plugins.module_utils.backup.store import CONFIGURATION, DATABASE
from ansible_collections.bytebot.production.plugins.module_utils.checks.backup import (
    Drilled,
    backup,
    failure_remedy,
    last_failure,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.drill_facts import (
    ConfigurationDrill,
    DrillFacts,
    Targets,
    some,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.recovery_plan import judged_part
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    State,
    Verdict,
    errored,
    pending,
    sha256_of,
)

_TABLES_SHOWN = 200
_AGAIN = "Make a backup anew and restore it; until that passes, there is no backup to rely on."
_WHOLE = (
    "Look at what makes this artifact: is it whole, encrypted for the key that is at hand, and of all tables? After a "
    "migration that made tables, let the regular backup run once."
)
_KINDS = "Leave no kind out of the backup (leave_out_kinds), and let its account list all of them."
_RUN = "Run playbooks/restore_drill.yml, with drills in bytebot_tests_allowed."
_TARGETS = "Set recovery_targets with rpo and rto (in the inventory: bytebot_recovery_targets)."


CHECKS: Checks[DrillFacts] = Checks()


@CHECKS.settles("backup.drills.database")
def database(facts: DrillFacts) -> Verdict:
    """A backup that was made now, and the newest of what makes them regularly, are restored and hold what they must."""
    found, evidence = Found(), [_database_evidence(facts)]
    if broken := last_failure(facts.backup):
        found.wrong(broken, failure_remedy(facts.backup))
    if facts.failure:
        found.wrong(f"a backup could not be made: {facts.failure}", _AGAIN)
    for one in facts.databases:
        remedy = _first_remedy(facts) if one.source == _where(facts) else ""
        for flaw in one.flaws(facts.live):
            found.wrong(f"{one.artifact} ({one.source}): {flaw}", remedy or _WHOLE)
    if not found.problems:
        if facts.waits:
            return pending(facts.waits, facts.waits_for)
        if facts.trouble:
            return errored(f"The drill broke off: {facts.trouble}.", "Mend that and run the drill again.", *evidence)
        if not facts.databases or facts.live is None:
            return pending("Needs a backup of the database.", _RUN)
    live = facts.live or DatabaseFacts()
    rows = sum(rows for rows, _total in live.tables.values())
    good = (
        f"{len(facts.databases)} artifacts restored into a scratch server in {_slowest(facts):.3g} s at most, "
        f"{len(live.tables)} tables, {rows} rows and the schema as in the snapshot, pg_amcheck finds nothing"
    )
    if facts.first:
        good += f"; of the regular one: {facts.first.said}"
    return found.verdict("The database's backups", good, evidence)


@CHECKS.settles("backup.drills.configuration")
def configuration(facts: DrillFacts) -> Verdict:
    """Every object that is there is in the archive, is the same when it is made again, and no Secret lies in clear."""
    one = facts.configuration
    if one is None:
        if facts.failure:
            found = Found()
            found.wrong(f"a backup could not be made: {facts.failure}", _AGAIN)
            return found.verdict("The configuration's backup", "", [Evidence("the backup", facts.failure, facts.at)])
        if facts.trouble:
            return errored(f"The drill broke off: {facts.trouble}.", "Mend that and run the drill again.")
        return pending(facts.waits or "Needs a backup of the configuration.", facts.waits_for or _RUN)
    found = Found()
    for flaw in one.clear:
        found.wrong(flaw, "Remove that file, give the Secret a new value, and keep nothing but encrypted artifacts.")
    if one.trouble:
        found.wrong(f"it cannot be restored: {one.trouble}", _WHOLE)
    else:
        _compare(one, found)
    evidence = [_configuration_evidence(one, facts.at)]
    total, real = sum(one.kept.values()), len(one.compared.made)
    good = (
        f"{total} objects of {len(one.kept)} kinds restored and the same, {real} of them really made and "
        f"{len(one.compared.rehearsed)} as the API server would store them; encrypted"
    )
    return found.verdict(f"The configuration's backup {one.artifact}", good, evidence)


def _compare(one: ConfigurationDrill, found: Found) -> None:
    if omitted := sorted(one.live.keys() - one.kept.keys()):
        found.wrong(f"it has no {', '.join(omitted)}", _KINDS)
    if gone := [name for name in one.gone if name.partition(" ")[0] in one.kept]:
        found.wrong(f"it lacks {some(gone, 'object')}", _AGAIN)
    if one.changed:
        found.wrong(f"it holds {some(one.changed, 'object')} otherwise than the cluster", _AGAIN)
    if one.compared.lost:
        found.wrong(f"lost in the restore: {some(one.compared.lost, 'object')}", "Look why it cannot be made again.")
    if one.compared.other:
        found.wrong(f"restored as another: {some(one.compared.other, 'object')}", "Look what changes it (admission?).")
    if not one.release:
        found.wrong("it lacks Helm's record of the release with its values", _KINDS)
    if one.denied:
        found.unknown(f"not permitted to list {', '.join(one.denied)}", "Let the backup's account list these.")
    if one.unserved:
        found.unknown(f"the API does not answer for {', '.join(one.unserved)}", "Look at that API service.")


@CHECKS.settles("backup.drills.recovery")
def recovery(facts: DrillFacts) -> Verdict:
    """The procedure is written, and the newest drill of both kinds was passed within the interval."""
    interval = facts.targets.interval_s if facts.targets else Targets(0, 0).interval_s
    found, newest = Found(), {kind: _newest(facts.records, kind) for kind in (DATABASE, CONFIGURATION)}
    judged_part(facts.plan, "recovery", facts.now, found)
    for kind, record in newest.items():
        if record is None:
            found.wrong(f"no restore drill of the {kind} is recorded", _RUN)
        elif not record.passed:
            found.wrong(f"the newest restore drill of the {kind} failed: {record.why}", _AGAIN)
        elif facts.now - record.at > interval:
            age = words(facts.now - record.at)
            found.wrong(f"the newest drill of the {kind} is {age} old, {words(interval)} is the most", _RUN)
    told = {kind: _told(record) for kind, record in newest.items()}
    evidence = [Evidence("the record of drills", told, facts.at)]
    if facts.plan:
        evidence.append(Evidence(facts.plan.source, facts.plan.told("recovery"), facts.at))
    return found.verdict("Recovery", "the procedure is written, and both drills were passed in time", evidence)


@CHECKS.settles("backup.drills.rto_rpo")
def rto_rpo(facts: DrillFacts) -> Verdict:
    """The newest data that can be restored is young enough, and restoring it takes no longer than is wanted."""
    targets = facts.targets
    if targets is None:
        return pending("Needs input recovery_targets: nothing says what is wanted.", _TARGETS)
    newest = _regular(facts)
    if newest is None or not newest.passed or facts.now - newest.at > targets.interval_s:
        return pending("Needs a restore drill of the database that passed within the interval.", _RUN)
    also = _newest(facts.records, CONFIGURATION)
    parts = {**newest.seconds, **({"configuration": sum(also.seconds.values())} if also and also.passed else {})}
    growth = max(1.0, facts.live.size / newest.size) if facts.live and newest.size else 1.0
    takes, age = sum(parts.values()) * growth, facts.now - newest.made
    found = Found()
    if takes > targets.rto_s:
        longest = max(parts, key=lambda name: parts[name])
        found.wrong(
            f"restoring takes {takes:.3g} s, {words(targets.rto_s)} are wanted; the longest part is {longest}",
            "Restore faster (more jobs, a nearer copy, physical backups), or agree on another target.",
        )
    if newest.source != _where(facts):
        found.unknown(
            f"no backup of {_where(facts)} was restored" if _where(facts) else "no regular backups are named",
            "Restore one of the regular backups in a drill (in the inventory: bytebot_backup): what a drill makes for "
            "itself is always young.",
        )
    elif not newest.made or age > targets.rpo_s:
        found.wrong(
            f"the newest data that was restored is {words(age)} old, {words(targets.rpo_s)} are wanted",
            "Back up more often, or archive the write-ahead log.",
        )
    observed = {
        "targets": {"rpo_s": targets.rpo_s, "rto_s": targets.rto_s},
        "seconds": {name: round(value, 2) for name, value in parts.items()},
        "growth": round(growth, 3),
        "data_age_s": round(age),
        "drill": _told(newest),
    }
    good = (
        f"restored in {takes:.3g} s ({words(targets.rto_s)} wanted), of data {words(age)} old ({words(targets.rpo_s)})"
    )
    return found.verdict("Recovery targets", good, [Evidence("the record of drills", observed, facts.at)])


@CHECKS.settles("backup.drills.disaster")
def disaster(facts: DrillFacts) -> Verdict:
    """A plan with sites, roles, order, contacts and a last exercise; and a copy outside the failure domain is there."""
    found, evidence = Found(), []
    judged_part(facts.plan, "disaster", facts.now, found)
    if facts.plan:
        evidence.append(Evidence(facts.plan.source, facts.plan.told("disaster"), facts.at))
    copy = facts.copy
    if copy is None:
        found.unknown("Needs input copy", "Say where the second copy is (in the inventory: bytebot_backup_copy).")
    else:
        evidence.append(Evidence(copy.where, {"name": copy.name, "made": copy.made, "bytes": copy.size}, facts.at))
        limit = facts.targets.rpo_s if facts.targets else 86_400.0
        if copy.waits:
            found.unknown(f"the second copy in {copy.where}: {copy.waits}", "Run without check mode.")
        elif copy.trouble:
            found.wrong(f"the second copy in {copy.where}: {copy.trouble}", "Copy the backups outside, and look there.")
        elif not copy.size:
            found.wrong(f"there is no second copy in {copy.where}", "Copy the backups outside the failure domain.")
        elif facts.now - copy.made > limit:
            age = words(facts.now - copy.made)
            found.wrong(f"the newest copy in {copy.where} is {age} old, {words(limit)} is the most", "Copy it again.")
    return found.verdict("Disaster recovery", "there is a plan, and a young copy outside", evidence)


@CHECKS.settles("infrastructure.database.backup")
def regular(facts: DrillFacts) -> Verdict:
    """What makes the backups works, and what it made last was restored."""
    interval = facts.targets.interval_s if facts.targets else Targets(0, 0).interval_s
    where = _where(facts)
    today = next((one for one in facts.databases if one.source == where), None)
    record = _newest([one for one in facts.records if one.source == where], DATABASE)
    if record is None:
        return backup(facts.backup)
    if facts.now - record.at > interval:
        told = f"its newest restore drill is {words(facts.now - record.at)} old, {words(interval)} is the most"
        return backup(replace(facts.backup, drilled=Drilled(told)))
    flaw = "" if record.passed else f"its newest backup was not restored: {record.why}"
    made = today.made if today else record.made
    note = facts.first.said if facts.first else ""
    return backup(replace(facts.backup, drilled=Drilled(flaw, record.at, made, _first_remedy(facts)), note=note))


def records_of(facts: DrillFacts) -> list[Record]:
    """What this drill adds to the record."""
    found = [
        Record(
            DATABASE,
            one.source,
            facts.now,
            not (flaws := one.flaws(facts.live)),
            "; ".join(flaws)[:300],
            one.artifact,
            one.began,
            one.restored.facts.size if one.restored.facts else 0,
            {name: round(value, 3) for name, value in one.seconds.items()},
        )
        for one in facts.databases
    ]
    if one := facts.configuration:
        verdict = configuration(facts)
        good, why = verdict.state is State.PASS, "" if verdict.state is State.PASS else verdict.summary[:300]
        seconds = {"restore": round(one.seconds, 3)}
        found.append(Record(CONFIGURATION, "backup", facts.now, good, why, one.artifact, one.made, seconds=seconds))
    return found


def _regular(facts: DrillFacts) -> Record | None:
    """The newest drill of what makes backups regularly; where there is none, of one that was made for the drill."""
    where = _where(facts)
    return _newest([one for one in facts.records if one.source == where], DATABASE) or _newest(facts.records, DATABASE)


def _where(facts: DrillFacts) -> str:
    """What makes the regular backups, in words."""
    return facts.backup.seen.where if facts.backup.seen else ""


def _first_remedy(facts: DrillFacts) -> str:
    """What to do where the first backup of a young release could not be made."""
    return facts.first.remedy if facts.first else ""


def _newest(records: Sequence[Record], kind: str) -> Record | None:
    """The newest one; of several in one drill, one that failed."""
    found = [one for one in records if one.kind == kind]
    return max(found, key=lambda one: (one.at, not one.passed), default=None)


def _slowest(facts: DrillFacts) -> float:
    return max((sum(one.seconds.values()) for one in facts.databases), default=0.0)


def _told(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        "source": record.source,
        "ended": record.at,
        "passed": record.passed,
        "artifact": record.artifact,
        "data_of": record.made,
        "seconds": dict(record.seconds),
        **({"why": record.why} if record.why else {}),
    }


def _database_evidence(facts: DrillFacts) -> Evidence:
    told = [
        {
            "artifact": one.artifact,
            "source": one.source,
            "bytes": one.size,
            "made": one.made,
            "archive_created": one.restored.catalogue.created,
            "tables": len(one.restored.catalogue.tables),
            "same_snapshot": one.exact,
            "seconds": {name: round(value, 2) for name, value in one.seconds.items()},
            "restored": _shown(one.restored.facts),
            **({"trouble": one.restored.trouble} if one.restored.trouble else {}),
        }
        for one in facts.databases
    ]
    observed: dict[str, Any] = {"snapshot": _shown(facts.live), "restored": told}
    if facts.first:
        observed["first_backup"] = asdict(facts.first) | {"said": facts.first.said}
    return Evidence("restores into a scratch server", observed, facts.at)


def _shown(facts: DatabaseFacts | None) -> dict[str, Any] | None:
    """What a report keeps: of very many tables the first ones, and a digest of all."""
    if facts is None:
        return None
    told = facts.to_dict()
    tables = told["tables"]
    if len(tables) <= _TABLES_SHOWN:
        return told
    first = dict(list(tables.items())[:_TABLES_SHOWN])
    return {**told, "tables": first, "number_of_tables": len(tables), "sha256_of_tables": sha256_of(tables)}


def _configuration_evidence(one: ConfigurationDrill, at: str) -> Evidence:
    observed = {
        "artifact": one.artifact,
        "made": one.made,
        "seconds": round(one.seconds, 2),
        "live": dict(one.live),
        "kept": dict(one.kept),
        "really_made": list(one.compared.made),
        "as_it_would_be_stored": list(one.compared.rehearsed),
        "helm_records": list(one.release),
    }
    return Evidence("the restore into a scratch namespace", observed, at)
