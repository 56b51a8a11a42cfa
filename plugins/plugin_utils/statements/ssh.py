# Asks OpenSSH whether a signature is that of a person over exactly this text; private keys are never touched.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, ProgramMissing

PROGRAM = "ssh-keygen"
NAMESPACE = "bytebot.production/statement"  # what a signature is for; one made for anything else never counts
DEMO_NAMESPACE = f"{NAMESPACE}-demo"  # so a demo signature is none anywhere but in a sandbox
WITHIN_S = 20.0
LARGEST_SIGNATURE = 32 * 1024  # bytes
_ARMOR = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_KEY = re.compile(r"with (?P<type>[\w-]+) key (?P<key>SHA256:[A-Za-z0-9+/]{43})")


class NotSigned(CollectionError):
    """A signature does not count; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose signatures count.

    :param allowed: a file in the form of ``allowed_signers`` (ssh-keygen(1)).
    :param revoked: keys that no longer count, as ``ssh-keygen -r`` takes them; none where it is not set.
    """

    allowed: Path
    revoked: Path | None = None


def verify(text: bytes, signature: str, keys: Keys, person: str, *, namespace: str, when: datetime) -> str:
    """The fingerprint of the person's key that made the signature over the text.

    :param when: the time at which the key must have been valid.
    :raises NotSigned: it is none of that person over this text. :raises ProgramMissing: there is no ssh-keygen.
    """
    lines = signature.strip().splitlines()
    if len(signature) > LARGEST_SIGNATURE or len(lines) < len(_ARMOR) or (lines[0], lines[-1]) != _ARMOR:
        raise NotSigned("the signature is no whole SSH signature")
    with tempfile.TemporaryDirectory(prefix="bytebot-signature-") as folder:
        file = Path(folder) / "statement.sig"
        file.write_text(signature if signature.endswith("\n") else f"{signature}\n", encoding="utf-8")
        asked = ["-Y", "verify", "-f", str(keys.allowed), "-I", person, "-n", namespace, "-s", str(file)]
        asked += ["-O", f"verify-time={when.astimezone(UTC):%Y%m%d%H%M%S}"]
        done = _run([*asked, "-r", str(keys.revoked)] if keys.revoked else asked, text)
        if done.returncode == 0 and (found := _KEY.search(done.stdout)):
            return found["key"]
        if keys.revoked and _run(asked, text).returncode == 0:  # it would count but for the list
            raise NotSigned(f"the key that signed it is revoked ({keys.revoked.name}), or that list cannot be used")
        fits = _run(["-Y", "check-novalidate", "-n", namespace, "-s", str(file)], text)
    if fits.returncode != 0:
        raise NotSigned(f"the signature does not fit the text: changed after signing, or not signed for {namespace}")
    found = _KEY.search(fits.stdout)
    named = found["key"] if found else "that signed it"
    at = f"{when.astimezone(UTC):%Y-%m-%d}"
    raise NotSigned(f"the key {named} is none that {keys.allowed.name} gives {person} at {at} for {namespace}")


def _run(arguments: list[str], text: bytes) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        done = subprocess.run(
            [PROGRAM, *arguments], input=text, capture_output=True, env=environment, timeout=WITHIN_S, check=False
        )
    except FileNotFoundError as exc:
        raise ProgramMissing(
            f"{PROGRAM} is not on this machine, so no signature can be verified; install OpenSSH's client."
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise NotSigned(f"{PROGRAM} did not answer within {WITHIN_S:g} s") from exc
    said = (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    return subprocess.CompletedProcess(done.args, done.returncode, *said)
