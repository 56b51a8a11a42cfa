# Judges by what is kept beside a release: helm's history of it, its rollbacks, and the drills of its backups.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import rollback_pair
from ansible_collections.bytebot.production.plugins.module_utils.checks.image_names import same_in_pod, same_in_workload
from ansible_collections.bytebot.production.plugins.module_utils.checks.spans import words
from ansible_collections.bytebot.production.plugins.module_utils.helm.rollback_record import Rollback, Side
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    passed,
    pending,
    utc_now,
)

BACKUP, DEPLOY = "go_live.t_minus_2h.backup", "go_live.t_zero.deploy"
ROLLBACK = "go_live.change.rollback_plan"
USUAL_WITHIN_S = 7200.0  # the checklist takes the last backup two hours before
_AHEAD_S = 300.0  # clocks differ by less
_DRILL = "Back up and restore in a drill now: ansible-playbook playbooks/restore_drill.yml."
_DEPLOY = "Deploy by the playbook that was tested, and judge again."


@dataclass(frozen=True, slots=True)
class RevisionSeen:
    """One revision as helm keeps it.

    :param updated: Unix time. :param images: that its workloads name. :param side: as records of rollbacks tell it.
    """

    number: int
    status: str
    good: bool
    description: str = ""
    updated: float = 0.0
    app_version: str = ""
    values_digest: str = ""
    images: tuple[str, ...] = ()
    side: Side = field(default_factory=Side)


