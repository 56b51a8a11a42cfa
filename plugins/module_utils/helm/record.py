# Puts right what Helm's own record says of one revision, where helm cannot do it itself.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import RecordUnreadable
from ansible_collections.bytebot.production.plugins.module_utils.helm.release import (
    Release,
    opened,
    store_of,
    text_of,
)

Object = dict[str, Any]


def amend(
    cluster: Cluster,
    release: Release,
    driver: str,
    *,
    status: str = "",
    description: str = "",
    manifest: str = "",
    hooks: Iterable[Object] = (),
) -> None:
    """Change status, description or manifest in the record; nothing else in it is touched.

    :param hooks: such of these as are missing in it are put back, in helm's own form (see :func:`hooks_in`).
    :raises Refused: somebody else has changed the record meanwhile.
    """
    kind, record = _record(cluster, release, driver)
    raw, before = _raw(record), _raw(record)
    raw["info"] |= ({"status": status} if status else {}) | ({"description": description} if description else {})
    raw |= {"manifest": manifest} if manifest else {}
    there = {_named(hook) for hook in raw.get("hooks") or []}
    if missing := [hook for hook in hooks if _named(hook) not in there]:
        raw["hooks"] = [*(raw.get("hooks") or []), *missing]
    if raw == before:
        return
    labels = (record["metadata"].get("labels") or {}) | ({"status": status} if status else {})
    text = base64.b64encode(gzip.compress(json.dumps(raw).encode()))
    if kind == "Secret":
        text = base64.b64encode(text)
    metadata = {**record["metadata"], "labels": labels}
    cluster.replace({**record, "metadata": metadata, "data": {**record["data"], "release": text.decode()}})


def hooks_in(cluster: Cluster, release: Release, driver: str) -> list[Object]:
    """The hooks of a revision as helm keeps them."""
    hooks: list[Object] = _raw(_record(cluster, release, driver)[1]).get("hooks") or []
    return hooks


def _record(cluster: Cluster, release: Release, driver: str) -> tuple[str, Object]:
    kind = store_of(driver)
    name = f"sh.helm.release.v1.{release.name}.v{release.revision}"
    record = cluster.get("v1", kind, name, release.namespace)
    if record is None:
        raise RecordUnreadable(f"Helm's record {kind} {release.namespace}/{name} has vanished.")
    return kind, {"apiVersion": "v1", "kind": kind, **record}


def _raw(record: Object) -> Any:
    return json.loads(opened(text_of(record), encoded_twice=record["kind"] == "Secret"))


def _named(hook: Object) -> tuple[str, str]:
    return str(hook.get("kind") or ""), str(hook.get("name") or "")
