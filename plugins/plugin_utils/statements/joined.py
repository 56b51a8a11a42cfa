# Says for each control what signed statements say of it, and keeps what does not count in sight.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.accept import (
    Item,
    NotCounted,
    Scene,
    Signed,
    accepted,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.content import (
    APPROVAL,
    APPROVED,
    ATTESTATION,
    NO,
    WAIVER,
    Content,
    asked_of,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules, told

ATTESTED, FAIL, STALE, PENDING = "attested", "fail", "stale", "pending"
ASK = "Ask for it with playbooks/attest.yml, have it signed, and run again."
_Slot = tuple[str, str]  # kind, and control; with the signer where everyone signs


@dataclass(frozen=True, slots=True)
class Answer:
    """What statements say of a control."""

    state: str
    summary: str
    remedy: str = ""
    evidence: tuple[Mapping[str, Any], ...] = ()
    started: str | None = None
    demo: bool = False


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """A statement that does not count.

    :param at: when it says that it was asked for; the end of time where it does not say.
    """

    digest: str
    why: str
    lapsed: bool
    at: datetime

    @property
    def sentence(self) -> str:
        return f"Statement {self.digest[:12]} does not count: {self.why}."


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of an environment, verified.

    :param rules: none where no signers are allowed, so that nothing counts.
    :param now: when they were verified.
    :param defects: what cannot be used at all, by name.
    """

    rules: Rules | None = None
    signed: Mapping[_Slot, Signed] = field(default_factory=dict)
    uncounted: Mapping[_Slot, tuple[_Uncounted, ...]] = field(default_factory=dict)
    defects: Mapping[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def attestation(self, control: Control) -> Answer | None:
        """What was signed for a control; none where nothing was, so that it is pending."""
        return self._by_everyone(control) if control.everyone else self._one((ATTESTATION, control.id))

    def _by_everyone(self, control: Control) -> Answer | None:
        """What those who have the role signed, each for themselves; from the go-live on, who is missing is red."""
        people = self.rules.may_sign([control.signed_by]) if self.rules else []
        end = self.rules.go_live if self.rules else None
        if not people or end is None:
            return None
        answers = [(one.name, self._one((ATTESTATION, f"{control.id} {one.signer}"))) for one in people]
        if red := next((one for _name, one in answers if one and one.state == FAIL), None):
            return red
        there = [one for _name, one in answers if one and one.state == ATTESTED]
        if not there:
            return None
        proofs = tuple(proof for one in there for proof in one.evidence)
        demo = any(one.demo for one in there)
        if missing := [name for name, one in answers if one is None or one.state != ATTESTED]:
            told = f"{len(there)} of {len(people)} have signed, and not {', '.join(missing)}"
            if self.now < end:
                return Answer(PENDING, f"{told}, until {end.isoformat()}.", ASK, proofs, demo=demo)
            return Answer(FAIL, f"{told}, who should have until {end.isoformat()}.", "Call them.", proofs, demo=demo)
        names = ", ".join(name for name, _one in answers)
        told = f"{'DEMO: ' if demo else ''}All {len(people)} have signed: {names}; each verified."
        return Answer(ATTESTED, told, "", proofs, max(str(one.started) for one in there), demo)

    def _one(self, slot: _Slot) -> Answer | None:
        signed = self.signed.get(slot)
        wrong = self._newer(slot, signed)
        if wrong and not wrong.lapsed:
            remedy = "Revoke it with playbooks/attest.yml, find out who made it, and have a new one signed."
            return Answer(FAIL, wrong.sentence, remedy)
        if signed is None:
            return Answer(STALE, f"stale: {wrong.why}", f"Sign it anew. {ASK}") if wrong else None
        denied = [one for one in signed.content["statements"] if one["answer"].strip().casefold() == NO]
        if denied:
            words = "; ".join(f"{one['text']}{_comment(one)}" for one in denied)
            summary = f"{_by(signed)} answers no: {words}."
            return _answer(FAIL, summary, signed, "Put right what is missing, and have it signed anew.")
        number = len(signed.content["statements"])
        said = f"yes to {number} of {number} statements" if number > 1 else "yes"
        until = str(signed.content["valid_until"])[:10]
        return _answer(ATTESTED, f"Signed by {_by(signed)}: {said}, until {until}; key {signed.key}, verified.", signed)

    def waiver(self, control: str, state: str, weaker: Iterable[str] = ()) -> dict[str, Any] | None:
        """The waiver that covers a control in a state, or its weaker thresholds; none where there is none."""
        signed = self.signed.get((WAIVER, control))
        if signed is None:
            return None
        waiver = signed.content["waiver"]
        covered = set(weaker) <= set(waiver["weaker"]) if state == "weaker" else True
        if waiver["covers"] != state or not covered:
            return None
        return {
            "owner": waiver["owner"],
            "reason": waiver["reason"],
            "covers": waiver["covers"],
            "weaker": waiver["weaker"],
            "scope": signed.content["binds_to"],
            "expires": signed.content["valid_until"],
            "signed_by": _by(signed),
            "key": signed.key,
            "statement": signed.digest,
            "demo": signed.signer.demo,
        }

    def proof(self, kind: str, control: str) -> Mapping[str, Any]:
        """A counting statement as evidence."""
        return _evidence(self.signed[kind, control])

    def lapsed_waiver(self, control: str) -> str:
        """Why the waiver of a control does not count; empty where there is none."""
        slot = (WAIVER, control)
        wrong = self._newer(slot, self.signed.get(slot))
        return wrong.sentence if wrong else ""

    def approval(self) -> Answer | None:
        """What the approval says, apart from the gate."""
        slot = (APPROVAL, APPROVED)
        signed = self.signed.get(slot)
        wrong = self._newer(slot, signed)
        if wrong and (signed is None or not wrong.lapsed):
            return Answer(STALE if wrong.lapsed else FAIL, wrong.sentence)
        return _answer(ATTESTED, f"Approved by {_by(signed)}", signed) if signed else None

    def missing(self, control: Control) -> tuple[str, str]:
        """Who must sign what where nothing is signed, and what to do."""
        people = self.rules.may_sign([control.signed_by]) if self.rules else []
        asked = asked_of(control)
        if control.signed_before and self.rules and self.rules.go_live is None:
            return "needs input bytebot_go_live: nothing says at which time it goes live", "Set bytebot_go_live, at."
        if control.everyone and people:
            told_each = f"not signed: each must sign it for themselves, namely {', '.join(one.name for one in people)}"
            return told_each, ASK
        what = f"{len(asked)} statements ({'; '.join(text for _id, text in asked)})" if len(asked) > 1 else "it"
        return f"not signed: {told(people, [control.signed_by])} must sign {what}", ASK

    def _newer(self, slot: _Slot, signed: Signed | None) -> _Uncounted | None:
        """The newest statement that does not count, where it is not older than the one that does."""
        found = [one for one in self.uncounted.get(slot, ()) if signed is None or one.at >= signed.at]
        wrong = [one for one in found if not one.lapsed]
        return max(wrong or found, key=lambda one: (one.at, one.digest), default=None)


def join(items: Iterable[Item], scene: Scene, defects: Mapping[str, str]) -> Statements:
    """Verify every statement; of those that count for the same, the newest does.

    :raises ProgramMissing: there is no ssh-keygen.
    """
    counting: list[Signed] = []
    uncounted: dict[_Slot, tuple[_Uncounted, ...]] = {}
    told_defects = dict(defects)

    def put_down(slot: _Slot | None, one: _Uncounted) -> None:
        if slot:
            uncounted[slot] = (*uncounted.get(slot, ()), one)
        if slot is None or not one.lapsed:
            told_defects[f"statement {one.digest[:12]}"] = one.sentence

    for item in items:
        try:
            counting.append(accepted(item, scene))
        except NotCounted as exc:
            content = exc.content
            slot = slot_of(content, scene.known) if content else None
            at = moment(content["requested_at"]) if content else datetime.max.replace(tzinfo=UTC)
            put_down(slot, _Uncounted(item.digest, exc.sentence, exc.lapsed, at))
    newest: dict[_Slot, Signed] = {}
    for one in sorted(counting, key=lambda one: (one.at, one.digest)):
        newest[slot_of(one.content, scene.known)] = one
    everyone = {one.id for one in scene.known.controls.values() if one.everyone}
    teams = {slot: one for slot, one in newest.items() if one.content["control"] not in everyone}
    for slot, why in _for_two_teams(teams).items():
        one = newest.pop(slot)
        put_down(slot, _Uncounted(one.digest, why, lapsed=False, at=one.at))
    return Statements(scene.rules, newest, uncounted, told_defects, scene.now)


def slot_of(content: Content, known: Catalogue) -> _Slot:
    """What takes the place of what: the newest of a kind for a control, of each person where everyone signs."""
    id_ = str(content["control"])
    control = known.controls.get(id_)
    everyone = control is not None and control.everyone and content["kind"] == ATTESTATION
    return str(content["kind"]), f"{id_} {content['signer']}" if everyone else id_


def _for_two_teams(newest: Mapping[_Slot, Signed]) -> dict[_Slot, str]:
    """Attestations of somebody who signed for another team before; one key under two names is one person."""
    found: dict[_Slot, str] = {}
    first: dict[str, Signed] = {}
    for slot, one in sorted(newest.items(), key=lambda item: (item[1].at, item[0])):
        if slot[0] != ATTESTATION:
            continue
        before = first.get(one.key) or first.get(one.signer.signer)
        role = one.content["role"]
        if before and before.content["role"] != role and not one.signer.several_teams:
            other = before.content["role"]
            found[slot] = f"{one.signer.name} signed for the team {other} too, and may not sign for two (several_teams)"
            continue
        first.setdefault(one.key, one)
        first.setdefault(one.signer.signer, one)
    return found


def _answer(state: str, summary: str, signed: Signed, remedy: str = "") -> Answer:
    demo = signed.signer.demo
    started = str(signed.content["requested_at"])
    text = f"DEMO: {summary}" if demo else summary
    return Answer(state, text, remedy, (_evidence(signed),), started, demo)


def _by(signed: Signed) -> str:
    title = _plain(signed.content["signer_title"]) or signed.signer.title
    role = str(signed.content["role"]).replace("_", " ")
    return f"{signed.signer.name} ({title}, {role})" if title else f"{signed.signer.name} ({role})"


def _comment(statement: Mapping[str, Any]) -> str:
    comment = _plain(statement["comment"])
    return f" ({comment})" if comment else ""


def _plain(text: str) -> str:
    """One line of what a person wrote, without letters that a terminal would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _evidence(signed: Signed) -> dict[str, Any]:
    """What a report shows of a statement; who reads it can verify the kept text anew."""
    kept = ("kind", "demo", "role", "requester", "requested_at", "valid_until", "binds_to", "binding", "run")
    observed = {
        "statement": signed.digest,
        "signer": signed.signer.signer,
        "name": signed.signer.name,
        "key": signed.key,
        "namespace": signed.signer.namespace,
        **{key: signed.content[key] for key in kept},
        "answers": signed.content["statements"],
        **({"waiver": signed.content["waiver"]} if signed.content["kind"] == WAIVER else {}),
        "facts": signed.content["facts"],
        "facts_digest": signed.content["facts_digest"],
    }
    return {
        "source": f"ssh-keygen -Y verify, statement {signed.digest[:12]}",
        "observed_at": signed.content["requested_at"],
        "observed": observed,
        "sha256": sha256_of(observed),
    }
