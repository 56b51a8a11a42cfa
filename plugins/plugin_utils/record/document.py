# Builds the results document: every control of the checklist with its state, the gate, and what has changed.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import MUST, RED, SHOULD
from ansible_collections.bytebot.production.plugins.plugin_utils import gate, own
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import STAGES, Catalogue, Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import rfc3339, why_stale
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import (
    ATTESTED,
    STALE,
    STATES,
    WAIVED,
    Result,
    unproven,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header

Document = dict[str, Any]
BLOCKED = "blocked by "  # how the summary of a control begins whose cause is another one


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the results.

    :param settled: the controls that a check of this version settles; ``None`` where that is not known.
    :param missing: the inputs that are not set.
    :param defects: why the results of a section cannot be used.
    """

    settled: Collection[str] | None = None
    missing: Collection[str] = ()
    defects: Mapping[str, str] = field(default_factory=dict)


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
            "defects": list(known.defects.values()),
        },
        "environment": {**asdict(header.environment), "release_digest": header.binding.release},
        "gate": {"stage": None, "policy": gate.Policy().to_dict(), **header.gate},
        "counts": {state: counts[state] for state in STATES},
        "previous": _difference(previous, entries),
        "controls": entries,
        "own_controls": [{**entry, "own": True} for entry in whole if own.is_own(entry["id"])],
    }
    document["gate"] = {**gate.replay(document).to_dict(), "policy": document["gate"]["policy"]}
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
        self.results = results
        self.catalogue = catalogue
        self.known = known
        self.order = {id_: number for number, id_ in enumerate(catalogue.controls)}
        self.stale = {
            id_: why_stale(catalogue.controls[id_], result, header.binding, now)
            for id_, result in results.items()
            if id_ in catalogue.controls and result["state"] != "pending"
        }
        self.red = {
            id_
            for id_, result in results.items()
            if id_ in catalogue.controls and result["state"] in RED and not self.stale.get(id_) and not _advice(result)
        }

    def all(self) -> list[dict[str, Any]]:
        return [self._entry(control) for control in self.catalogue.controls.values()]

    def _entry(self, control: Control) -> dict[str, Any]:
        result = self.results.get(control.id)
        state, summary, remedy = self._said(control, result)
        there: Mapping[str, Any] = result or {}
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
            "method": "attested" if state == ATTESTED else control.methods[0],
            "summary": summary,
            "remedy": remedy,
            "evidence": there.get("evidence", []),
            "started": there.get("started"),
            "duration_s": there.get("duration_s", 0.0),
            "binds_to": control.binds_to,
            "may_not_apply": control.not_applicable,
            "weaker": there.get("weaker", []),
        }
        return {**entry, "expires": there.get("expires")} if state == WAIVED else entry

    def _said(self, control: Control, result: Result | None) -> tuple[str, str, str]:
        """State, summary and remedy."""
        if cause := self._cause(control):
            own = f"; judged by itself it was {result['state']}: {result['summary']}" if result else ""
            return "pending", f"{BLOCKED}{cause}{own}", f"Put {cause} right first."
        if result is None:
            return ("pending", *self._why_pending(control))
        if reason := self.stale.get(control.id):
            return STALE, f"stale: {reason}; it was {result['state']}: {result['summary']}", "Judge it again."
        wanting = result["state"] in {*RED, "inconclusive", "pending"}
        return result["state"], result["summary"], result["remedy"] or (control.remedy if wanting else "")

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
            return f"not due before stage {control.stage}", ""
        settled = self.known.settled
        if settled is None or control.id not in settled:
            return "not judged yet: no check settles it in this version", control.by_hand or control.remedy
        if missing := [name for name in control.inputs if name in self.known.missing]:
            return f"needs input {', '.join(missing)}", f"Set {', '.join(missing)} in the inventory."
        return "not judged yet: its check has not run in this run", control.remedy


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
