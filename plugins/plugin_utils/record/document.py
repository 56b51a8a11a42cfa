# Builds the results document: every control of the checklist with its state, the gate, and what has changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import MUST, RED, SHOULD
from ansible_collections.bytebot.production.plugins.plugin_utils import gate, own
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import STAGES, Catalogue, Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived, files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import rfc3339, why_stale
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import (
    ATTESTED,
    STALE,
    STATES,
    WAIVED,
    Result,
    unproven,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.content import APPROVAL, APPROVED, WAIVER
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.joined import Answer, Statements

Document = dict[str, Any]
BLOCKED = "blocked by "  # how the summary of a control begins whose cause is another one
_GOOD = ("pass", ATTESTED)  # what thresholds may have been weaker for
NOT_DUE = "not due before stage "  # and that of one whose time has not come


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the results.

    :param settled: the controls that a check of this version settles; ``None`` where that is not known.
    :param missing: the inputs that are not set.
    :param defects: why the results of a section cannot be used.
    :param statements: what was signed.
    :param go_live: when it went live, or will; None where nothing says so.
    :param earlier: gives what earlier runs came to, where somebody asks.
    :param counts_from: since when what is judged at T-2h counts for that go-live.
    """

    settled: Collection[str] | None = None
    missing: Collection[str] = ()
    defects: Mapping[str, str] = field(default_factory=dict)
    statements: Statements = field(default_factory=Statements)
    go_live: datetime | None = None
    earlier: Callable[[], Sequence[Earlier]] = tuple
    counts_from: datetime | None = None


def build(
    header: Header,
    results: Mapping[str, Result],
    catalogue: Catalogue,
    now: datetime,
    *,
    known: Known | None = None,
    previous: Mapping[str, Any] | None = None,
) -> Document:
    """The results document of a run at a moment; the same for the same input.

    :param previous: the document of the run before.
    """
    known = known or Known()
    whole = _Entries(header, results, own.extended(catalogue, results.values()), now, known).all()
    entries = [entry for entry in whole if not own.is_own(entry["id"])]
    counts = Counter(entry["state"] for entry in entries)
    document: Document = {
        "schema_version": files.SCHEMA,
        "run": {
            "id": header.id,
            "opened": header.opened,
            "updated": rfc3339(now),
            "closed": header.closed,
            "resumed": header.resumed,
            "catalogue_digest": header.binding.catalogue,
            "defects": [*known.defects.values(), *known.statements.defects.values()],
            "approval": None,
            "demo": any(entry.get("demo") for entry in whole),
        },
        "environment": {**asdict(header.environment), "release_digest": header.binding.release},
        "gate": {"stage": None, "policy": gate.Policy().to_dict(), **header.gate},
        "counts": {state: counts[state] for state in STATES},
        "previous": _difference(previous, entries),
        "controls": entries,
        "own_controls": [{**entry, "own": True} for entry in whole if own.is_own(entry["id"])],
    }
    document["gate"] = {**gate.replay(document).to_dict(), "policy": document["gate"]["policy"]}
    document["run"]["approval"] = _approval(document, known.statements)
    document["run"]["demo"] = document["run"]["demo"] or bool((document["run"]["approval"] or {}).get("demo"))
    return document


def read(path: Path) -> Document:
    """A results document, verified.

    :raises Unusable: it is not whole, of another schema, or was changed after it was written.
    """
    document: Document = files.read_json(path)
    try:
        for entry in (*document["controls"], *document.get("own_controls", ())):
            if reason := unproven(str(entry["state"]), entry["evidence"]):
                raise files.Unusable(f"{path}: {entry['id']} {reason}; build it again from the record.")
        states = Counter(entry["state"] for entry in document["controls"])
        if any(states[state] != document["counts"].get(state) for state in {*STATES, *states}):
            raise files.Unusable(f"{path}: its counts are not those of its controls; build it again from the record.")
        again = {**gate.replay(document).to_dict(), "policy": document["gate"]["policy"]}
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as exc:
        raise files.Unusable(f"{path} is no results document ({exc}); build it again from the record.") from exc
    if again != document["gate"]:
        raise files.Unusable(
            f"{path} was changed after it was written: its gate says {document['gate'].get('decision')}, its controls "
            f"say {again['decision']}; build it again from the record."
        )
    return document


class _Entries:
    """One entry for each control, in the catalogue's order."""

    def __init__(
        self, header: Header, results: Mapping[str, Result], catalogue: Catalogue, now: datetime, known: Known
    ) -> None:
        self.header = header
        self.results = {id_: result for id_, result in results.items() if id_ not in derived.CONTROLS}
        self.catalogue = catalogue
        self.known = known
        self.now = now
        self.order = {id_: number for number, id_ in enumerate(catalogue.controls)}
        self.stale = {
            id_: why_stale(catalogue.controls[id_], result, header.binding, now, known.counts_from)
            for id_, result in self.results.items()
            if id_ in catalogue.controls and result["state"] != "pending"
        }
        self.waived = {
            id_: waiver
            for id_, result in self.results.items()
            if id_ in catalogue.controls and not self.stale.get(id_) and (waiver := self._covering(id_, result))
        }
        self.red = {
            id_
            for id_, result in self.results.items()
            if id_ in catalogue.controls and result["state"] in RED and not self.stale.get(id_) and not _advice(result)
        } - self.waived.keys()
        self._sum_up()

    def _sum_up(self) -> None:
        """Add what follows from the other results."""
        parts = tuple(name for names in derived.SUMS.values() for name in names)
        controls = [one for one in self.catalogue.controls.values() if derived.is_of(one.id, parts)]
        entries = {one.id: self._entry(one) for one in controls}
        held = derived.Held(
            entries, self.results, self.header.binding, self.now, self.known.go_live, self.known.earlier
        )
        for id_, result in derived.derive(held).items():
            if id_ not in self.catalogue.controls:
                continue
            self.results[id_] = result
            if waiver := self._covering(id_, result):
                self.waived[id_] = waiver
            elif result["state"] in RED:
                self.red.add(id_)

    def all(self) -> list[dict[str, Any]]:
        return [self._entry(control) for control in self.catalogue.controls.values()]

    def _entry(self, control: Control) -> dict[str, Any]:
        result = self.results.get(control.id)
        answer = self._signed(control, result)
        state, summary, remedy = self._said(control, result, answer)
        there: Mapping[str, Any] = result or {}
        waiver = self._waiver(control, state, summary)
        entry = {
            "id": control.id,
            "section": control.section,
            "group": control.group,
            "item": control.item,
            "title": control.title,
            "section_title": control.section_title,
            "group_title": control.group_title,
            "level": SHOULD if state in RED and _advice(there) else control.level,
            "stage": control.stage,
            "state": state,
            "method": ATTESTED if state == ATTESTED or answer else control.methods[0],
            "summary": summary,
            "remedy": remedy,
            "evidence": [*there.get("evidence", []), *(answer.evidence if answer else ())],
            "started": answer.started if answer else there.get("started"),
            "duration_s": there.get("duration_s", 0.0),
            "binds_to": control.binds_to,
            "may_not_apply": control.not_applicable,
            "weaker": there.get("weaker", []),
        }
        if (answer and answer.demo) or (waiver and waiver["demo"]):
            entry["demo"] = True
        if there.get("carried_from"):
            entry["judged_in"] = there["carried_from"]
        if state == WAIVED and not waiver:
            entry["expires"] = there.get("expires")
        if waiver:
            return {**entry, **self._under(waiver, entry)}
        lapsed = self.known.statements.lapsed_waiver(control.id) if state in {*RED, "inconclusive"} else ""
        return {**entry, "summary": f"{summary} {lapsed}"} if lapsed else entry

    def _signed(self, control: Control, result: Result | None) -> Answer | None:
        """What was signed, where a signature may say it: it never covers what was judged."""
        if not control.signed_by:
            return None
        unjudged = result is None or result["state"] == "pending"
        counts = self._to_confirm(control, result) if control.confirms else unjudged
        return self.known.statements.attestation(control) if counts else None

    def _to_confirm(self, control: Control, result: Result | None) -> bool:
        """Whether a check passed, so that only the signature is wanting."""
        return bool(control.confirms and result and result["state"] == "pass" and not self.stale.get(control.id))

    def _covering(self, id_: str, result: Mapping[str, Any]) -> dict[str, Any] | None:
        state = str(result["state"])
        return self.known.statements.waiver(id_, state) if state in {*RED, "inconclusive"} else None

    def _waiver(self, control: Control, state: str, summary: str) -> dict[str, Any] | None:
        """The waiver that acts on a control as it is."""
        if waiver := self.waived.get(control.id):
            return waiver if state == waiver["covers"] else None
        if state == "pending" and not summary.startswith(BLOCKED):
            return self.known.statements.waiver(control.id, state)
        weaker = (self.results.get(control.id) or {}).get("weaker")
        return self.known.statements.waiver(control.id, "weaker", weaker) if state in _GOOD and weaker else None

    def _under(self, waiver: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
        """What a waiver changes of an entry, which it never hides."""
        proof = self.known.statements.proof(WAIVER, entry["id"])
        changed = {"waiver": dict(waiver), "evidence": [*entry["evidence"], proof], "expires": waiver["expires"]}
        words = f"waived until {waiver['expires']} by {waiver['signed_by']}, {waiver['owner']} answers for it: "
        words = f"{'DEMO: ' if waiver['demo'] else ''}{words}{waiver['reason']}"
        if waiver["covers"] == "weaker":
            return {**changed, "summary": f"{entry['summary']} Weaker than the document: {words}."}
        return {**changed, "state": WAIVED, "summary": f"{words}; it is {entry['state']}: {entry['summary']}"}

    def _said(self, control: Control, result: Result | None, answer: Answer | None) -> tuple[str, str, str]:
        """State, summary and remedy."""
        if cause := self._cause(control):
            own = f"; judged by itself it was {result['state']}: {result['summary']}" if result else ""
            return "pending", f"{BLOCKED}{cause}{own}", f"Put {cause} right first."
        if answer:
            return self._answered(control, result, answer)
        if result is None:
            return ("pending", *self._why_pending(control))
        if self._to_confirm(control, result):
            why, todo = self._why_not_signed(control)
            return "pending", f"{why}; {result['summary']}", todo
        if reason := self.stale.get(control.id):
            return STALE, f"stale: {reason}; it was {result['state']}: {result['summary']}", "Judge it again."
        wanting = result["state"] in {*RED, "inconclusive", "pending"}
        return result["state"], result["summary"], result["remedy"] or (control.remedy if wanting else "")

    def _answered(self, control: Control, result: Result | None, answer: Answer) -> tuple[str, str, str]:
        """State, summary and remedy where somebody signed."""
        if answer.state == ATTESTED and (red := self._red_beside(control)):
            told = f"{BLOCKED}{red}, which bears on what was signed and is red; {answer.summary}"
            return "pending", told, f"Put {red} right first, or have it waived."
        beside = f" {result['summary']}" if result and self._to_confirm(control, result) else ""
        return answer.state, f"{answer.summary}{beside}", answer.remedy

    def _red_beside(self, control: Control) -> str:
        """The first red control that bears on a statement of a sign-off; what is waived or advice is not red."""
        about = {one.id for statement in control.statements for one in self.catalogue.bearing_on(statement)}
        found = [id_ for id_ in about if id_ in self.red or self._denied(self.catalogue.controls[id_])]
        return min(found, key=self.order.__getitem__, default="")

    def _denied(self, control: Control) -> bool:
        """Whether what stands there as signed is red."""
        answer = self._signed(control, self.results.get(control.id))
        return bool(answer and answer.state in RED)

    def _cause(self, control: Control) -> str:
        """The first red control on which this one rests, directly or through others."""
        red = self.red & self.catalogue.rests_on(control.id)
        roots = [id_ for id_ in red if not red & self.catalogue.rests_on(id_)]
        return min(roots, key=self.order.__getitem__, default="")

    def _why_pending(self, control: Control) -> tuple[str, str]:
        """Why nothing is known of a control, and what to do."""
        if defect := self.known.defects.get(control.section):
            return f"not judged: what was recorded cannot be used ({defect})", "Run the section again."
        gated = self.header.gate.get("stage")
        stages = tuple(self.header.gate.get("policy", {}).get("stages", STAGES))
        if gated in stages and stages.index(control.stage) > stages.index(gated):
            return f"{NOT_DUE}{control.stage}", ""
        settled = self.known.settled
        if control.signed_by and not control.confirms and (settled is None or control.id not in settled):
            return self._why_not_signed(control)
        if settled is None or control.id not in settled:
            return "not judged yet: no check settles it in this version", control.by_hand or control.remedy
        if missing := [name for name in control.inputs if name in self.known.missing]:
            return f"needs input {', '.join(missing)}", f"Set {', '.join(missing)} in the inventory."
        return "not judged yet: its check has not run in this run", control.remedy

    def _why_not_signed(self, control: Control) -> tuple[str, str]:
        """Who must sign what."""
        if self.known.statements.rules is None:
            names = "bytebot_allowed_signers"
            return f"needs input {names}", f"Set {names} and bytebot_signers in the inventory."
        return self.known.statements.missing(control)


def _approval(document: Mapping[str, Any], statements: Statements) -> dict[str, Any] | None:
    """The approval, which is one only while the gate of sign-off is open; none where nobody gave it."""
    answer = statements.approval()
    if answer is None:
        return None
    if answer.state != ATTESTED:
        return {"given": False, "said": answer.summary, "demo": answer.demo}
    decision = gate.decide(document, "sign_off", gate.Policy.of(document["gate"]["policy"]))
    if decision.decision != gate.OPEN:
        said = f"{answer.summary}; it does not hold while the gate sign_off is not open."
        return {"given": False, "said": said, "demo": answer.demo}
    signed = statements.signed[APPROVAL, APPROVED]
    return {
        "given": True,
        "said": f"{answer.summary}, key {signed.key}, verified.",
        "name": signed.signer.name,
        "title": signed.content["signer_title"],
        "key": signed.key,
        "requested_at": signed.content["requested_at"],
        "valid_until": signed.content["valid_until"],
        "statement": signed.digest,
        "demo": answer.demo,
    }


def _advice(result: Mapping[str, Any]) -> bool:
    """Whether a red result is a finding that neither shuts a gate nor blocks what rests on its control."""
    return str(result.get("level", MUST)) == SHOULD


def _difference(previous: Mapping[str, Any] | None, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Which controls have another state than in the run before."""
    if previous is None:
        return {"run": None, "changed": []}
    before = {entry["id"]: entry["state"] for entry in previous["controls"]}
    changed = [
        {"id": entry["id"], "from": before.get(entry["id"]), "to": entry["state"]}
        for entry in entries
        if before.get(entry["id"]) != entry["state"]
    ]
    return {"run": previous["run"]["id"], "changed": changed}
