# Faults in the rotation of Secrets: what is written about it, and an application that stays with the value before.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sandbox.faults.documents import one, spoilt
from sandbox.faults.fault import API, NAMESPACE, Fault, Hands
from sandbox.files import put

ROTATION = "security_configuration.secrets.rotation"
DOCUMENT = "access/rotation.md"
RECORD = f"/api/v1/namespaces/{NAMESPACE}/configmaps/bytebot-rotation-drills"
KEPT = "rotation-drills.json"


def _every_second(text: str) -> str:
    return re.sub(r"(?m)^(interval|  bytebot-tls-secret): .*$", r"\1: PT1S", text)


def _no_interval(text: str) -> str:
    return re.sub(r"(?m)^(?:interval|intervals|  bytebot-tls-secret):.*\n", "", text)


def _drilled(_hands: Hands) -> Mapping[str, Any]:
    """A drill is made in this run, whatever the last one came to."""
    return {"security_configuration_rotation_drill": True, "security_configuration_rotation_drill_age": 0}


def _paused(hands: Hands) -> None:
    """The API's pods are not replaced, and go on with the keys that they have read at their start."""
    found = hands.cluster.get(RECORD) or {}
    put(hands.folder / KEPT, json.dumps(found.get("data") or {}))
    hands.patch(API, {"spec": {"paused": True}})


def _resumed(hands: Hands) -> None:
    """New pods read the keys that the Secret has now, and the record of drills is as it was."""
    kept = hands.folder / KEPT
    if not kept.exists():
        return
    again = {"bytebot.test/restarted": datetime.now(UTC).isoformat()}
    hands.patch(API, {"spec": {"paused": None, "template": {"metadata": {"annotations": again}}}})
    hands.until(hands.rolled_out, "the API runs with new pods")
    if data := json.loads(kept.read_text()):
        hands.patch(RECORD, {"data": data})
    else:
        hands.delete(RECORD)
    kept.unlink()


FAULTS = (
    Fault(
        name="secret_too_old", says="Secrets are older than the interval that is written", layer="inputs",
        turns_red=(ROTATION,), shuts=False, variables=spoilt(one(DOCUMENT, _every_second)),
    ),
    Fault(
        name="rotation_interval_missing", says="the document on rotation does not say how often", layer="inputs",
        turns_red=(ROTATION,), shuts=False, variables=spoilt(one(DOCUMENT, _no_interval)),
    ),
    Fault(
        name="old_secret_value_kept", says="the API keeps the keys that a rotation has replaced", layer="cluster",
        turns_red=(ROTATION,), shuts=False, put=_paused, heal=_resumed, variables=_drilled,
    ),
)  # fmt: skip
