# Decides, from what a Secret holds and what it is to hold, what is kept, made, updated, retired and removed; no I/O.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError, Refused
from ansible_collections.bytebot.production.plugins.module_utils.model import canonical_json
from ansible_collections.bytebot.production.plugins.module_utils.secret import generate
from ansible_collections.bytebot.production.plugins.module_utils.secret.base import Derived, Made, Values
from ansible_collections.bytebot.production.plugins.module_utils.secret.rotation import Clock, parsed, previous
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import Spec

UNLISTED = "none"  # the source of a key that no source fills
BEFORE = "previous"  # the source of a value that stays for a while after its rotation
ROTATE, RETIRE = "rotate", "retire"
ASKED, LACKING = "replace asks for it", "there was none"


class Action(StrEnum):
    """What happens to a key."""

    KEPT = "kept"
    MADE = "made"
    UPDATED = "updated"
    RETIRED = "retired"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Step:
    """One key, where its value comes from, what happens to it, and why where it is made."""

    key: str
    source: str
    action: Action
    reason: str = ""

    def to_dict(self) -> dict[str, str]:
        told = {"key": self.key, "source": self.source, "action": str(self.action)}
        return {**told, "reason": self.reason} if self.reason else told


@dataclass(frozen=True, slots=True)
class Due:
    """When something happens to a key by itself, on the next run after that time."""

    at: datetime
    key: str
    action: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, in the order of the options; ``values`` has what is given and what is kept.

    :param rotated: the keys that had a value and get a new one.
    """

    what: str
    steps: tuple[Step, ...]
    values: Values
    makers: tuple[Made, ...]
    derived: tuple[Derived, ...] = ()
    rotated: tuple[str, ...] = ()
    clock: Clock = field(default_factory=Clock)

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(step.key for step in self.steps if step.action in (Action.REMOVED, Action.RETIRED))

    @property
    def retired(self) -> tuple[str, ...]:
        """The keys whose previous value goes, be it that its time is over or that a newer one takes its place."""
        before = [step for step in self.steps if step.source == BEFORE]
        return tuple(step.key for step in before if step.action in (Action.RETIRED, Action.UPDATED))

    @property
    def touched(self) -> tuple[str, ...]:
        """The keys whose value changes."""
        return tuple(step.key for step in self.steps if step.action is not Action.KEPT)

    def complete(self) -> dict[str, bytes]:
        """All values of the listed keys; those that are missing are made now."""
        values = dict(self.values)
        for maker in self.makers:
            values |= maker.make({key: values[key] for key in maker.keys if key in values}, values, self.clock.now)
        for source in self.derived:
            if source.key not in values:
                values[source.key] = source.compose(f"Key {source.key} of {self.what}", values)
        return values

    def due(self, values: Values) -> list[Due]:
        """What happens next by itself to the ``values`` of the finished plan, the soonest first."""
        anew = {step.key for step in self.steps if step.action in (Action.MADE, Action.UPDATED)}
        clock = Clock(self.clock.now, {**self.clock.recorded, **dict.fromkeys(anew, self.clock.now)}, self.clock.since)
        found = [Due(at, maker.keys[0], ROTATE) for maker in self.makers if (at := maker.due(values, clock))]
        held = {step.key for step in self.steps if step.source == BEFORE and step.action is not Action.RETIRED}
        for maker in self.makers:
            for key in maker.kept_back:
                name = previous(key)
                if name in held and (since := clock.made(name)):
                    found.append(Due(since + maker.overlap({key: self.values.get(name, b"")}), name, RETIRE))
        return sorted(found, key=lambda due: (due.at, due.key))


def plan(spec: Spec, live: Values, given: Values, clock: Clock | None = None) -> Plan:
    """The plan for a Secret that holds ``live`` (nothing, if it is new) and whose sources gave ``given``."""
    clock = clock or Clock()
    for key, value in given.items():
        if reason := generate.leftover(value):
            raise InputError(f"The value for key {key} of {spec} {reason}. Give a real value.")
    kept: dict[str, bytes] = {}
    steps = [_given_step(source.keys[0], source.word, live, given) for source in spec.given]
    for maker in spec.made:
        stay, reasons = _kept(spec, maker, live, {**given, **kept}, clock)
        kept |= stay
        steps += [_made_step(key, maker.word, stay, reasons) for key in maker.keys]
    _refuse_same(spec, kept)
    settled = {**given, **kept}
    composed = {source.key: _composed(spec, source, live, settled) for source in spec.derived}
    steps += [Step(source.key, source.word, composed[source.key][0]) for source in spec.derived]
    before, held = _previous(spec, live, kept, clock)
    steps += before
    if spec.prune:
        stay_too = {*spec.keys, *(step.key for step in before)}
        steps += [Step(key, UNLISTED, Action.REMOVED) for key in sorted(set(live) - stay_too)]
    values = {**settled, **{key: value for key, (_action, value) in composed.items() if value is not None}, **held}
    rotated = tuple(key for maker in spec.made for key in maker.keys if key in live and key not in kept)
    return Plan(str(spec), tuple(steps), values, spec.made, spec.derived, rotated, clock)


def _given_step(key: str, word: str, live: Values, given: Values) -> Step:
    if key not in live:
        return Step(key, word, Action.MADE)
    return Step(key, word, Action.KEPT if live[key] == given[key] else Action.UPDATED)


def _made_step(key: str, word: str, kept: Values, reasons: Mapping[str, str]) -> Step:
    return Step(key, word, Action.KEPT) if key in kept else Step(key, word, Action.MADE, reasons.get(key, LACKING))


def _kept(spec: Spec, source: Made, live: Values, beside: Values, clock: Clock) -> tuple[Values, Mapping[str, str]]:
    """Those values of a source that exist and stay, and why the others do not.

    A value that must not stay, and is not too old or to be replaced, ends the run; it is never replaced unasked.
    """
    replaced = source.replaced(spec.replace)
    kept = {key: live[key] for key in source.keys if key in live and key not in replaced}
    if flaw := source.flaw(kept):
        raise Refused(f"Key {flaw.key} of {spec} {flaw.reason}. {flaw.remedy}.")
    stale = source.stale(kept, beside, clock)
    reasons = dict.fromkeys(replaced & live.keys(), ASKED) | dict.fromkeys(stale.keys & kept.keys(), stale.reason)
    return {key: value for key, value in kept.items() if key not in stale.keys}, reasons


def _composed(spec: Spec, source: Derived, live: Values, settled: Values) -> tuple[Action, bytes | None]:
    """What happens to a composed value, and the value where it is kept."""
    value = live.get(source.key)
    if value is None:
        return Action.MADE, None
    if all(key in settled for key in source.needs) and source.current(f"Key {source.key} of {spec}", value, settled):
        return Action.KEPT, value
    return Action.UPDATED, None


def _previous(spec: Spec, live: Values, kept: Values, clock: Clock) -> tuple[list[Step], dict[str, bytes]]:
    """What happens to the values before the last rotation, and those that are newly held."""
    steps: list[Step] = []
    held: dict[str, bytes] = {}
    for source in spec.made:
        for key in source.kept_back:
            name = previous(key)
            overlap, ours = source.overlap(live), name in clock.recorded
            if overlap and key in live and key not in kept and not _bad(source, live):
                if name in live and not ours:
                    raise Refused(
                        f"Key {name} of {spec} is not of this module, and the value before is to stay there. Remove it."
                    )
                held[name] = live[key]
                steps.append(Step(name, BEFORE, Action.UPDATED if name in live else Action.MADE))
            elif name in live and ours:
                over = clock.now - clock.recorded[name] >= overlap
                steps.append(Step(name, BEFORE, Action.RETIRED if over else Action.KEPT))
    return steps, held


def _bad(source: Made, live: Values) -> bool:
    """Whether the values that exist are none that anybody could have used."""
    return source.flaw({key: live[key] for key in source.keys if key in live}) is not None


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


# ---------------------------------------------------------------------- when each key got its value


def stamps(recorded: str, steps: Iterable[Step], present: Iterable[str], now: str) -> str:
    """The record of when each key got its value, brought up to date. Of values that were found, no time is known."""
    times = {key: time for key, time in _times(recorded).items() if key in set(present)}
    times |= {step.key: now for step in steps if step.action in (Action.MADE, Action.UPDATED)}
    return canonical_json(times)


def known_times(recorded: str) -> dict[str, datetime]:
    """The times in such a record; what is no time is left out."""
    return {key: time for key, text in _times(recorded).items() if (time := parsed(text))}


def _times(recorded: str) -> Mapping[str, str]:
    try:
        times = json.loads(recorded or "{}")
    except ValueError:
        return {}
    return times if isinstance(times, dict) else {}
