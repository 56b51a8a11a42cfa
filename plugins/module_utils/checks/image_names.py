# Tells whether a reference of an image is of the one that was wanted, since admission may write another one of it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

FILLED = "auto"  # what Istio's admission puts its proxy's image in place of (istio.io, "Installing Gateways")
_HUB = ("index.docker.io/", "docker.io/", "library/")  # which Docker Hub's images have, or do not name


@dataclass(frozen=True, slots=True)
class PastHelm:
    """Images of live workloads that Helm's revision does not name, in words.

    :param unclear: those of which it is not known, since they name a digest where the revision names a tag.
    """

    changed: tuple[str, ...]
    unclear: tuple[str, ...]


def past_helm(
    named: Mapping[str, str],
    live: Mapping[str, str],
    revision: int,
    strangers: Mapping[str, Collection[str]],
) -> PastHelm:
    """What somebody changed past Helm, by workload and container; one whose tag admission only pinned is the same.

    :param strangers: who else than Helm wrote the image last, as the API server tells. What admission writes has the
        name of who asked, which is Helm, so a digest that another one wrote pins nothing.
    """
    changed: list[str] = []
    unclear: list[str] = []
    for where, wanted in sorted(named.items()):
        image = live.get(where, wanted)
        (path, tag, digest), (other, _tag, wanted_digest) = parts_of(image), parts_of(wanted)
        # Sigstore's policy controller puts the digest in the tag's place.
        bare = bool(digest) and not tag and _at_home(path) == _at_home(other)
        if image == wanted or (bare and digest == wanted_digest):
            continue
        others = strangers.get(where, ())
        if image.startswith(f"{wanted}@") and not others:
            continue
        told = unclear if bare and not wanted_digest and not others else changed
        by = f", written by {', '.join(others)}" if others else ""
        told.append(f"{where} runs image {image}{by}, and revision {revision} has {wanted}")
    return PastHelm(tuple(changed), tuple(unclear))


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


def same_in_workload(image: str, wanted: str, judged: Collection[str]) -> bool:
    """Whether what a live workload names is what the release names, where admission may have pinned it as in a pod."""
    if image == wanted:
        return True
    (path, tag, digest), (other, wanted_tag, wanted_digest) = parts_of(image), parts_of(wanted)
    pinned = digest == wanted_digest if wanted_digest else digest in judged
    return pinned and tag in ("", wanted_tag) and _at_home(path) == _at_home(other)


def parts_of(image: str) -> tuple[str, str, str]:
    """Where an image is, its tag and its digest; the last two are empty where they are not named."""
    named, _at, digest = image.partition("@")
    place, slash, last = named.rpartition("/")
    name, _colon, tag = last.partition(":")
    return f"{place}{slash}{name}", tag, digest


def _at_home(path: str) -> str:
    for prefix in _HUB:
        path = path.removeprefix(prefix)
    return path
