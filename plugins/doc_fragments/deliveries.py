# Documents an option: where it can be read that notifications arrive (DELIVERY in modules/alerting_check.py).
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.bytebot.production.plugins.doc_fragments.services import LOGIN


class ModuleDocFragment:
    """``bytebot.production.deliveries``."""

    DOCUMENTATION: str = (
        r"""
options:
  deliveries:
    description:
      - Where it can be read that notifications arrive, one entry for each way of each receiver.
      - V({nonce}) in a URL or an expression stands for the name of the test alert.
    type: list
    elements: dict
    default: []
    suboptions:
      receiver:
        description: Name of the receiver in Alertmanager.
        type: str
        required: true
      way:
        description: Kind of notification, as the receiver's C(webhook_configs) is V(webhook).
        type: str
        required: true
      labels:
        description: Labels of an alert that comes to the receiver.
        type: dict
        default: {severity: critical}
      url:
        description:
          - What is asked by GET for what has arrived, and answers JSON. For example the API of the mail server, of the
            on-call tool, or of a sink.
        type: str
        required: true
      firing:
        description:
          - JMESPath expression that holds when the alert has arrived. Where it is not set, the answer must hold the
            alert's name and the word firing.
        type: str
      resolved:
        description: The same for the alert's end, with the word resolved.
        type: str
"""
        + LOGIN
    )
