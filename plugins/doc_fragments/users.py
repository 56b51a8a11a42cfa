# Documents the options by which a module signs in as users of the application (spec: USER_ARGS in argspec_users.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# How a sign-in is spoken to; watched.py documents the same.
SIGN_IN = r"""
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
"""


class ModuleDocFragment:
    """Who signs in, and how the sign-in is spoken to."""

    DOCUMENTATION: str = (
        r"""
options:
  accounts:
    description: Users that sign in for this. Needs get on their Secrets.
    type: list
    elements: dict
    default: []
    suboptions:
      role:
        description: Its role, in words.
        type: str
        required: true
      secret:
        description: Name of the Secret with its name and password.
        type: str
        required: true
      username_key:
        description: Key of the name.
        type: str
        default: username
      password_key:
        description: Key of the password.
        type: str
        default: password
"""
        + SIGN_IN
    )
