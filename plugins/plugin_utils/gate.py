# Decides whether a gate is open, from a results document and a policy alone; every reason is one line.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import STAGES
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment

OPEN, SHUT, NOT_ASSESSED = "open", "shut", "not_assessed"
NOT_ASKED = "No gate has been asked in this run yet."
SANDBOX = "sandbox"  # the kind of environment in which a weaker threshold needs no waiver

# In which order reasons stand: what is broken before what is merely not known.
_ORDER = ("fail", "error", "inconclusive", "waived", "not_applicable", "pass", "attested", "stale", "pending")

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """How a gate decides.

    :param stages: their order; a gate looks at its own stage and those before it. None can be left out.
    :param leave_out: what may be pending, and why: the name of a section, the id of a group or a control, with the
        reason. It covers no other state, holds in a sandbox only, and is told with the decision.
    """

    stages: tuple[str, ...] = STAGES
    leave_out: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Any) -> Policy:
        """The policy from plain data.

        :raises InputError: a key is unknown, or the stages are not the catalogue's.
        """
        names = [one.name for one in fields(cls)]
        given = {} if given is None else given
        if not isinstance(given, Mapping):
            raise InputError(f"policy: {str(given)[:40]!r} is no mapping; give {', '.join(names)}.")
        if unknown := sorted(str(key) for key in given if key not in names):
            raise InputError(f"policy: {', '.join(unknown)} is unknown; it knows only {', '.join(names)}.")
        stages = given.get("stages", STAGES)
        if not isinstance(stages, Sequence) or isinstance(stages, str) or sorted(map(str, stages)) != sorted(STAGES):
            raise InputError(f"policy: stages must be a list that names each of these once: {', '.join(STAGES)}.")
        return cls(tuple(str(stage) for stage in stages), _left_out(given.get("leave_out")))

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the results document."""
        return {"stages": list(self.stages), "leave_out": dict(self.leave_out)}

    def leaves_out(self, control: str) -> str:
        """The key under which the policy leaves a control out: its own id, its group, its section; empty where none."""
        section, group, _item = control.split(".")
        return next((key for key in (control, f"{section}.{group}", section) if key in self.leave_out), "")

    def known_only(self, controls: Iterable[str]) -> None:
        """Refuse what is left out and is no control, group or section.

        :raises InputError: naming it.
        """
        there = {key for id_ in controls for key in (id_, id_.rpartition(".")[0], id_.partition(".")[0])}
        if unknown := sorted(self.leave_out.keys() - there):
            raise InputError(f"policy: leave_out names {', '.join(unknown)}, which is no control, group or section.")

    def until(self, stage: str) -> tuple[str, ...]:
        """A stage and those before it.

        :raises InputError: there is no such stage.
        """
        if stage not in self.stages:
            raise InputError(f"stage: there is no {stage!r}; use one of {', '.join(self.stages)}.")
        return self.stages[: self.stages.index(stage) + 1]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a gate says.

    :param reasons: why it is not open.
    :param notes: what does not shut it and should be known: red controls of level ``should``, weaker thresholds in a
        sandbox, and what is waived.
    """

    decision: str
    stage: str | None
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the results document."""
        return {
            "decision": self.decision,
            "stage": self.stage,
            "reasons": list(self.reasons),
            "notes": list(self.notes),
        }


def decide(document: Mapping[str, Any], stage: str, policy: Policy) -> Decision:
    """The decision for a stage from the controls of that stage and earlier ones.

    :raises InputError: the stage, or that of a control, is not one of the policy's, or the policy leaves out what there
        is not.
    """
    due = policy.until(stage)
    ours = document.get("own_controls", ())  # of the users themselves; they can shut a gate, and not assess it
    policy.known_only(str(entry["id"]) for entry in (*document["controls"], *ours))
    kind, now = str(document["environment"]["kind"]), moment(document["run"]["updated"])
    shutting: list[tuple[int, str]] = []
    notes: list[str] = []
    judged = False
    left: dict[str, Counter[str]] = {}
    for entry in (*document["controls"], *ours):
        policy.until(entry["stage"])
        if entry["stage"] not in due:
            continue
        judged = judged or (entry["stage"] == stage and entry["state"] != "pending" and not entry.get("own"))
        objection = _objection(entry, kind, now)
        if objection and kind == SANDBOX and entry["state"] == "pending" and (key := policy.leaves_out(entry["id"])):
            left.setdefault(policy.leave_out[key], Counter())[key] += 1
        elif objection:
            if entry["level"] == "should":
                notes.append(objection)
            else:
                shutting.append((_rank(entry), objection))
        elif entry.get("weaker"):
            notes.append(_line(entry, f"weaker than the document: {'; '.join(entry['weaker'])}"))
        elif entry["state"] == "waived":
            notes.append(_line(entry))
    notes += [_left(reason, keys) for reason, keys in left.items()]
    if not judged:
        broken = [line for rank, line in sorted(shutting, key=lambda item: item[0]) if rank < _ORDER.index("stale")]
        return Decision(NOT_ASSESSED, stage, (f"No control of the stage {stage} has been judged.", *broken))
    reasons = tuple(line for _rank, line in sorted(shutting, key=lambda item: item[0]))
    return Decision(SHUT if reasons else OPEN, stage, reasons, tuple(notes))


def replay(document: Mapping[str, Any]) -> Decision:
    """The decision again, from the document alone.

    :raises InputError: the document does not say which gate was asked under which policy.
    """
    asked = document["gate"]
    if asked["stage"] is None:
        return Decision(NOT_ASSESSED, None, (NOT_ASKED,))
    return decide(document, str(asked["stage"]), Policy.of(asked.get("policy")))


def told(decision: Decision) -> str:
    """The decision and its reasons, one a line."""
    named = f"gate {decision.stage}" if decision.stage else "gate"
    head = f"The {named} is {decision.decision.replace('_', ' ')}."
    notes = [f"  note: {line}" for line in decision.notes]
    return "\n".join([head, *(f"  {line}" for line in decision.reasons), *notes])


def _objection(entry: Entry, kind: str, now: datetime) -> str:
    """Why a control does not let a gate open; empty where it does. A state that is not known never does."""
    state = str(entry["state"])
    if state == "waived":
        return "" if _unexpired(entry, now) else _line(entry, "the waiver has run out")
    if state == "not_applicable" and entry.get("may_not_apply") is not True:
        return _line(entry, "the catalogue does not permit not_applicable here")
    if state not in {"pass", "attested", "not_applicable"}:
        return _line(entry)
    if entry.get("weaker") and kind != SANDBOX and not _weaker_waived(entry, now):
        return _line(entry, f"weaker than the document ({'; '.join(entry['weaker'])}), which needs a signed waiver")
    return ""


def _left_out(given: Any) -> dict[str, str]:
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise InputError(
            f"policy: leave_out {str(given)[:40]!r} is no mapping; give control, group or section: reason."
        )
    for key, reason in given.items():
        if not isinstance(reason, str) or not reason.strip():
            raise InputError(f"policy: leave_out {key} has no reason; say why it is left out.")
    return {str(key): " ".join(reason.split()) for key, reason in given.items()}


def _left(reason: str, keys: Counter[str]) -> str:
    """What the policy lets be pending for one reason, as one line."""
    named = ", ".join(f"{key} ({number})" if number > 1 else key for key, number in keys.items())
    return f"left out by the policy, {keys.total()} pending, {reason}: {named}"


def _weaker_waived(entry: Entry, now: datetime) -> bool:
    """Whether a waiver covers every threshold that is weaker than the document's."""
    waiver = entry.get("waiver") or {}
    covered = waiver.get("covers") == "weaker" and set(entry["weaker"]) <= set(waiver.get("weaker") or ())
    return covered and _unexpired(waiver, now)


def _unexpired(entry: Entry, now: datetime) -> bool:
    try:
        return moment(entry["expires"]) > now
    except (KeyError, ValueError):
        return False


def _rank(entry: Entry) -> int:
    state = str(entry["state"])
    return _ORDER.index(state) if state in _ORDER else 0


def _line(entry: Entry, why: str = "") -> str:
    said = [part for part in (why, str(entry["summary"])) if part]
    text = f"{entry['id']} {entry['state']}: {'; '.join(said)}"
    return " ".join(f"{text} → {entry['remedy']}".split() if entry.get("remedy") else text.split())
