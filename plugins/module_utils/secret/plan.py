# Decides, from what a Secret holds and what it is to hold, what is kept, made, updated and removed; no I/O.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.model import canonical_json
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.sources import Made, Values
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec

UNLISTED = "none"  # the source of a key that no source fills


class Action(StrEnum):
    """What happens to a key."""

    KEPT = "kept"
    MADE = "made"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Step:
    """One key, where its value comes from, and what happens to it."""

    key: str
    source: str
    action: Action

    def to_dict(self) -> dict[str, str]:
        return {"key": self.key, "source": self.source, "action": str(self.action)}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in the order of the options; ``values`` has what is given and what is kept."""

    steps: tuple[Step, ...]
    values: Values
    makers: tuple[Made, ...]

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(step.key for step in self.steps if step.action is Action.REMOVED)

    @property
    def touched(self) -> tuple[str, ...]:
        """The keys whose value changes."""
        return tuple(step.key for step in self.steps if step.action is not Action.KEPT)

    def complete(self) -> dict[str, bytes]:
        """All values of the listed keys; those that are missing are made now."""
        values = dict(self.values)
        for maker in self.makers:
            values |= maker.make({key: values[key] for key in maker.keys if key in values})
        return values


def plan(spec: Spec, live: Values, given: Values) -> Plan:
    """The plan for a Secret that holds ``live`` (nothing, if it is new) and whose sources gave ``given``."""
    for key, value in given.items():
        reason = generate.leftover(value)
        if reason:
            raise InputError(f"The value for key {key} of {spec} {reason}. Give a real value.")
    kept = {key: value for source in spec.made for key, value in _kept(spec, source, live).items()}
    _refuse_same(spec, kept)
    steps = [_given_step(source.keys[0], source.word, live, given) for source in spec.given]
    steps += [
        Step(key, source.word, Action.KEPT if key in kept else Action.MADE)
        for source in spec.made
        for key in source.keys
    ]
    if spec.prune:
        steps += [Step(key, UNLISTED, Action.REMOVED) for key in sorted(set(live) - set(spec.keys))]
    return Plan(tuple(steps), {**given, **kept}, spec.made)


def _given_step(key: str, word: str, live: Values, given: Values) -> Step:
    if key not in live:
        return Step(key, word, Action.MADE)
    return Step(key, word, Action.KEPT if live[key] == given[key] else Action.UPDATED)


def _kept(spec: Spec, source: Made, live: Values) -> Values:
    """Those values of a source that exist and stay. A value that must not stay ends the run; it is not replaced."""
    replaced = source.replaced(spec.replace)
    kept = {key: live[key] for key in source.keys if key in live and key not in replaced}
    flaw = source.flaw(kept)
    if flaw:
        raise Refused(f"Key {flaw.key} of {spec} {flaw.reason}. {flaw.remedy}.")
    return kept


def _refuse_same(spec: Spec, kept: Values) -> None:
    """Two keys with one value are one secret: who learns the first has the second."""
    seen: dict[str, str] = {}
    for source in spec.made:
        mark, key = source.fingerprint(kept), source.keys[0]
        if mark and mark in seen:
            raise Refused(
                f"Keys {seen[mark]} and {key} of {spec} hold the same secret. "
                f"To have a new one made, name {key} in replace."
            )
        seen[mark] = key


def stamps(recorded: str, steps: Iterable[Step], present: Iterable[str], now: str) -> str:
    """The record of when each key got its value, brought up to date. Of values that were found, no time is known."""
    times = {key: time for key, time in _times(recorded).items() if key in set(present)}
    times |= {step.key: now for step in steps if step.action in (Action.MADE, Action.UPDATED)}
    return canonical_json(times)


def _times(recorded: str) -> Mapping[str, str]:
    try:
        times = json.loads(recorded or "{}")
    except ValueError:
        return {}
    return times if isinstance(times, dict) else {}
