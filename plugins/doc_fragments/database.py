# Documents an option that modules share: where the credentials of PostgreSQL stand (DATABASE_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.database``."""

    DOCUMENTATION = r"""
options:
  database:
    description: Where the credentials of PostgreSQL stand.
    type: dict
    default: {}
    suboptions:
      secret: {description: Name of the Secret., type: str, default: bytebot-db-secret}
      username_key: {description: Key of the user's name., type: str, default: username}
      password_key: {description: Key of the password., type: str, default: password}
      host_key: {description: Key of the host., type: str, default: host}
      port_key: {description: "Key of the port; 5432 where it is not there.", type: str, default: port}
      database_key: {description: Key of the database's name., type: str, default: database}
      ca_key:
        description:
          - Key of the CA of the server's certificate, in PEM.
          - Where it is there, the certificate is verified (C(verify-full)); else the connection is encrypted only.
        type: str
        default: ca.crt
      dsn_key:
        description: Key of one URL that holds all, as C(DATABASE_URL), in place of the single keys.
        type: str
      sslmode:
        description: The C(sslmode) of libpq in place of the one that is chosen. V(disable) is told as weaker.
        type: str
        choices: [disable, require, verify-ca, verify-full]
"""
