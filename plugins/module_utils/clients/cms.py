# Encrypts for a certificate and opens again: CMS (RFC 5652, RFC 5083) by the program openssl, nothing in clear on disk.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import (
    CommandFailed,
    InputError,
    ProgramMissing,
)

BLOCK = 64 * 1024
SEGMENT = 16 * 1024 * 1024
SEQUENCE, INDEFINITE, LONGEST_HEAD = 0x30, 0x80, 10
# The first bytes of what is encrypted: the object identifiers of EnvelopedData and AuthEnvelopedData.
ENVELOPES = (bytes.fromhex("06092a864886f70d010703"), bytes.fromhex("060b2a864886f70d0109100117"))
HEAD = 64


def encrypted(clear: Iterable[bytes], certificate: str) -> Iterator[bytes]:
    """What only the certificate's key opens, authenticated (AES-256-GCM).

    It is one message after another, each of at most ``SEGMENT`` bytes of what is in there: openssl keeps a message in
    memory when it opens it, so that one of any size would need as much.
    """
    return _sealed(["-encrypt", "-binary", "-aes-256-gcm", "-outform", "DER", "-recip", _file(certificate)], clear)


def opened(sealed: Iterable[bytes], certificate: str, key_file: str) -> Iterator[bytes]:
    """What is in one message, or in one after another.

    :raises CommandFailed: at its end, where the key does not open it or it is not whole. Nothing may be trusted before.
    """
    keys = ["-recip", _file(certificate), "-inkey", _file(key_file)]
    return _cleared(["-decrypt", "-binary", "-inform", "DER", *keys], sealed)


def _sealed(words: list[str], clear: Iterable[bytes]) -> Iterator[bytes]:
    segment, any_yet = bytearray(), False
    for data in clear:
        segment += data
        while len(segment) >= SEGMENT:
            yield from _through(words, [bytes(segment[:SEGMENT])], "encrypt")
            del segment[:SEGMENT]
            any_yet = True
    if segment or not any_yet:
        yield from _through(words, [bytes(segment)], "encrypt")


def _cleared(words: list[str], sealed: Iterable[bytes]) -> Iterator[bytes]:
    messages = _Messages(sealed)
    yield from _through(words, messages.following(), "open")
    while not messages.ended():
        yield from _through(words, messages.following(), "open")


class _Messages:
    """Messages that stand one after another in DER, by the length that each begins with (X.690, 8.1.3)."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source, self._held = iter(source), b""

    def ended(self) -> bool:
        """Whether nothing follows."""
        return not self._has(1)

    def following(self) -> Iterator[bytes]:
        """The next one, piece by piece; all the rest where its length is not said."""
        self._has(LONGEST_HEAD)
        left = _length(self._held[:LONGEST_HEAD])
        while left is None or left > 0:
            if not self._has(1):
                return  # openssl says that it is cut
            data = self._held if left is None else self._held[:left]
            self._held = self._held[len(data) :]
            left = None if left is None else left - len(data)
            yield data

    def _has(self, number: int) -> bool:
        while len(self._held) < number:
            data = next(self._source, None)
            if data is None:
                return False
            self._held += data
        return True


def _length(head: bytes) -> int | None:
    """How many bytes a message has, its head included; None where that is not said, or it is none."""
    if len(head) < LONGEST_HEAD or head[0] != SEQUENCE or head[1] in (INDEFINITE, 0xFF):
        return None
    if head[1] < INDEFINITE:
        return 2 + head[1]
    count = head[1] & 0x7F
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big") if count <= LONGEST_HEAD - 2 else None


def is_envelope(head: bytes) -> bool:
    """Whether a file that begins so is encrypted."""
    return head[:1] == b"\x30" and any(mark in head[:HEAD] for mark in ENVELOPES)


def _file(path: str) -> str:
    found = Path(path).expanduser()
    if not found.is_file():
        raise InputError(f"There is no file {path}; name the certificate and the key of the backups.")
    return str(found)


def _through(words: list[str], source: Iterable[bytes], verb: str) -> Iterator[bytes]:
    program = shutil.which("openssl")
    if program is None:
        raise ProgramMissing("The program openssl (3.0 or newer) is needed on the controller to encrypt backups.")
    scrubbed = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
    child: Any = subprocess.Popen(
        [program, "cms", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=scrubbed,
    )
    troubles: list[Exception] = []
    said: list[bytes] = []
    feeding = threading.Thread(target=_feed, args=(child, source, troubles), daemon=True)
    hearing = threading.Thread(target=lambda: said.append(child.stderr.read(BLOCK)), daemon=True)
    try:
        feeding.start()
        hearing.start()
        while data := child.stdout.read(BLOCK):
            yield data
        feeding.join()
        hearing.join()
        code = child.wait()
        if troubles:
            raise troubles[0]
        if code:
            raise CommandFailed(f"openssl cannot {verb} it: {_why(b''.join(said))}.")
    finally:
        child.kill()
        child.wait()


def _feed(child: Any, source: Iterable[bytes], troubles: list[Exception]) -> None:
    """What the source says goes in; the error of a source that breaks is kept, and the program ends without output."""
    try:
        for data in source:
            child.stdin.write(data)
    except BrokenPipeError:
        pass  # the program has ended by itself, and says why
    except Exception as exc:  # noqa: BLE001 - raised again where the output is read
        troubles.append(exc)
        child.kill()
    finally:
        with contextlib.suppress(OSError):
            child.stdin.close()


def _why(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").splitlines()
    told = [line.rsplit(":", 4)[-4:] for line in lines if ":error:" in line]
    reasons = [next((part for part in reversed(parts) if part and not part.endswith(".c")), "") for parts in told]
    return ", ".join(dict.fromkeys(part.strip() for part in reasons if part)) or (lines[0] if lines else "no reason")
