# Faults in the way back from a go-live: what is recorded of rollbacks is of no use for the versions at hand.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import yaml

from sandbox.errors import SandboxError
from sandbox.faults.fault import NAMESPACE, Act, Fault, Hands
from sandbox.faults.keeping import Object, placed, restored

ROLLBACK = "go_live.change.rollback_plan"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
KEPT = f"{CORE}/configmaps/bytebot-rollbacks"
REVISIONS = f"{CORE}/secrets?labelSelector=owner%3Dhelm%2Cname%3Dbytebot"
OLD, OLDER = ({"chart_version": v, "app_version": v, "images": [f"registry/bytebot:{v}"]} for v in ("0.9.0", "0.8.0"))


def _history(hands: Hands) -> list[Object]:
    """What helm keeps of the release, the newest revision first."""
    found = (hands.cluster.get(REVISIONS) or {}).get("items") or []
    stored = [base64.b64decode(base64.b64decode(one["data"]["release"])) for one in found]
    return sorted((json.loads(gzip.decompress(one)) for one in stored), key=lambda one: -int(one["version"]))


def _images(node: Any) -> Iterator[str]:
    """The images of all containers in it."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"containers", "initContainers"} and isinstance(value, list):
                yield from (str(one["image"]) for one in value if isinstance(one, dict) and one.get("image"))
            yield from _images(value)
    elif isinstance(node, list):
        for one in node:
            yield from _images(one)


def _side(release: Object) -> Object:
    told = release["chart"]["metadata"]
    objects = [one for one in yaml.safe_load_all(release["manifest"]) if one]
    return {
        "revision": release["version"],
        "chart_version": told["version"],
        "app_version": told.get("appVersion", ""),
        "images": sorted(set(_images(objects))),
    }


def _pair(hands: Hands) -> tuple[Object, Object]:
    """What runs, and what ran before it; made up where helm never had another version."""
    known = _history(hands)
    running = [one for one in known if one["info"]["status"] == "deployed"]
    if not running:
        raise SandboxError("fault", "no release is deployed", remedy="make demo deploys it")
    now = _side(running[0])
    same = {**now, "revision": 0}
    former = [_side(one) for one in known if one["info"]["status"] == "superseded"]
    return now, next((one for one in former if {**one, "revision": 0} != same), OLD)


def _recorded(left: Object, back_to: Object, **changes: Any) -> Act:
    one = {"release": "bytebot", "at": time.time() - 60, "seconds": 31.5, "passed": True, "left": left}
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "bytebot-rollbacks", "namespace": NAMESPACE},
        "data": {"records": json.dumps([{**one, "back_to": back_to, "why": "", "reason": "drill", **changes}])},
    }
    return placed(KEPT, body)


def _failed(hands: Hands) -> None:
    _recorded(*_pair(hands), passed=False, why="Deployment bytebot-api is not ready")(hands)


def _other_pair(hands: Hands) -> None:
    _recorded(OLD, OLDER)(hands)


FAULTS = (
    Fault(
        name="rollback_drill_failed", says="the newest rollback from the version that runs did not pass",
        layer="cluster", turns_red=(ROLLBACK,), shuts=False, put=_failed, heal=restored(KEPT),
    ),
    Fault(
        name="rollback_drill_other_pair", says="the rollback that passed was between two older versions",
        layer="cluster", turns_red=(ROLLBACK,), shuts=False, put=_other_pair, heal=restored(KEPT),
    ),
)  # fmt: skip
