# One run that keeps a Secret in a cluster that only remembers, for several tests.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor
from ansible_collections.bytebot.production.plugins.module_utils.secret.keep import Keeper
from ansible_collections.bytebot.production.plugins.module_utils.secret.spec import parse
from tests.unit.collection.fakes import FakeCluster

ROOT = Path(__file__).resolve().parents[3]
CANARY = "Canary-0x7f3a"
PAIRS = [{"algorithm": "ec", "private_key": "jwt-private", "public_key": "jwt-public"}]
PASSWORD = {"password": {"random": {"bytes": 32}}}


def keeper(cluster: FakeCluster, *, check: bool = False, **options: Any) -> Keeper:
    base = {"namespace": "default", "name": "app", "type": "Opaque", "state": "present"}
    return Keeper(cluster, Redactor(), parse({**base, **options}), check)


def keep(cluster: FakeCluster, *, check: bool = False, with_diff: bool = True, **options: Any) -> dict[str, Any]:
    """One run, as the module's frame would let it leave."""
    one = keeper(cluster, check=check, **options)
    return one.redactor.data(one.present(with_diff=with_diff))


def actions(result: dict[str, Any]) -> dict[str, str]:
    return {item["key"]: item["action"] for item in result["keys"]}


def secret(data: dict[str, bytes], **more: Any) -> dict[str, Any]:
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    metadata = {"namespace": "default", "name": "app", **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded, **more}
