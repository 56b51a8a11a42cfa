# Documents an option that modules share: where Grafana is (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN, URL


class ModuleDocFragment:
    """``bytebot.production.grafana``."""

    DOCUMENTATION: str = (
        r"""
options:
  grafana:
    description:
      - Where Grafana is.
      - An account that has C(datasources:read), C(datasources:query) and C(dashboards:read) will do.
    type: dict
    suboptions:
"""
        + URL
        + LOGIN
        + r"""
      data_source:
        description:
          - Uid of the data source to ask. Where it is not set, the default one of type prometheus, or else the first.
        type: str
"""
    )
