# Writes the results as OSCAL assessment results: a finding for each control, an observation where something was seen.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import rfc3339
from ansible_collections.bytebot.production.plugins.plugin_utils.render.markdown import REPORT, escape

VERSION = "1.2.1"  # of OSCAL
NAMES = "urn:bytebot:production"  # whose words the properties are
RESULTS, CHECKLIST = "results.json", "checklist.md"  # in the same folder
LONGEST = 4000  # letters of a text
_ROOT = uuid.uuid5(uuid.NAMESPACE_URL, NAMES)
_METHODS = {"automated": "TEST", "documented": "EXAMINE", "attested": "INTERVIEW"}
# What the states are in OSCAL's words; a waiver accepts what is wrong, so it satisfies nothing.
_STATES: Mapping[str, tuple[str, str]] = {
    "pass": ("satisfied", "pass"),
    "attested": ("satisfied", "other"),
    "not_applicable": ("satisfied", "other"),
    "fail": ("not-satisfied", "fail"),
}
_ELSE = ("not-satisfied", "other")
_ORIGIN = "system"

Entry = Mapping[str, Any]
Part = dict[str, Any]


def render(document: Mapping[str, Any]) -> str:
    """The JSON for a results document; equal documents give equal files, identifiers included."""
    return json.dumps({"assessment-results": _Written(document).all()}, indent=2, ensure_ascii=False) + "\n"


