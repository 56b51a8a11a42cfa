# Documents options that modules share: which monitoring services may be asked, and how (SERVICES_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


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
