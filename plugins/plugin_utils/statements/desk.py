# Where statements are asked for, taken in, revoked and listed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import gate
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control, duration
from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment, rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import BLOCKED, Document
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header, Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import content as contents
from ansible_collections.bytebot.production.plugins.plugin_utils.statements import ssh
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.accept import (
    APPROVAL_HOLDS,
    COVERS,
    SANDBOX,
    SKEW,
    Item,
    NotCounted,
    Scene,
    accepted,
    waiver_text,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.content import (
    APPROVAL,
    APPROVED,
    ATTESTATION,
    WAIVER,
    Content,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.joined import (
    ATTESTED,
    Statements,
    join,
    slot_of,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.shelf import Shelf
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules, Signer, told

SIGN_OFF = "sign_off"


@dataclass(frozen=True, slots=True)
class Waived:
    """What a waiver is asked for with.

    :param until: a time, or a duration from now on.
    """

    owner: str
    reason: str
    until: str
    scope: str


class Desk:
    """The statements of one environment, over one of its runs."""

    def __init__(self, store: Store, known: Catalogue, rules: Rules, variables: Mapping[str, Any]) -> None:
        self.store = store
        self.known = known
        self.rules = rules
        self.variables = variables
        self.shelf = Shelf(store.keeper)
        self._results: dict[str, Mapping[str, Mapping[str, Any]]] = {}

    # ------------------------------------------------------------------ asking

    def requests(
        self, kind: str, controls: Sequence[str], requester: str, *, run: str = "", waived: Waived | None = None
    ) -> dict[str, str]:
        """Texts to sign, by the names of their files.

        :param controls: which; those that wait for a signature where none is named.
        :raises InputError: what is asked for cannot be signed.
        """
        if not requester.strip():
            raise InputError("requester: say who asks; nobody signs what they asked for themselves.")
        judged = self._run(run)
        document = self._document(judged)
        if kind == APPROVAL:
            self._gate_open(document)
            return {f"{APPROVED}.json": contents.rendered(self._approval(judged, document, requester))}
        waiting = [
            entry["id"]
            for entry in document["controls"]
            if self.known.controls[entry["id"]].signed_by and entry["state"] in {"pending", "stale", "fail"}
        ]
        if kind == WAIVER and (not controls or waived is None):
            raise InputError("controls: name what is to be waived.")
        found: dict[str, str] = {}
        for id_ in controls or waiting:
            control = self.known.controls.get(id_)
            if control is None:
                raise InputError(f"controls: the catalogue has no control {id_}.")
            if kind == WAIVER and waived:
                made = self._waiver(judged, document, control, requester, waived)
                found[f"{id_}.{kind}.json"] = contents.rendered(made)
                continue
            if not controls and not self._due(judged, control):
                continue
            for one in self._each(judged, control) if control.everyone else (None,):
                made = self._attestation(judged, document, control, requester, one)
                name = f"{id_}.{one.signer}.{kind}.json" if one else f"{id_}.{kind}.json"
                found[name] = contents.rendered(made)
        return found

    def _due(self, run: Run, control: Control) -> bool:
        """Whether it can be signed now: a check that comes first has passed, and it is time."""
        if control.confirms and not self._passed(run, control.id):
            return False
        if not control.signed_before:
            return True
        end, now = self.rules.go_live, self.store.clock()
        people = self.rules.may_sign([control.signed_by])
        return bool(people and end and end - duration(control.signed_before) <= now <= end)

    def _passed(self, run: Run, id_: str) -> bool:
        """Whether a check passed in a run."""
        result = self._recorded(run).get(id_)
        return result is not None and result["state"] == "pass"

    def _each(self, run: Run, control: Control) -> list[Signer]:
        """Those who have the role and have not signed yet."""
        people = self.rules.may_sign([control.signed_by])
        if not people:
            raise InputError(f"controls: {control.id} must be signed by {told(people, [control.signed_by])}.")
        signed = self._joined(run.header).signed
        return [one for one in people if (ATTESTATION, f"{control.id} {one.signer}") not in signed]

    def _joined(self, header: Header) -> Statements:
        scene = Scene(header.environment, header.binding, self.known, self.rules, self.store.clock())
        return join(self.shelf.items()[0].values(), scene, {})

    def _attestation(
        self, run: Run, document: Document, control: Control, requester: str, person: Signer | None
    ) -> Content:
        if not control.signed_by:
            raise InputError(f"controls: {control.id} is not settled by a signature; a check settles it.")
        if control.confirms and not self._passed(run, control.id):
            raise InputError(
                f"controls: {control.id} is signed once its check passes, and run {run.header.id} has no such result."
            )
        facts = [self._fact(run, document, one) for one in contents.bearing(self.known, control)]
        until = self.store.clock() + control.age_limit
        asked = contents.asked_of(control)
        return self._content(
            run,
            requester,
            {
                "kind": ATTESTATION,
                "control": control.id,
                "title": control.title,
                "statements": [{"id": id_, "text": text, "answer": "", "comment": ""} for id_, text in asked],
                "binds_to": control.binds_to,
                "valid_until": rfc3339(until),
                "facts": facts,
                "waiver": {},
            },
            (control.signed_by,),
            person,
        )

    def _waiver(self, run: Run, document: Document, control: Control, requester: str, waived: Waived) -> Content:
        if why := self.rules.policy.why_unwaivable(control.id):
            raise InputError(f"controls: {control.id} cannot be waived: {why}.")
        entry = next(entry for entry in document["controls"] if entry["id"] == control.id)
        state = "weaker" if entry["state"] in {"pass", ATTESTED} and entry["weaker"] else str(entry["state"])
        if state not in COVERS or str(entry["summary"]).startswith(BLOCKED):
            told_state = f"{entry['state']} ({entry['summary']})"
            raise InputError(f"controls: {control.id} is {told_state}, which no waiver covers.")
        if waived.scope not in contents.SCOPES or not waived.owner.strip() or not waived.reason.strip():
            raise InputError("A waiver needs owner, reason, until, and a scope that is release or environment.")
        content: Content = {
            "kind": WAIVER,
            "control": control.id,
            "title": control.title,
            "statements": [],
            "binds_to": waived.scope,
            "valid_until": self._until(waived.until),
            "facts": [self._fact(run, document, control)],
            "waiver": {
                "owner": waived.owner.strip(),
                "reason": " ".join(waived.reason.split()).rstrip("."),
                "covers": state,
                "weaker": entry["weaker"] if state == "weaker" else [],
            },
        }
        content["statements"] = [{"id": control.id, "text": waiver_text(content), "answer": "", "comment": ""}]
        return self._content(run, requester, content, self.rules.policy.waiver_roles)

    def _approval(self, run: Run, document: Document, requester: str) -> Content:
        facts = [self._fact(run, document, control) for control in self.known.section(SIGN_OFF)]
        statement = {"id": APPROVED, "text": contents.APPROVAL_TEXT, "answer": "", "comment": ""}
        content: Content = {
            "kind": APPROVAL,
            "control": APPROVED,
            "title": "",
            "statements": [statement],
            "binds_to": "release",
            "valid_until": rfc3339(self.store.clock() + duration(APPROVAL_HOLDS)),
            "facts": facts,
            "waiver": {},
        }
        return self._content(run, requester, content, self.rules.policy.approval_roles)

    def _content(
        self, run: Run, requester: str, content: Content, roles: Sequence[str], person: Signer | None = None
    ) -> Content:
        people = [person] if person else self.rules.may_sign(roles)
        if not people:
            raise InputError(f"controls: {content['control']} must be signed by {told(people, roles)}.")
        one = people[0] if len(people) == 1 else None
        demo = self.store.environment.kind == SANDBOX and all(person.demo for person in people)
        binding = run.header.binding
        if content["binds_to"] == "release" and not binding.release:
            raise InputError(f"controls: {content['control']} binds to a release, and run {run.header.id} knows none.")
        return {
            **content,
            "schema_version": contents.SCHEMA,
            "demo": demo,
            "how_to_sign": _how(people, demo, content["kind"]),
            "signer": one.signer if one else "",
            "signer_title": one.title if one else "",
            "role": next(role for role in roles if any(role in person.roles for person in people)),
            "environment": asdict(self.store.environment),
            "binding": {part: getattr(binding, part) for part in contents.BINDING},
            "requester": requester.strip(),
            "requested_at": rfc3339(self.store.clock()),
            "run": run.header.id,
            "facts_digest": contents.facts_digest(content["facts"]),
        }

    # ------------------------------------------------------------------ taking in

    def take(self, text: bytes, signature: str, *, keep: bool = True) -> tuple[Item, bool]:
        """Verify a signed text and keep it; whether it was not there yet.

        :param keep: whether it is kept; it is not under check mode.
        :raises NotCounted: it does not count, and why.
        """
        now = self.store.clock()
        item = Item(text, signature, rfc3339(now))
        kept = {one.digest: one for one in self.shelf.items()[0].values()}
        if before := kept.get(item.digest):
            item = replace(item, presented_at=before.presented_at, revoked=before.revoked)
        latest = self._run("")
        header = latest.header
        scene = Scene(header.environment, header.binding, self.known, self.rules, now)
        signed = accepted(item, scene)
        self._facts_are_recorded(signed.content)
        joined = join([*(one for one in kept.values() if one.digest != item.digest), item], scene, {})
        slot = slot_of(signed.content, self.known)
        if wrong := next((one for one in joined.uncounted.get(slot, ()) if one.digest == item.digest), None):
            raise NotCounted(wrong.why)
        if signed.content["kind"] == APPROVAL:
            self._gate_open(self._document(latest))
        if keep and item.digest not in kept:
            self.shelf.put(item, rfc3339(now))
        return item, item.digest not in kept

    def _facts_are_recorded(self, content: Content) -> None:
        """What was shown to the signer is what the record of the run holds."""
        run = self._run(str(content["run"]))
        closed = moment(run.header.closed)
        if moment(content["requested_at"]) < closed - SKEW:
            raise NotCounted(f"it was requested before its run was closed at {run.header.closed}: a clock is wrong")
        control = self.known.controls.get(content["control"])
        wanted = self.known.section(SIGN_OFF) if control is None else contents.bearing(self.known, control)
        wanted = [control] if content["kind"] == WAIVER and control else wanted
        document = self._document(run)
        if [one["control"] for one in content["facts"]] != [one.id for one in wanted]:
            raise NotCounted("its facts are not those that stand beside this statement")
        for shown, one in zip(content["facts"], wanted, strict=True):
            recorded = self._fact(run, document, one)
            moving = one.signed_by and not recorded["sha256"]  # signed for, perhaps since it was asked for
            same = (shown["title"], shown["sha256"]) == (recorded["title"], recorded["sha256"])
            if not moving:
                same = same and shown == recorded
            elif shown["state"] == ATTESTED:
                same = same and recorded["state"] == ATTESTED
            else:
                same = same and shown["state"] in {"pending", "stale", "fail"}
            if not same:
                raise NotCounted(f"what it shows of {one.id} is not what run {run.header.id} recorded")
        covers = content["waiver"].get("covers", "")
        if covers and covers != ("weaker" if content["facts"][0]["state"] == "pass" else content["facts"][0]["state"]):
            raise NotCounted(f"it waives {covers}, and the control was {content['facts'][0]['state']}")

    # ------------------------------------------------------------------ revoking, listing

    def revoke(self, digest: str, by: str, reason: str, *, keep: bool = True) -> tuple[Item, bool]:
        """Let a statement count no more; it stays, with who revoked it and why. Whether that is new."""
        if not by.strip() or not reason.strip():
            raise InputError("Revoking needs requester and reason.")
        item = self.shelf.find(digest)[1]
        if item.revoked is not None:
            return item, False
        now = rfc3339(self.store.clock())
        revoked = replace(item, revoked={"by": by.strip(), "reason": " ".join(reason.split()).rstrip("."), "at": now})
        if keep:
            self.shelf.put(revoked, now)
        return revoked, True

    def listed(self) -> list[dict[str, Any]]:
        """Every statement that is kept, and whether it counts in the run that goes on, else in the newest one."""
        runs = self.store.runs()[0]
        here = self.store.mine() or (runs[-1] if runs else None)
        if here is None:
            return []
        header = here.header
        scene = Scene(header.environment, header.binding, self.known, self.rules, self.store.clock())
        items, defects = self.shelf.items()
        joined = join(items.values(), scene, {})
        why = {one.digest: one.why for uncounted in joined.uncounted.values() for one in uncounted}
        counting = {one.digest for one in joined.signed.values()}
        nothing = {"statement": "", "control": "", "signer": "", "counts": False}
        found: list[dict[str, Any]] = [{**nothing, "why": one} for one in defects.values()]
        for item in items.values():
            try:
                content: Mapping[str, Any] = contents.parsed(item.text)
            except contents.Malformed as exc:
                content, why[item.digest] = {}, exc.sentence
            counts = item.digest in counting
            found.append(
                {
                    "statement": item.digest,
                    "control": str(content.get("control", "")),
                    "signer": str(content.get("signer", "")),
                    "counts": counts,
                    "why": "" if counts else why.get(item.digest, "a newer one counts"),
                }
            )
        order = {id_: number for number, id_ in enumerate(self.known.controls)}
        return sorted(found, key=lambda one: (order.get(one["control"], len(order)), one["statement"]))

    # ------------------------------------------------------------------ inside

    def _run(self, id_: str) -> Run:
        """A closed run; the newest one where none is named, rather one that knows the release."""
        if id_:
            run = self.store.run(id_)
            if run.header.closed is None:
                raise InputError(f"Run {id_} is still open; wait until it is closed.")
            return run
        runs = [run for run in self.store.runs()[0] if run.header.closed is not None]
        if not runs:
            raise InputError(f"There is no closed run in {self.store.keeper.where}; run playbooks/verify.yml first.")
        return next((run for run in reversed(runs) if run.header.binding.release), runs[-1])

    def _document(self, run: Run) -> Document:
        return assess.of_run(self.store, run, run.header, self.known, self.variables, rules=self.rules)

    def _fact(self, run: Run, document: Document, control: Control) -> dict[str, str]:
        """What stands beside a statement: the record's own word where it has one, else the report's."""
        result = self._recorded(run).get(control.id)
        if result is not None:
            return contents.fact(control, result, str(result["state"]), str(result["summary"]))
        entry = next(entry for entry in document["controls"] if entry["id"] == control.id)
        state = entry["state"] if entry["state"] != "waived" else "pending"
        return contents.fact(control, None, str(state), str(entry["summary"]))

    def _recorded(self, run: Run) -> Mapping[str, Mapping[str, Any]]:
        """The results of a run, read once."""
        if run.header.id not in self._results:
            self._results[run.header.id] = run.content().results
        return self._results[run.header.id]

    def _gate_open(self, document: Document) -> None:
        decision = gate.decide(document, SIGN_OFF, gate.Policy.of(document["gate"]["policy"]))
        if decision.decision != gate.OPEN:
            number = len(decision.reasons)
            raise InputError(
                f"The approval is given only while the gate {SIGN_OFF} is open, and it is "
                f"{decision.decision.replace('_', ' ')} ({number} {'reason' if number == 1 else 'reasons'}, the first: "
                f"{decision.reasons[0] if decision.reasons else ''})."
            )

    def _until(self, given: str) -> str:
        now = self.store.clock()
        try:
            end = now + duration(given) if given.startswith("P") else moment(given)
        except ValueError as exc:
            raise InputError(f"until: {given!r} is neither a duration (P30D) nor a time (RFC 3339).") from exc
        longest: timedelta = self.rules.policy.waiver_longest
        if not now < end <= now + longest:
            days = longest.days
            raise InputError(f"until: {rfc3339(end)} is not within the {days} days for which the policy waives.")
        return rfc3339(end)


def refused(exc: CollectionError, name: str) -> str:
    """Why a file is not taken in, as one sentence."""
    return f"{name} is refused, and nothing of it counts: {exc.sentence.rstrip('.')}."


def _how(people: Sequence[Signer], demo: bool, kind: str) -> list[str]:
    namespace = ssh.DEMO_NAMESPACE if demo else ssh.NAMESPACE
    names = ", ".join(person.signer for person in people)
    answers = "yes or no" if kind == ATTESTATION else "yes"
    return [
        *(["DEMO: this is for trying out, in a sandbox only."] if demo else []),
        "Read the statements and the collected facts below.",
        f"Put {answers} between the quotes of each answer, a comment if you like, and change nothing else.",
        f"Put your name into signer, if it is empty: one of {names}. An approval needs your title in signer_title.",
        f"Then sign this very file: ssh-keygen -Y sign -f ~/.ssh/id_ed25519 -n {namespace} FILE",
        "Hand back the file, and FILE.sig beside it. A key on hardware or in an agent works the same way.",
    ]
