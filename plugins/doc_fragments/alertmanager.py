# Documents an option that modules share: where Alertmanager is (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN, URL


class ModuleDocFragment:
    """``bytebot.production.alertmanager``."""

    DOCUMENTATION: str = (
        r"""
options:
  alertmanager:
    description:
      - Where Alertmanager is.
    type: dict
    suboptions:
"""
        + URL
        + LOGIN
    )
