# Looks into containers from the outside: runs one short program in them, and reads what they logged.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.clients.cluster import Cluster
from ansible_collections.bytebot.production.plugins.module_utils.errors import Unreachable

PATIENCE_S = 15.0  # for a program that ends by itself at once
_STDOUT, _STDERR, _STATUS = 1, 2, 3  # channels of the exec protocol v4.channel.k8s.io


@dataclass(frozen=True, slots=True)
class Done:
    """What a program in a container said; ``problem`` where it did not end well."""

    out: str
    problem: str = ""


def run_inside(
    cluster: Cluster,
    namespace: str,
    pod: str,
    container: str,
    command: Sequence[str],
    *,
    patience_s: float = PATIENCE_S,
) -> Done:
    """Run a program that ends by itself.

    :raises NotPermitted: this account may not exec; :raises CollectionError: the API server refuses or fails.
    """
    stream = cluster.exec(namespace, pod, container, command)
    with contextlib.closing(stream):
        try:
            stream.run_forever(timeout=patience_s)
        except Exception as exc:  # the websocket library's own errors; whatever it is, nothing more can be read
            raise Unreachable(f"The connection to the program in pod {namespace}/{pod} broke.") from exc
        if stream.is_open():
            return Done("", f"it has not ended within {patience_s:g} s")
        out, said, status = (bytes(stream.read_channel(one) or b"") for one in (_STDOUT, _STDERR, _STATUS))
    return Done(out.decode("utf-8", "replace"), _problem(status, said.decode("utf-8", "replace")))


def _problem(status: bytes, said: str) -> str:
    """Why a program did not end well, by the Status that the API server sends last."""
    try:
        told = json.loads(status)
    except ValueError:
        return "its end was not told"
    if not isinstance(told, Mapping) or told.get("status") == "Success":
        return ""
    return " ".join((said.strip() or str(told.get("message") or "it failed")).split())[:300]


def log_of(
    cluster: Cluster, namespace: str, pod: str, container: str, *, first_bytes: int = 0, last_lines: int = 0
) -> str:
    """What a container wrote, its beginning or its end.

    :raises NotPermitted: this account may not read logs.
    """
    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/log"
    bounds = {"limitBytes": first_bytes, "tailLines": last_lines}
    return cluster.raw_text("GET", path, query={"container": container} | {k: str(v) for k, v in bounds.items() if v})
