# Documents an option that modules share: where Alertmanager is (argspec_services.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.alertmanager``."""

    DOCUMENTATION = r"""
options:
  alertmanager:
    description:
      - Where Alertmanager is.
    type: dict
    suboptions:
      url:
        description: Address, with the path below which the API is, where there is one. No credentials stand in it.
        type: str
        required: true
      ca_file:
        description: CA certificates of this service alone, in PEM form. Where it is not set, O(ca_file) counts.
        type: path
      token_file:
        description: File with a bearer token. It is read on the controller and never shown.
        type: path
      token_variable:
        description: Environment variable with a bearer token, in place of a file.
        type: str
      username:
        description: User name for basic authentication.
        type: str
      password_file:
        description: File with the password of that user.
        type: path
      password_variable:
        description: Environment variable with that password, in place of a file.
        type: str
      certificate_file:
        description: Client certificate in PEM form, for a service that asks for one.
        type: path
      key_file:
        description: Key of the client certificate, in PEM form and without a passphrase.
        type: path
      tenant:
        description: Sent as C(X-Scope-OrgID), for services with tenants.
        type: str
"""
