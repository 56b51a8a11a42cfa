# Documents options that modules share: which monitoring services may be asked, and how (SERVICES_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

# What several options take below `suboptions`, of which they differ in nothing (LOGIN_ARGS).
# Fragments that are put together bear an annotation, `DOCUMENTATION: str`: of others ansible-test reads literals only.
URL = r"""
      url:
        description: Address, with the path below which the API is, where there is one. No credentials stand in it.
        type: str
        required: true
"""
CREDENTIALS = r"""
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
"""
LOGIN = (
    r"""
      ca_file:
        description: CA certificates of this service alone, in PEM form. Where it is not set, O(ca_file) counts.
        type: path
"""
    + CREDENTIALS
    + r"""
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
)


class ModuleDocFragment:
    """``bytebot.production.services``."""

    DOCUMENTATION = r"""
options:
  allowed_hosts:
    description:
      - Host names that may be asked; any other is refused before anything is sent.
      - An entry may carry a port (V(prometheus.example.net:9090)); without one it allows every port of the host.
    type: list
    elements: str
    required: true
  ca_file:
    description:
      - File with the CA certificates to trust, in PEM form. Where it is not set, the public CAs are trusted.
      - Certificates are always verified; there is no option to turn that off.
    type: path
  resolve:
    description:
      - Addresses to connect to by host name, in place of asking DNS (as C(curl --resolve)).
    type: dict
    default: {}
  timeout:
    description: Seconds that one request may take.
    type: float
    default: 10.0
requirements:
  - "requests >= 2.32 (Python package)"
"""
