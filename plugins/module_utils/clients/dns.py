# Asks a name server for the addresses of a name, with their time to live; over TCP, so that a tunnel can carry it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import secrets
import socket
import struct
from dataclasses import dataclass

# RFC 1035, "Messages"; RFC 3596 for AAAA; RFC 7766 for TCP, which every name server must speak.
A, AAAA, CNAME = 1, 28, 5
_IN = 1
_TRUNCATED, _RECURSION = 0x0200, 0x0100
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_LONGEST, _MOST_JUMPS = 65_535, 64
_LABEL = 63  # bytes of a part of a name
_POINTER = 0xC0


@dataclass(frozen=True, slots=True)
class Named:
    """What a name server told of a name.

    :param code: ``NOERROR``, ``NXDOMAIN`` …; empty where no answer came, for the reason in ``problem``.
    :param addresses: in order; :param aliases: the names that it leads over; :param ttl_s: the shortest time to live.
    """

    code: str = ""
    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ttl_s: int | None = None
    problem: str = ""


def ask(server: str, port: int, name: str, timeout_s: float) -> Named:
    """The addresses of both families. A failure to get an answer is told, not raised."""
    try:
        with socket.create_connection((server, port), timeout=timeout_s) as connection:
            four = _exchange(connection, name, A)
            six = _exchange(connection, name, AAAA)
    except (OSError, ValueError, struct.error, IndexError) as exc:
        text = (exc.strerror if isinstance(exc, OSError) else "") or str(exc) or type(exc).__name__
        return Named(problem=" ".join(text.lower().split())[:200].rstrip("."))
    times = [one.ttl_s for one in (four, six) if one.ttl_s is not None]
    aliases = tuple(dict.fromkeys((*four.aliases, *six.aliases)))
    return Named(four.code, four.addresses + six.addresses, aliases, min(times, default=None))


def _exchange(connection: socket.socket, name: str, kind: int) -> Named:
    message = question(secrets.randbelow(_LONGEST), name, kind)
    connection.sendall(struct.pack(">H", len(message)) + message)
    (length,) = struct.unpack(">H", _exactly(connection, 2))
    return answer(_exactly(connection, length), message[:2], kind)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise ValueError("it ended the connection before it had answered")
        data += part
    return data


def question(number: int, name: str, kind: int) -> bytes:
    """A query message.

    :raises ValueError: it is no name.
    """
    labels = [part.encode("idna") for part in name.rstrip(".").split(".")]
    if any(not 0 < len(one) <= _LABEL for one in labels):
        raise ValueError(f"{name!r} is no host name")
    asked = b"".join(bytes([len(one)]) + one for one in labels) + b"\0"
    return struct.pack(">HHHHHH", number, _RECURSION, 1, 0, 0, 0) + asked + struct.pack(">HH", kind, _IN)


def answer(message: bytes, number: bytes, kind: int) -> Named:
    """What an answer says.

    :raises ValueError: it is none, or not to this question; :raises IndexError, struct.error: it is cut off.
    """
    _number, flags, questions, answers = struct.unpack(">HHHH", message[:8])
    if message[:2] != number or flags & _TRUNCATED:
        raise ValueError("what comes back is no answer to the question")
    at = 12
    for _question in range(questions):
        _name, at = _name_at(message, at)
        at += 4
    addresses, aliases, times = [], [], []
    for _record in range(answers):
        _owner, at = _name_at(message, at)
        what, _class, ttl, length = struct.unpack(">HHIH", message[at : at + 10])
        data, at = message[at + 10 : at + 10 + length], at + 10 + length
        if what == kind:
            addresses.append(str(ipaddress.ip_address(data)))
            times.append(ttl)
        elif what == CNAME:
            aliases.append(_name_at(message, at - length)[0])
            times.append(ttl)
    code = _RCODES.get(flags & 0x0F, f"code {flags & 0x0F}")
    return Named(code, tuple(addresses), tuple(aliases), min(times, default=None))


def _name_at(message: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; a pointer leads to where the rest of it stands (RFC 1035, 4.1.4)."""
    labels: list[str] = []
    end = 0
    for _jump in range(_MOST_JUMPS):
        length = message[at]
        if length & _POINTER == _POINTER:
            end = end or at + 2
            at = struct.unpack(">H", message[at : at + 2])[0] & 0x3FFF
        elif length == 0:
            return ".".join(labels).lower(), end or at + 1
        else:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
    raise ValueError("a name in the answer has no end")
