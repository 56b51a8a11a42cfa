# Says what a result holds for, and derives (never stores) whether that has moved on since.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import sha256_of
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue, Control

# What must be the same for a result of each kind to hold. The catalogue counts for all: it says what is asked.
PARTS: Mapping[str, tuple[str, ...]] = {
    "release": ("release", "environment", "catalogue"),
    "environment": ("environment", "catalogue"),
    "organization": ("organization", "catalogue"),
}
_ONE_GO_LIVE = "go_live.t_minus_2h."  # how the controls begin that are judged for one go-live, and for no later one
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # it becomes the name of a folder
_RESERVED = frozenset({"lock", "latest"})


@dataclass(frozen=True, slots=True)
class Environment:
    """One deployment target.

    :param kind: such as ``sandbox``, ``preview``, ``production``.
    :param namespace: where the release lives.
    :param release: the name of the Helm release.
    """

    name: str
    kind: str
    organization: str
    namespace: str
    release: str

    @classmethod
    def of(cls, given: Any) -> Environment:
        """The environment from plain data.

        :raises InputError: a key is missing, unknown or no text, or the name cannot be that of a folder.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or set(given) != set(names):
            raise InputError(f"environment: give exactly {', '.join(names)}.")
        for key in names:
            if not isinstance(given[key], str) or not given[key].strip():
                raise InputError(f"environment: {key} is {given[key]!r}; give a text that is not empty.")
        if not _NAME.fullmatch(given["name"]) or given["name"] in _RESERVED:
            raise InputError(
                f"environment: name {given['name']!r} cannot be a folder; use letters, digits, '.', '_' and '-'."
            )
        return cls(**{key: str(given[key]) for key in names})

    @property
    def identity(self) -> str:
        """What makes it this environment and no other."""
        return f"{self.name}/{self.kind}/{self.namespace}/{self.release}"


@dataclass(frozen=True, slots=True)
class Binding:
    """What is judged now. ``release`` and ``plan`` are empty as long as the digests are not known.

    :param plan: what is to be deployed: chart and values, whose images may not run yet.
    """

    release: str
    environment: str
    organization: str
    catalogue: str
    plan: str = ""

    @classmethod
    def of(cls, given: Any) -> Binding:
        """The binding from what :meth:`to_dict` gave; whoever calls has verified where it comes from."""
        texts = {"plan": "", **given}  # records of before it was known have none
        return cls(**{field.name: str(texts[field.name]) for field in fields(cls)})

    def to_dict(self) -> dict[str, str]:
        """As it is kept with each result."""
        return asdict(self)

    def continues(self, other: Binding) -> bool:
        """Whether a run under the other binding can go on under this one; a release not known yet is no difference."""
        same_release = all(
            not ours or not theirs or ours == theirs
            for ours, theirs in ((self.release, other.release), (self.plan, other.plan))
        )
        rest = ("environment", "organization", "catalogue")
        return same_release and all(getattr(self, part) == getattr(other, part) for part in rest)


@dataclass(frozen=True, slots=True)
class Facts:
    """The digests that identify a release; those of its images are known once they run."""

    chart_digest: str = ""
    values_digest: str = ""
    image_digests: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Any) -> Facts:
        """The digests from plain data; none at all where a release is not known yet.

        :raises InputError: a key is unknown, or a chart is there without values, or images without both.
        """
        names = [field.name for field in fields(cls)]
        given = {} if given is None else given
        if not isinstance(given, Mapping) or (unknown := set(given) - set(names)):
            named = ", ".join(sorted(map(str, unknown))) if isinstance(given, Mapping) else repr(given)[:40]
            raise InputError(f"binding: {named} is unknown; give {', '.join(names)}.")
        images = given.get("image_digests") or []
        texts = [given.get("chart_digest") or "", given.get("values_digest") or ""]
        if not isinstance(images, Sequence) or isinstance(images, str):
            raise InputError("binding: image_digests is no list; give the digests of the images that run.")
        if not all(isinstance(item, str) for item in [*images, *texts]):
            raise InputError("binding: a digest is no text; give the digests as texts.")
        if bool(texts[0]) != bool(texts[1]) or (images and not texts[0]):
            raise InputError(
                f"binding: give all of {', '.join(names)}, the first two while its images do not run yet, or none."
            )
        return cls(texts[0], texts[1], tuple(images))


def release_digest(facts: Facts) -> str:
    """SHA-256 over the digests of chart, values and images; empty where they are not known."""
    if not facts.image_digests:
        return ""
    return sha256_of(
        {"chart": facts.chart_digest, "values": facts.values_digest, "images": sorted(set(facts.image_digests))}
    )


def plan_digest(facts: Facts) -> str:
    """SHA-256 over the digests of chart and values; empty where they are not known."""
    if not facts.chart_digest:
        return ""
    return sha256_of({"chart": facts.chart_digest, "values": facts.values_digest})


def catalogue_digest(catalogue: Catalogue) -> str:
    """SHA-256 over all controls in their order."""
    return sha256_of([asdict(control) for control in catalogue.controls.values()])


def binding_of(environment: Environment, facts: Facts, catalogue: Catalogue) -> Binding:
    """What is judged now."""
    return Binding(
        release_digest(facts),
        environment.identity,
        environment.organization,
        catalogue_digest(catalogue),
        plan_digest(facts),
    )


def why_stale(
    control: Control, result: Mapping[str, Any], current: Binding, now: datetime, counts_from: datetime | None = None
) -> str:
    """Why a recorded result no longer holds; empty where it does.

    :param counts_from: since when what is judged at T-2h counts for the go-live; None where nothing says when that is.
    """
    was = Binding.of(result["binding"])
    for part in PARTS[control.binds_to]:
        before, after = getattr(was, part), getattr(current, part)
        if part == "release" and not before and after:
            if was.plan and was.plan == current.plan:
                continue  # judged before these very chart and values ran
            return "it was judged before the release was known"
        if before != after:
            return f"the {part} has changed since ({_short(before)}, now {_short(after)})"
    since = min(moment(result["started"]), moment(result["recorded_at"]))  # a clock that is ahead must not prolong it
    if now - since > control.age_limit:
        return f"it was judged at {rfc3339(since)} and is valid for {control.valid_for}"
    if counts_from and control.id.startswith(_ONE_GO_LIVE) and since < counts_from:
        told = f"for this go-live counts what is judged since {rfc3339(counts_from)}"
        return f"it was judged at {rfc3339(since)}, and {told}"
    return ""


def moment(text: Any) -> datetime:
    """A point in time from RFC 3339.

    :raises ValueError: it is none, or it has no offset.
    """
    parsed = datetime.fromisoformat(str(text))
    if parsed.tzinfo is None:
        raise ValueError(text)
    return parsed.astimezone(UTC)


def rfc3339(when: datetime) -> str:
    """A point in time in UTC, to the second."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _short(text: str) -> str:
    if not text:
        return "not known"
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text
