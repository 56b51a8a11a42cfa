# Sends messages through webhooks and by SMTP, and looks for them where a receiver lists what came.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from http import HTTPStatus

from ansible_collections.bytebot.production.plugins.module_utils.clients.http import Http

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending came to: the receiver's answer, or why it did not take the message.

    :param body: of an answer of success, which may tell of an error all the same.
    """

    answer: str = ""
    refused: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A way for mail. :param tls: ``starttls``, ``tls`` or ``none``. :param address: to connect to, in place of DNS."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    tls: str = "starttls"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    address: str = ""
    timeout_s: float = 10.0


def post(http: Http, url: str, body: Mapping[str, str]) -> Sent:
    """Send JSON to a webhook; without 2xx it was not taken."""
    answer = http.request("POST", url, json=dict(body))
    if answer.failure:
        return Sent(refused=answer.failure.label)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return Sent(f"answers {answer.status}", body=answer.body)
    return Sent(refused=f"it answers {answer.status}")


def mail(way: Mail, subject: str, text: str) -> Sent:
    """Send a mail; every recipient must be taken."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = way.sender, ", ".join(way.recipients), subject
    message.set_content(text)
    try:
        with _server(way) as server:
            if way.tls == "starttls":
                server.starttls(context=_context(way))
            if way.username:
                server.login(way.username, way.password)
            lost = server.send_message(message)
    except smtplib.SMTPRecipientsRefused as exc:
        code, said = next(iter(exc.recipients.values()))
        return Sent(refused=f"it refuses all recipients ({code} {_words(said)})")
    except smtplib.SMTPResponseException as exc:
        return Sent(refused=f"it answers {exc.smtp_code} ({_words(exc.smtp_error)})")
    except (smtplib.SMTPException, OSError) as exc:
        return Sent(refused=_why(exc))
    if lost:
        return Sent(refused=f"it refuses {len(lost)} of {len(way.recipients)} recipients")
    return Sent(f"taken for {len(way.recipients)} recipients")


class _Server(smtplib.SMTP):
    """Connects to the given address, and checks certificates for the host."""

    def __init__(self, way: Mail) -> None:
        self._way = way
        super().__init__(way.host, way.port, timeout=way.timeout_s)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        raw = socket.create_connection((self._way.address or host, port), timeout)
        return _context(self._way).wrap_socket(raw, server_hostname=host) if self._way.tls == "tls" else raw

    def __exit__(self, *args: object) -> None:
        """Part from the server; what it says to that changes nothing of what it has taken or refused."""
        try:
            self.docmd("QUIT")
        except (smtplib.SMTPException, OSError):
            pass
        finally:
            self.close()


def _server(way: Mail) -> smtplib.SMTP:
    return _Server(way)


def _context(way: Mail) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=way.ca_file or None)


def _why(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return "it does not answer in time"
    if isinstance(exc, ssl.SSLError):
        return f"its certificate or its TLS is not to be trusted ({exc.reason or 'TLS'})"
    if isinstance(exc, smtplib.SMTPNotSupportedError):
        return "it does not offer what is wanted (STARTTLS or AUTH)"
    if isinstance(exc, OSError) and exc.strerror:
        return f"it cannot be reached ({exc.strerror.lower()})"
    return f"it does not speak SMTP ({type(exc).__name__})"


def _words(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join(text.split())[:_SHOWN]
