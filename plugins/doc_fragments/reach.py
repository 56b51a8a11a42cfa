# Documents options that modules share: from where servers are met, and their CA (REACH_ARGS).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """``bytebot.production.reach``."""

    DOCUMENTATION = r"""
options:
  reach:
    description:
      - From where servers are met. V(direct) is from this machine, V(namespace) through a short-lived pod in the
        namespace, V(auto) from this machine where it can connect and else through the pod.
      - The pod holds no credentials; TLS and passwords go from this machine to the server itself. It bears the label
        C(bytebot.production/scratch=secrets), and whatever bears it in that namespace is removed first.
    type: str
    choices: [auto, direct, namespace]
    default: auto
  ca_file:
    description:
      - CA in PEM of the server's certificate, where the Secret has none, as for a managed service.
      - Where neither has one, the system's CAs count.
    type: path
"""
