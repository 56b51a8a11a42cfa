# The mail sink: an SMTP server that takes every mail for every address and keeps its readable text.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller

from sandbox.pods.sinks.store import Store

LARGEST = 1 << 20


def text_of(mail: EmailMessage) -> str:
    """The plain text, else the HTML; both where there are both."""
    parts = [part for part in mail.walk() if part.get_content_type() in {"text/plain", "text/html"}]
    return "\n".join(str(part.get_content()) for part in parts if isinstance(part, EmailMessage))


class Keeper:
    """aiosmtpd calls it with each mail."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self._store.put(
            "mail",
            envelope.rcpt_tos,
            text_of(mail) if isinstance(mail, EmailMessage) else "",
            sender=envelope.mail_from,
            subject=str(mail.get("Subject", "")),
        )
        return "250 kept"


def server(store: Store, port: int, address: str = "0.0.0.0") -> Controller:
    """A server in a thread of its own, not yet started."""
    return Controller(Keeper(store), hostname=address, port=port, data_size_limit=LARGEST)
