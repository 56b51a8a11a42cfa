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
# The first bytes of what is encrypted: the object identifiers of EnvelopedData and AuthEnvelopedData.
ENVELOPES = (bytes.fromhex("06092a864886f70d010703"), bytes.fromhex("060b2a864886f70d0109100117"))
HEAD = 64


def encrypted(clear: Iterable[bytes], certificate: str) -> Iterator[bytes]:
    """What only the certificate's key opens, authenticated (AES-256-GCM)."""
    words = ["-encrypt", "-binary", "-stream", "-aes-256-gcm", "-outform", "DER", "-recip", _file(certificate)]
    return _through(words, clear, "encrypt")


def opened(sealed: Iterable[bytes], certificate: str, key_file: str) -> Iterator[bytes]:
    """What is in there.

    :raises CommandFailed: at its end, where the key does not open it or it is not whole. Nothing may be trusted before.
    """
    keys = ["-recip", _file(certificate), "-inkey", _file(key_file)]
    return _through(["-decrypt", "-binary", "-inform", "DER", *keys], sealed, "open")


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
