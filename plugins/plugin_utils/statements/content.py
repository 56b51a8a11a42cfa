# The text that a person signs: what it says, for what it holds, and the collected facts beside it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import moment

SCHEMA = 1
LARGEST = 1024 * 1024  # bytes of a statement
ATTESTATION, WAIVER, APPROVAL = "attestation", "waiver", "approval"
KINDS = (ATTESTATION, WAIVER, APPROVAL)
YES, NO = "yes", "no"
APPROVED = "approval"  # what stands in the place of a control's id
APPROVAL_TEXT = "This release may go live."
SCOPES = ("release", "environment")

# What stands in a statement, with its type, in the order in which a person reads it.
_KEYS: Mapping[str, type] = {
    "schema_version": int,
    "kind": str,
    "demo": bool,
    "how_to_sign": list,
    "signer": str,
    "signer_title": str,
    "statements": list,
    "control": str,
    "title": str,
    "role": str,
    "waiver": dict,
    "environment": dict,
    "binds_to": str,
    "binding": dict,
    "valid_until": str,
    "requester": str,
    "requested_at": str,
    "run": str,
    "facts": list,
    "facts_digest": str,
}
_STATEMENT: Mapping[str, type] = {"id": str, "text": str, "answer": str, "comment": str}
_FACT: Mapping[str, type] = {"control": str, "title": str, "state": str, "summary": str, "sha256": str}
_WAIVER: Mapping[str, type] = {"owner": str, "reason": str, "covers": str, "weaker": list}
BINDING = ("release", "environment", "organization", "catalogue")
_ENVIRONMENT = ("name", "kind", "organization", "namespace", "release")

Content = dict[str, Any]


class Malformed(InputError):
    """A text is no statement; one sentence says why."""


def rendered(content: Mapping[str, Any]) -> str:
    """The text as a person gets it to sign."""
    return json.dumps({key: content[key] for key in _KEYS}, indent=2, ensure_ascii=False) + "\n"


def digest(text: bytes) -> str:
    """What names a statement: SHA-256 of its very bytes."""
    return hashlib.sha256(text).hexdigest()


def parsed(text: bytes) -> Content:
    """The statement in a text.

    :raises Malformed: it is only half written, holds something twice, or is no statement.
    """
    if len(text) > LARGEST:
        raise Malformed(f"it is larger than {LARGEST} bytes")
    try:
        content: Any = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except RecursionError as exc:
        raise Malformed("it is nested too deeply") from exc
    except ValueError as exc:
        raise Malformed(f"it is no whole statement ({exc})") from exc
    if isinstance(content, dict) and content.get("schema_version") not in (None, SCHEMA):
        raise Malformed(f"it is of schema version {content['schema_version']!r}, and this version reads {SCHEMA}")
    _shaped("it", content, _KEYS)
    if content["kind"] not in KINDS:
        raise Malformed(f"it is of the kind {content['kind']!r}, which there is not")
    for name, keys in (("statements", _STATEMENT), ("facts", _FACT)):
        for one in content[name]:
            _shaped(f"an entry of {name}", one, keys)
    if content["kind"] == WAIVER:
        _shaped("waiver", content["waiver"], _WAIVER)
    elif content["waiver"]:
        raise Malformed(f"it is {_a(content['kind'])} and holds a waiver")
    _shaped("binding", content["binding"], dict.fromkeys(BINDING, str))
    _shaped("environment", content["environment"], dict.fromkeys(_ENVIRONMENT, str))
    for key in ("requested_at", "valid_until"):
        try:
            moment(content[key])
        except ValueError as exc:
            raise Malformed(f"{key} is {content[key]!r}, which is no time") from exc
    return dict(content)


def facts_digest(facts: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 over the collected facts as they are shown, which have neither times nor durations."""
    return sha256_of(list(facts))


def fact(control: Control, result: Mapping[str, Any] | None, state: str, summary: str) -> dict[str, str]:
    """What stands beside a statement about one control.

    :param result: what the record holds of it; its evidence is named by one digest.
    """
    seen = [item["sha256"] for item in result["evidence"]] if result else []
    return {
        "control": control.id,
        "title": control.title,
        "state": state,
        "summary": summary,
        "sha256": sha256_of(seen) if seen else "",
    }


def bearing(known: Catalogue, control: Control) -> list[Control]:
    """The controls whose facts stand beside a control's statements, each once, in the document's order."""
    names = {*control.about, *(name for one in control.statements for name in one.about)}
    names |= {control.id} if control.confirms else set()
    return [
        one for one in known.controls.values() if {one.section, f"{one.section}.{one.group}", one.id} & names
    ]  # fmt: skip


def asked_of(control: Control) -> list[tuple[str, str]]:
    """Id and text of what a signer answers for a control."""
    return [(one.id, one.title) for one in control.statements] or [(control.id, control.title)]


def _shaped(what: str, given: Any, keys: Mapping[str, type]) -> None:
    if not isinstance(given, dict):
        raise Malformed(f"{what} is no mapping")
    if unlike := sorted(given.keys() ^ keys.keys()):
        raise Malformed(f"{what} has {', '.join(unlike)} too much or too little")
    for key, kind in keys.items():
        if not isinstance(given[key], kind) or (kind is int and isinstance(given[key], bool)):
            raise Malformed(f"{key} of {what} is {str(given[key])[:60]!r}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _a(kind: str) -> str:
    return f"an {kind}"
