# Documents an option: where metrics are kept for long (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN, URL


class ModuleDocFragment:
    """``bytebot.production.history``."""

    DOCUMENTATION: str = (
        r"""
options:
  history:
    description:
      - Where metrics are kept for long, as the option O(prometheus). Where it is not set, that one is asked.
      - Rules are always those of O(prometheus).
    type: dict
    suboptions:
"""
        + URL
        + LOGIN
    )
