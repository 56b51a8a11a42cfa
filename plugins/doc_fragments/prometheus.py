# Documents an option that modules share: where Prometheus is (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN, URL


class ModuleDocFragment:
    """``bytebot.production.prometheus``."""

    DOCUMENTATION: str = (
        r"""
options:
  prometheus:
    description:
      - Where Prometheus is, or what answers by its HTTP API (Thanos, Mimir, VictoriaMetrics).
      - What such a server does not tell of itself (whether its configuration loads, how long it keeps metrics) stays
        V(pending).
    type: dict
    suboptions:
"""
        + URL
        + LOGIN
        + r"""
      volume:
        description:
          - Claim of the server's volume as C(namespace/name); the room on it is then judged by the kubelet's figures.
          - Where it is not set, the room shows in that samples are stored now.
        type: str
"""
    )
