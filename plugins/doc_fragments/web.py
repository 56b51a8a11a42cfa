# Documents the options by which a module speaks HTTP to the application (spec: HTTP_ARGS in argspec_http.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the application from outside."""

    DOCUMENTATION = r"""
options:
  base_url:
    description:
      - Address under which the application is published, for example V(https://api.bytebot.com).
      - Paths in other options are joined to it.
    type: str
    required: true
  allowed_hosts:
    description:
      - Host names that may be asked. A URL or a followed redirect to any other host is refused before anything is sent,
        so that a typing error cannot turn a probe on somebody else's system.
      - An entry may carry a port (V(api.bytebot.com:8443)); without one it allows every port of the host.
    type: list
    elements: str
    required: true
  ca_file:
    description:
      - Path of a file with the CA certificates to trust, in PEM form. Where it is not set, the public CAs are trusted.
      - Certificates are always verified; there is no option to turn that off.
    type: path
  resolve:
    description:
      - Addresses to connect to by host name, in place of asking DNS (as C(curl --resolve)). The name stays in the URL,
        in C(Host), in SNI and in the certificate's verification.
      - Use it to judge before public DNS is switched. The evidence states it.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds that one request may take.
    type: float
    default: 5.0
requirements:
  - "requests >= 2.32 (Python package)"
"""
