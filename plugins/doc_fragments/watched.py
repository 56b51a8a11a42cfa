# Documents options that modules share: the release and the application that monitoring watches (WATCHED_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.users import SIGN_IN


class ModuleDocFragment:
    """``bytebot.production.watched``."""

    DOCUMENTATION: str = (
        r"""
options:
  namespace:
    description: Namespace of the release that is watched.
    type: str
    default: ""
  release:
    description: Name of the Helm release that is watched.
    type: str
    default: ""
  base_url:
    description:
      - Address under which the application is published. Known requests are sent there.
      - Its host must stand in O(allowed_hosts).
    type: str
    default: ""
"""
        + SIGN_IN
        + r"""
  tasks_path:
    description: The path of the tasks.
    type: str
    default: /api/v1/tasks
"""
    )
