# Judges the rotation of Secrets: how often is written, no value is older, what reads them follows, a drill shows it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.documents import evidence_of, judge_pages
from ansible_collections.bytebot.production.plugins.module_utils.checks.documents_facts import Entry
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import (
    DRILL_AGE,
    LONGEST,
    ROTATION,
    Age,
    RotationFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.watch import Found
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import Evidence, Verdict, pending
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import previous, span, told

# The sections that its document must have, each by the words of its heading.
SECTIONS = (
    "interval|intervals|schedule|how often|when",
    "steps|procedure|how",
    "overlap|old value|before|verification|verify|check|after",
    "leak|leaked|emergency|compromise|compromised",
)
_INTERVAL = (
    "Say in the front matter of the document how often each is rotated: `interval: P90D`, `intervals: {NAME: P30D}`."
)
_ROTATE = "Rotate it (rotate.yml -e rotate_secret=NAME -e rotate_key=KEY), and let what reads it follow."
_RETIRE = "Run rotate.yml, which takes away what has outlived its overlap, or say the overlap in the document."
_FOLLOW = "Restart it, so that it runs with the new value."
_UNDATED = "Restart it once, or let generated_secret keep the Secret, which records when each value was made."
_DRILL = "Find out why the old value lived on, then let the drill run again."
_REFUSED = "the key of before is refused, also for a session that lives"
_ENDED = "a token of before is refused, be it by its key or its session"
_AGAIN = "Mend that, and let the drill run again."

CHECKS: Checks[RotationFacts] = Checks()


@CHECKS.settles(ROTATION)
def rotation(facts: RotationFacts) -> Verdict:
    """The rule is written, holds for every Secret of the release, and a rotation has been seen to work."""
    document = facts.document
    entry = document.entries.get(ROTATION) if document else None
    if document is None or entry is None:
        return pending(
            "Needs input document: nothing says where the rotation of Secrets is written.",
            f"Name it (in the inventory: bytebot_documents, key {ROTATION}).",
        )
    found = Found()
    read = judge_pages(found, document, entry)
    meta = {key: value for page in read if page.text for key, value in page.text.meta.items()}
    intervals = Intervals(found, facts, meta) if read else None
    if facts.unreleased:
        found.unknown(
            f"which Secrets the release uses is not known ({facts.unreleased})",
            "Deploy the release, and permit its record to be read.",
        )
    elif not facts.ages and not facts.denied:
        found.unknown("no Secret of the release is known", "Deploy the release, or name its Secrets.")
    for name, why in facts.denied.items():
        found.unknown(f"Secret {name} may not be read ({why.rstrip('.')})", "Permit get on it.")
    for name in facts.absent:
        found.unknown(f"Secret {name} is not there", "Make it, or name it no more.")
    for age in facts.ages:
        if intervals:
            intervals.judge(found, facts, age)
    for one in facts.behind:
        found.wrong(one, _FOLLOW)
    if facts.unseen:
        found.unknown(facts.unseen, "Permit list on deployments, statefulsets, daemonsets, replicasets and pods.")
    for one in facts.undated:
        found.unknown(one, _UNDATED)
    _drill(found, facts)
    last = facts.last
    return found.verdict(
        "Rotation of Secrets",
        f"each of the {len(facts.ages)} Secrets is younger than its interval, what reads them runs with them, and the "
        f"drill of {_day(last.at) if last else 'no day'} showed that {_REFUSED if last and last.by_key else _ENDED}",
        [evidence_of(document, entry), _evidence(facts, intervals, entry)],
        _weaker(facts),
    )


class Intervals:
    """The written intervals and the overlap; what is wrong with them is told once."""

    def __init__(self, found: Found, facts: RotationFacts, meta: Mapping[str, Any]) -> None:
        self.usual = self._span(found, "interval", meta.get("interval"))
        self.overlap = self._span(found, "overlap", meta.get("overlap"))
        listed = meta.get("intervals")
        known = listed if isinstance(listed, Mapping) else {}
        self.by_name = {str(name): self._span(found, f"intervals.{name}", value) for name, value in known.items()}
        if listed is not None and not isinstance(listed, Mapping):
            found.wrong("its intervals are no mapping of Secrets to spans of time", _INTERVAL)
        if not meta.get("interval") and not known:
            found.wrong("it says no interval", _INTERVAL)
        for name, length in (("interval", self.usual), *self.by_name.items()):
            if length and length > facts.longest:
                found.wrong(
                    f"it says {told(length)} for {name}, and at most {told(facts.longest)} are wanted", _INTERVAL
                )

    @staticmethod
    def _span(found: Found, where: str, given: Any) -> timedelta | None:
        if given is None:
            return None
        try:
            return span(where, given)
        except InputError as exc:
            found.wrong(exc.sentence.rstrip("."), _INTERVAL)
            return None

    def of(self, name: str) -> timedelta | None:
        """The interval of one Secret; None where nothing is said of it."""
        return self.by_name.get(name) or self.usual

    def judge(self, found: Found, facts: RotationFacts, age: Age) -> None:
        """Whether the values of one Secret are within it, and what was before is gone in time."""
        length = self.of(age.name)
        if length is None and (self.by_name or self.usual):
            found.wrong(f"it says no interval for Secret {age.name}", _INTERVAL)
        for key, made in age.made.items():
            if length and facts.now - made > length:
                found.wrong(
                    f"{key} of Secret {age.name} is {told(facts.now - made)} old{'' if age.recorded else ' at most'}, "
                    f"and is to be rotated after {told(length)}",
                    _ROTATE,
                )
        for key in age.before:
            since = age.made.get(key)
            if since is None or facts.now - since > (self.overlap or timedelta()):
                over = (
                    f"its overlap of {told(self.overlap)} is over" if self.overlap else "the document says no overlap"
                )
                found.wrong(f"Secret {age.name} still has {previous(key)}, and {over}", _RETIRE)


def _drill(found: Found, facts: RotationFacts) -> None:
    last = facts.last
    if last and last.unclear:
        what = f"the drill of {_day(last.at)} with Secret {last.secret} proved nothing: {last.why}"
        found.unknown(f"whether a rotation works is not known: {what}", _AGAIN)
    elif last and not last.passed:
        found.wrong(f"the drill of {_day(last.at)} with Secret {last.secret}: {last.why}", _DRILL)
    elif facts.unclear:
        found.unknown(
            f"whether a rotation works is not known: one was tried in this run, and {facts.no_drill}",
            facts.no_drill_remedy or _DRILL,
        )
    elif last is None or facts.now.timestamp() - last.at > facts.drill_age.total_seconds():
        seen = f"the last one that was watched is of {_day(last.at)}" if last else "none has been watched"
        why = facts.no_drill or "none was made"
        found.unknown(f"whether a rotation works is not known: {seen}, and {why}", facts.no_drill_remedy or _DRILL)


def _weaker(facts: RotationFacts) -> list[str]:
    longest, drill = facts.longest, facts.drill_age
    weaker = [f"rotation within {told(longest)} wanted, usual: {LONGEST} days"] if longest.days > LONGEST else []
    return weaker + (
        [f"a drill of at most {told(drill)} ago wanted, usual: {DRILL_AGE}"] if drill.days > DRILL_AGE else []
    )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _evidence(facts: RotationFacts, intervals: Intervals | None, entry: Entry) -> Evidence:
    observed = {
        "secrets": {
            age.name: {
                # The name of a key as a name here would have its time masked.
                "made": [f"{key} on {made.isoformat(timespec='seconds')}" for key, made in age.made.items()],
                "recorded": age.recorded,
                "interval": told(length) if intervals and (length := intervals.of(age.name)) else None,
                "keys_of_before": [previous(key) for key in age.before],
            }
            for age in facts.ages
        },
        "behind": list(facts.behind),
        "not_dated": list(facts.undated),
        "drill": {
            "ended": datetime.fromtimestamp(last.at, UTC).isoformat(timespec="seconds"),
            "rotated": last.secret,
            "passed": last.passed,
            "unclear": last.unclear,
            "key_refused": last.by_key,
            "why": last.why,
            "steps": list(last.steps),
            "seconds": last.seconds,
        }
        if (last := facts.last)
        else None,
        "document": [page.where for page in entry.pages],
    }
    return Evidence(f"Secrets of namespace {facts.namespace}, what reads them, and the last drill", observed, facts.at)