class _Written:
    """The parts of one file, whose identifiers follow from the environment, the run and what they name."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.run = document["run"]
        self.target = document["environment"]
        self.controls: Sequence[Entry] = [*document["controls"], *document.get("own_controls", ())]

    def all(self) -> Part:
        title = f"Production checklist: {self.target['name']}"
        metadata = {
            "title": _text(title),
            "last-modified": _moment(self.run["updated"]),
            "version": _line(self.run["id"]),
            "oscal-version": VERSION,
            "parties": [
                {
                    "uuid": self._id("party", "organization"),
                    "type": "organization",
                    "name": _line(self.target["organization"]),
                }
            ],
        }
        checklist = {
            "uuid": self._id("resource", CHECKLIST),
            "title": "The checklist that was assessed, with its boxes",
            "rlinks": [{"href": CHECKLIST, "media-type": "text/markdown"}],
        }
        results = {
            "uuid": self._id("resource", RESULTS),
            "title": "The results with all evidence",
            "rlinks": [{"href": RESULTS, "media-type": "application/json"}],
        }
        return {
            "uuid": self._id("assessment-results", ""),
            "metadata": metadata,
            "import-ap": {"href": f"#{checklist['uuid']}", "remarks": "The checklist itself is what was planned."},
            "results": [self._result()],
            "back-matter": {"resources": [checklist, results]},
        }

    def _result(self) -> Part:
        gate = self.document["gate"]
        observed = [control for control in self.controls if control["evidence"]]
        properties = {
            "gate-decision": gate["decision"],
            "gate-stage": gate["stage"],
            "environment": self.target["name"],
            "environment-kind": self.target["kind"],
            "release-digest": self.target["release_digest"],
            "catalogue-digest": self.run["catalogue_digest"],
            "demo": "yes" if self.run.get("demo") else None,
        }
        return _filled(
            uuid=self._id("result", ""),
            title=_text(f"Run {self.run['id']}"),
            description=_text("; ".join(gate["reasons"]) or f"The gate is {gate['decision'].replace('_', ' ')}."),
            start=_moment(self.run["opened"]),
            end=_moment(self.run["closed"]) if self.run["closed"] else None,
            props=list(_props(properties)),
            **{"local-definitions": {"components": [self._component()]}},
            **{"reviewed-controls": {"control-selections": [self._selection()]}},
            attestations=list(self._attestations()),
            observations=[self._observation(control) for control in observed],
            findings=[self._finding(control) for control in self.controls],
        )

    def _component(self) -> Part:
        about = {"namespace": self.target["namespace"], "release-digest": self.target["release_digest"]}
        return _filled(
            uuid=self._id("component", _ORIGIN),
            type="software",
            title=_text(self.target["release"]),
            description=_text(f"Release {self.target['release']} in namespace {self.target['namespace']}"),
            props=list(_props(about)),
            status={"state": "operational" if self.target["release_digest"] else "other"},
        )

    def _selection(self) -> Part:
        return {"include-controls": [{"control-id": control["id"]} for control in self.controls]}

    def _observation(self, control: Entry) -> Part:
        seen = [_moment(item["observed_at"], self.run["updated"]) for item in control["evidence"]]
        return _filled(
            uuid=self._id("observation", control["id"]),
            title=_text(control["title"]),
            description=_text(control["summary"]),
            methods=[_METHODS.get(str(control["method"]), "UNKNOWN")],
            types=["finding"],
            subjects=[{"subject-uuid": self._id("component", _ORIGIN), "type": "component"}],
            **{"relevant-evidence": [_evidence(control, item) for item in control["evidence"]]},
            collected=max(seen),
        )

    def _finding(self, control: Entry) -> Part:
        state, reason = _STATES.get(str(control["state"]), _ELSE)
        waiver = control.get("waiver") or {}
        properties = {
            "state": control["state"],
            "level": control["level"],
            "stage": control["stage"],
            "method": control["method"],
            "binds-to": control["binds_to"],
            "weaker-than-the-document": "; ".join(control.get("weaker", ())),
            "waived-by": waiver.get("signed_by"),
            "waived-until": control.get("expires"),
            "demo": "yes" if control.get("demo") else None,
        }
        seen = [{"observation-uuid": self._id("observation", control["id"])}] if control["evidence"] else []
        target = _filled(
            type="objective-id",
            **{"target-id": control["id"]},
            title=_text(control["title"]),
            status={"state": state, "reason": reason},
            **{"implementation-status": _not_applicable(control)},
        )
        return _filled(
            uuid=self._id("finding", control["id"]),
            title=_text(control["title"]),
            description=_text(control["summary"]),
            props=list(_props(properties)),
            links=[{"href": f"{REPORT}#{control['id']}", "rel": "report"}],
            target=target,
            **{"related-observations": seen},
            remarks=_text(control["remedy"]) if control["remedy"] else None,
        )

    def _attestations(self) -> Iterator[Part]:
        """What people signed: controls and waivers, then the approval."""
        for control in self.controls:
            if control["state"] == "attested" or control.get("waiver"):
                about = {"demo": "yes" if control.get("demo") else None}
                yield self._attestation(control["id"], control["title"], control["summary"], about)
        if approval := self.run.get("approval"):
            about = {key: approval.get(key) for key in ("name", "key", "statement")}
            about |= {"given": "yes" if approval["given"] else "no", "demo": "yes" if approval.get("demo") else None}
            yield self._attestation("approval", "Production Deployment Approved", approval["said"], about)

    def _attestation(self, name: str, title: str, said: str, about: Mapping[str, Any]) -> Part:
        part = _filled(
            uuid=self._id("attestation", name),
            name=name,
            title=_text(title),
            props=list(_props(about)),
            prose=_text(said),
        )
        return {"parts": [part]}

    def _id(self, kind: str, name: str) -> str:
        return str(uuid.uuid5(_ROOT, "\n".join((str(self.target["name"]), str(self.run["id"]), kind, name))))


def _evidence(control: Entry, item: Entry) -> Part:
    about = {"sha256": item["sha256"], "observed-at": item["observed_at"]}
    return {
        "href": f"{REPORT}#{control['id']}",
        "description": _text(item["source"]),
        "props": list(_props(about)),
    }


def _not_applicable(control: Entry) -> Part | None:
    return {"state": "not-applicable"} if control["state"] == "not_applicable" else None


def _filled(**parts: Any) -> Part:
    """The parts that say something; OSCAL permits no empty list."""
    return {name: value for name, value in parts.items() if value not in (None, [])}


def _props(named: Mapping[str, Any]) -> Iterable[Part]:
    for name, value in named.items():
        if value not in (None, ""):
            yield {"name": name, "ns": NAMES, "value": _line(value)}


def _line(value: Any) -> str:
    """One line of readable letters, as a property's value has to be."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value)[:LONGEST])
    return " ".join(text.split()) or "none"


def _text(value: Any) -> str:
    """The text as OSCAL's Markdown, which shows it as it is."""
    return escape(_line(value))


def _moment(given: Any, otherwise: str = "1970-01-01T00:00:00Z") -> str:
    """RFC 3339 in UTC; ``otherwise`` where it is no moment."""
    try:
        moment = datetime.fromisoformat(str(given))
    except ValueError:
        return otherwise
    return rfc3339(moment.astimezone(UTC)) if moment.tzinfo else otherwise
