# Sends a message with a word of its own through each channel, and looks whether it came.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ansible_collections.bytebot.production.plugins.module_utils.checks.channels import ChannelSeen
from ansible_collections.bytebot.production.plugins.module_utils.checks.own import compiled
from ansible_collections.bytebot.production.plugins.module_utils.checks.webhook_answers import error_in
from ansible_collections.bytebot.production.plugins.module_utils.clients.messages import Sent
from ansible_collections.bytebot.production.plugins.module_utils.clients.service import Service

WEBHOOK, SLACK, SMTP = "webhook", "slack", "smtp"
POLL_S = 0.5
NONCE = "{nonce}"
_SUBJECT = "Test of this channel"


@dataclass(frozen=True, slots=True)
class Proof:
    """Where received messages are listed. :param path: with ``{nonce}`` for the message's own word.

    :param query: JMESPath that finds the message in the answer.
    """

    service: Service
    path: str
    query: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. :param send: sends a subject and a text."""

    name: str
    kind: str
    where: str
    send: Callable[[str, str], Sent]
    proof: Proof | None = None


def observe(
    channels: tuple[Channel, ...], within_s: float, about: str, pause: Callable[[float], None] = time.sleep
) -> tuple[ChannelSeen, ...]:
    """Send to all first, then look for each.

    :param about: what the message says it is for. :param within_s: seconds in which messages must come, together.
    """
    sent = []
    for one in channels:
        nonce = secrets.token_hex(8)
        began = time.monotonic()
        done = one.send(_SUBJECT, f"{about} Nothing is to be done. {nonce}")
        took = time.monotonic() - began
        error = error_in(done.body)
        refused = f"it {done.answer} with an error ({error})" if error else done.refused
        seen = ChannelSeen(one.name, one.kind, one.where, refused, done.answer, seconds=round(took, 2))
        sent.append((one, nonce, seen))
    until = time.monotonic() + within_s
    return tuple(_looked_for(one, nonce, seen, until, pause) for one, nonce, seen in sent)


def _looked_for(
    one: Channel, nonce: str, seen: ChannelSeen, until: float, pause: Callable[[float], None]
) -> ChannelSeen:
    if one.proof is None or seen.refused:
        return seen
    path, query = one.proof.path.replace(NONCE, quote(nonce)), one.proof.query.replace(NONCE, nonce)
    while True:
        told = one.proof.service.json(path)
        if told.ok and _found(query, told.data):
            return replace(seen, listed=True)
        if time.monotonic() >= until:
            return replace(seen, listed=False) if told.ok else replace(seen, unlisted=told.cause)
        pause(POLL_S)


def _found(query: str, data: Any) -> bool:
    try:
        found = compiled(query, "proof, query").search(data)
    except (ValueError, TypeError, RecursionError):  # it does not fit what was answered
        return False
    return _something(found)


def _something(found: Any) -> bool:
    """Whether there is anything in it; a list or an object of nothing is nothing, too."""
    if isinstance(found, (list, dict)):
        return any(_something(one) for one in (found.values() if isinstance(found, dict) else found))
    return found not in (None, False, "")