@dataclass(frozen=True, slots=True)
class DrillSeen:
    """One drill of a restore. :param at: when it ended, :param made: when what it restored was made (Unix time)."""

    source: str
    at: float
    made: float
    passed: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """One container of a pod of the release.

    :param image: that the pod names; :param wanted: that its workload names for it.
    :param digest: of what the container runtime runs; empty where it does not tell.
    """

    pod: str
    container: str
    image: str
    wanted: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What is kept, and what runs.

    :param revisions: the newest first; :param gap: why they could not be read.
    :param drills: of the database, the oldest first; :param no_drills: why they could not be read.
    :param since: when the stage began in which the release is deployed; empty outside of it.
    :param outcome: what the deployment of that stage came to: ``unchanged``, ``deployed``, ``failed`` or empty.
    :param running: the images that live workloads name.
    :param pods: the containers of its pods; :param no_pods: why they could not be read.
    :param digests: of chart, values and images as judged now.
    :param rollbacks: those of this release, the oldest first; :param no_rollbacks: why they could not be read.
    """

    namespace: str
    release: str
    revisions: tuple[RevisionSeen, ...] = ()
    gap: str = ""
    drills: tuple[DrillSeen, ...] = ()
    no_drills: str = ""
    within_s: float = USUAL_WITHIN_S
    since: str = ""
    outcome: str = ""
    running: tuple[str, ...] = ()
    digests: Mapping[str, Any] = field(default_factory=dict)
    now: float = 0.0
    rollbacks: tuple[Rollback, ...] = ()
    no_rollbacks: str = ""
    rollback_within_s: float = rollback_pair.USUAL_WITHIN_S
    pods: tuple[Ran, ...] = ()
    no_pods: str = ""
    at: str = field(default_factory=utc_now)


CHECKS: Checks[RecordFacts] = Checks()


@CHECKS.settles(BACKUP)
def backed_up(facts: RecordFacts) -> Verdict:
    """The newest backup of the database that a drill has restored is young enough, and the drill was passed."""
    if facts.no_drills:
        return pending(f"The drills could not be read: {facts.no_drills}.", "Let this account read them.")
    if not facts.drills:
        return pending("No drill of a restore is recorded for this release.", _DRILL)
    newest = max(facts.drills, key=lambda one: (one.made, one.at))
    age = facts.now - newest.made
    revision = next((one.number for one in facts.revisions if one.updated and one.updated <= newest.made), 0)
    seen = Evidence(
        f"drills of restores recorded in namespace {facts.namespace}",
        {
            "backup_made": _time(newest.made),
            "restored": _time(newest.at),
            "source": newest.source,
            "passed": newest.passed,
            "why": newest.why,
            "within_s": facts.within_s,
            "revision_then": revision,
        },
        facts.at,
    )
    weaker = (
        (f"a backup of at most {words(facts.within_s)} ago wanted, document: {words(USUAL_WITHIN_S)}",)
        if facts.within_s > USUAL_WITHIN_S
        else ()
    )
    if age < -_AHEAD_S:
        return failed(f"The newest backup is of {_time(newest.made)}, which is to come.", _DRILL, seen, weaker=weaker)
    if age > facts.within_s:
        what = f"The newest backup that a drill restored is {words(age)} old; {words(facts.within_s)} are allowed"
        return failed(f"{what}.", _DRILL, seen, weaker=weaker)
    if not newest.passed:
        why = f" ({newest.why.rstrip('.')})" if newest.why else ""
        return failed(f"The newest backup was not restored as it should{why}.", _DRILL, seen, weaker=weaker)
    of = f" of revision {revision}" if revision else ""
    what = f"A backup{of} made at {_time(newest.made)} was restored and verified at {_time(newest.at)}"
    return passed(f"{what}.", seen, weaker=weaker)


@CHECKS.settles(ROLLBACK)
def taken_back(facts: RecordFacts) -> Verdict:
    """The newest rollback from the version that runs to the one before it passed, and is young enough."""
    if facts.gap:
        return pending(f"Helm's record could not be read: {facts.gap}.", "Let this account read helm's Secrets.")
    if facts.no_rollbacks:
        return pending(f"The rollbacks could not be read: {facts.no_rollbacks}.", "Let this account read them.")
    runs = next((one for one in facts.revisions if one.good and one.status == "deployed"), None)
    if runs is None:
        return pending(f"No revision of release {facts.release} is deployed.", "Deploy what is to go live.")
    older = (one for one in facts.revisions if one.good and one.number < runs.number)
    before = next((one.side for one in older if not one.side.same(runs.side)), None)
    pair = rollback_pair.Pair(runs.side, before, facts.rollbacks)
    where = f"rollbacks recorded in namespace {facts.namespace}"
    return rollback_pair.judge(pair, where, within_s=facts.rollback_within_s, now=facts.now, at=facts.at)


@CHECKS.settles(DEPLOY)
def deployed(facts: RecordFacts) -> Verdict:
    """The newest revision is deployed, by what was judged, and workloads and pods run the images that it names."""
    if not facts.since:
        return pending("The stage T-0 has not begun.", "Launch it: playbooks/go_live.yml.")
    if facts.gap:
        return pending(f"Helm's record could not be read: {facts.gap}.", "Let this account read helm's Secrets.")
    latest = facts.revisions[0] if facts.revisions else None
    seen = Evidence(f"helm's record of release {facts.release} in {facts.namespace}", _told(facts, latest), facts.at)
    if latest is None:
        return failed(f"There is no release {facts.release}.", _DEPLOY, seen)
    wrong = _wrong(facts, latest)
    if wrong:
        return failed(f"Revision {latest.number}: {'; '.join(wrong)}.", _DEPLOY, seen)
    if facts.no_pods:
        return pending(f"The pods could not be read: {facts.no_pods}.", "Let this account list pods.", seen)
    runs = f"the {len(facts.running)} images that it names run"
    return passed(f"Revision {latest.number} is {facts.outcome} by this playbook at T-0, and {runs}.", seen)


def _wrong(facts: RecordFacts, latest: RevisionSeen) -> list[str]:
    found = []
    if facts.outcome not in ("unchanged", "deployed"):
        found.append("the deployment of this stage failed" if facts.outcome else "nothing was deployed in this stage")
    if not latest.good or latest.status != "deployed":
        found.append(f"helm calls it {latest.status} ({latest.description or 'without a description'})")
    wanted = str(facts.digests.get("values_digest") or "")
    if not wanted:
        found.append("which values are wanted was not judged in this stage")
    elif latest.values_digest != wanted:
        found.append("it was deployed with other values than those that were judged")
    if not facts.digests.get("image_digests"):
        found.append("which images run was not judged in this stage")
    if not facts.running:
        found.append("no workload of it runs")
    judged = facts.digests.get("image_digests") or ()
    pairs = [
        (runs, named) for runs in facts.running for named in latest.images if same_in_workload(runs, named, judged)
    ]
    if other := sorted(set(facts.running) - {runs for runs, _named in pairs}):
        found.append(f"{', '.join(other[:3])} runs, which it does not name")
    if lost := sorted(set(latest.images) - {named for _runs, named in pairs}):
        found.append(f"{', '.join(lost[:3])} does not run, which it names")
    return [*found, *_others(facts)[:3]]


def _others(facts: RecordFacts) -> list[str]:
    """The pods that run another image than their workload names: nobody deployed it, and a new pod has it no more."""
    found = []
    for one in facts.pods:
        if not same_in_pod(one.image, one.wanted, facts.digests.get("image_digests") or ()):
            found.append(f"pod {one.pod} runs {one.image} in place of {one.wanted}")
        elif "@" in one.wanted and one.digest and one.digest != one.wanted.rpartition("@")[2]:
            found.append(f"pod {one.pod} runs {one.wanted} as {one.digest}")
    return found


def _told(facts: RecordFacts, latest: RevisionSeen | None) -> dict[str, Any]:
    return {
        "since": facts.since,
        "outcome": facts.outcome,
        "revision": latest.number if latest else 0,
        "status": latest.status if latest else "",
        "description": latest.description if latest else "",
        "deployed": _time(latest.updated) if latest else "",
        "app_version": latest.app_version if latest else "",
        "values_digest": latest.values_digest if latest else "",
        "images": list(latest.images) if latest else [],
        "running": list(facts.running),
        "pods": {f"{one.pod}/{one.container}": [one.image, one.digest] for one in facts.pods},
        "judged": dict(facts.digests),
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else "never"
