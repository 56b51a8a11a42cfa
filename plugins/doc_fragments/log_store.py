# Documents an option that modules share: where logs are kept (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN, URL


class ModuleDocFragment:
    """``bytebot.production.log_store``."""

    DOCUMENTATION: str = (
        r"""
options:
  log_store:
    description:
      - Where logs are kept.
    type: dict
    suboptions:
"""
        + URL
        + LOGIN
        + r"""
      kind:
        description: By which API it is asked.
        type: str
        required: true
        choices: [victoria_logs, loki, elasticsearch, opensearch]
      index:
        description: Pattern of the indices that hold logs, for V(elasticsearch) and V(opensearch).
        type: str
        default: "*"
"""
    )
