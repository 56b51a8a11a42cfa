# Documents an option that modules share: where the credentials of Redis stand (REDIS_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.redis``."""

    DOCUMENTATION = r"""
options:
  redis:
    description: Where the credentials of Redis stand.
    type: dict
    default: {}
    suboptions:
      secret: {description: Name of the Secret., type: str, default: bytebot-redis-secret}
      username_key:
        description: Key of the user's name; the default user where it is not there.
        type: str
        default: username
      password_key: {description: Key of the password., type: str, default: password}
      host_key: {description: Key of the host., type: str, default: host}
      port_key: {description: "Key of the port; 6379 where it is not there.", type: str, default: port}
      ca_key: {description: "Key of the CA of the server's certificate, in PEM.", type: str, default: ca.crt}
      url_key: {description: "Key of one URL that holds all, as C(REDIS_URL), in place of the single keys.", type: str}
      tls: {description: Whether the connection is encrypted and the certificate verified., type: bool, default: false}
"""
