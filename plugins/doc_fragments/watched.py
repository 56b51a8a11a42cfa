# Documents options that modules share: the release and the application that monitoring watches (WATCHED_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.watched``."""

    DOCUMENTATION = r"""
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
  login_path:
    description: The path of the login, which takes JSON.
    type: str
    default: /api/v1/auth/login
  login_fields:
    description: The names by which the login is spoken to.
    type: dict
    default: {}
    suboptions:
      username:
        description: Field of the name.
        type: str
        default: username
      password:
        description: Field of the password.
        type: str
        default: password
      token:
        description: Field of the answer that holds the access token.
        type: str
        default: access_token
  tasks_path:
    description: The path of the tasks.
    type: str
    default: /api/v1/tasks
"""
