# The stub as a pod: dashboards and tokens from files, Prometheus by its address.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
from pathlib import Path

from sandbox.pods.grafana_stub.access import QUERY, READ_DASHBOARDS, READ_SOURCES, Access
from sandbox.pods.grafana_stub.api import Object, Stub
from sandbox.pods.grafana_stub.prometheus import Prometheus
from sandbox.pods.web import serve

PORT = 3000
DASHBOARDS, TOKENS = Path("/etc/grafana-stub/dashboards"), Path("/etc/grafana-stub/tokens")
ACTIONS = {
    "reader": frozenset({READ_DASHBOARDS, READ_SOURCES, QUERY}),
    "limited": frozenset({READ_DASHBOARDS}),
}


def dashboards(folder: Path) -> dict[str, Object]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return {board["uid"]: board for board in found}


def access(folder: Path) -> Access:
    """One file for each account, which holds its token."""
    return Access({(folder / name).read_text(encoding="utf-8").strip(): actions for name, actions in ACTIONS.items()})


def main() -> None:
    stub = Stub(dashboards(DASHBOARDS), Prometheus(os.environ["PROMETHEUS_URL"]), access(TOKENS))
    serve(PORT, stub.answer)


if __name__ == "__main__":
    main()
