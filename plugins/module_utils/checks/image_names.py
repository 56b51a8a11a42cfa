# Tells whether a reference of an image is of the one that was wanted, since admission may write another one of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection

FILLED = "auto"  # what Istio's admission puts its proxy's image in place of (istio.io, "Installing Gateways")


def same_in_pod(image: str, wanted: str, judged: Collection[str]) -> bool:
    """Whether what a pod names is what its workload names.

    A mirror, which admission writes into pods, has it at another place. Admission may also add the digest of a tag
    (Kyverno), or put it in the tag's place (Sigstore's policy controller).

    :param judged: digests that were judged, and of which such a digest must be one.
    """
    if wanted == FILLED:
        return True
    (path, tag, digest), (other, wanted_tag, wanted_digest) = parts_of(image), parts_of(wanted)
    if path.rpartition("/")[2] != other.rpartition("/")[2]:
        return False
    if wanted_digest:
        return digest == wanted_digest
    return (digest in judged and tag in ("", wanted_tag)) if digest else tag == wanted_tag


def parts_of(image: str) -> tuple[str, str, str]:
    """Where an image is, its tag and its digest; the last two are empty where they are not named."""
    named, _at, digest = image.partition("@")
    place, slash, last = named.rpartition("/")
    name, _colon, tag = last.partition(":")
    return f"{place}{slash}{name}", tag, digest
