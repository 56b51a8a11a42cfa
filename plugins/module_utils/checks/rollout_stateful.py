# Which pods of before a StatefulSet leaves as they are, so that their trouble is the roll-out's as well.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = Mapping[str, Any]
_HASH = "controller-revision-hash"


def of_its_revision(live: Object, pod: Object) -> bool:
    """Whether a pod has the StatefulSet's newest template: such a one stays, whoever began the roll-out."""
    return bool(_newest(live)) and _revision(pod) == _newest(live)


def blocks(live: Object, pod: Object) -> bool:
    """Whether a StatefulSet leaves a pod of an older template as it is, though the pod never becomes ready.

    Kubernetes docs, StatefulSets, "Forced rollback": by OrderedReady, which is the default, it waits for such a pod
    before it replaces any. By Parallel it deletes what is not healthy, unless its strategy keeps the pod's revision.
    """
    if live.get("kind") != "StatefulSet" or not (_newest(live) and _revision(pod)) or of_its_revision(live, pod):
        return False
    spec = live.get("spec") or {}
    strategy = spec.get("updateStrategy") or {}
    if spec.get("podManagementPolicy") != "Parallel" or strategy.get("type") == "OnDelete":
        return True
    return _ordinal(pod) < int((strategy.get("rollingUpdate") or {}).get("partition") or 0)


def _newest(live: Object) -> str:
    return str((live.get("status") or {}).get("updateRevision") or "") if live.get("kind") == "StatefulSet" else ""


def _revision(pod: Object) -> str:
    return str(((pod.get("metadata") or {}).get("labels") or {}).get(_HASH) or "")


def _ordinal(pod: Object) -> int:
    last = str((pod.get("metadata") or {}).get("name") or "").rpartition("-")[2]
    return int(last) if last.isdecimal() else 0
