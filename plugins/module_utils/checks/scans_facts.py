# What is observed of the images that run and of the reports of scanners on them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ansible_collections.bytebot.production.plugins.module_utils.model import utc_now

SEVERITIES = ("critical", "high", "medium", "low")  # the worst first
UNKNOWN = "unknown"
SCAN_AGE = 7  # days
_RATED_AT_WILL = ("sarif", "cyclonedx")  # forms that leave it to a tool whether it rates what it finds


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One finding of a scanner.

    :param fixed: the version of the package that has it no more; empty where there is none.
    :param dismissed: why the report itself does not count it (VEX, a suppression); empty where it does.
    """

    id: str
    severity: str
    package: str = ""
    version: str = ""
    fixed: str = ""
    dismissed: str = ""

    def __str__(self) -> str:
        where = f" in {self.package} {self.version}".rstrip() if self.package else ""
        return f"{self.id}{where}{f' (fixed in {self.fixed})' if self.fixed else ''}"


@dataclass(frozen=True, slots=True)
class Report:
    """What one report says of one image.

    :param digests: of the image, as the report names them; :param when: of the scan; None where it does not say.
    :param named: those of ``digests`` that a registry has it by; the others name its configuration.
    :param looked: whether it shows that packages were found in the image, without which no finding means nothing.
    """

    where: str
    tool: str
    kind: str
    digests: frozenset[str]
    image: str = ""
    when: datetime | None = None
    looked: bool = True
    found: tuple[Vulnerability, ...] = ()
    named: frozenset[str] = frozenset()

    @property
    def rates_nothing(self) -> bool:
        """Whether it has findings and tells of none how severe it is, so that none of them could ever count.

        Trivy and Grype rate what they find in their own forms, and say of what nobody has rated yet that it is unknown.
        """
        counting = [one.severity for one in self.found if not one.dismissed]
        return self.kind in _RATED_AT_WILL and set(counting) == {UNKNOWN}


@dataclass(frozen=True, slots=True)
class Running:
    """An image that runs, by its digest; :param where: the pods' containers, in words."""

    digest: str
    name: str
    where: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.digest[:19]}…)"


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that somebody answers for.

    :param package: only in that one; :param image: only in images whose name holds this text, or of this digest.
    :param until: the last day on which it holds, ``YYYY-MM-DD``.
    """

    id: str
    owner: str
    reason: str
    until: str
    package: str = ""
    image: str = ""

    def covers(self, found: Vulnerability, image: Running) -> bool:
        """Whether a finding in an image is meant."""
        return (
            self.id == found.id
            and self.package in ("", found.package)
            and (not self.image or self.image == image.digest or self.image in image.name)
        )

    def holds(self, today: str) -> bool:
        """Whether it has not run out."""
        return self.until >= today


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """One observation.

    :param unknown: containers of which the digest is not known yet, in words; :param refused: why pods were not listed.
    :param said: whether anything says where reports are; :param bad: places that hold no report, in words;
        :param unread: places that could not be read;
        :param unread_vex: the same of VEX documents. :param objects: what asking for report objects came to, in words.
    """

    namespace: str
    images: tuple[Running, ...] = ()
    unknown: tuple[str, ...] = ()
    refused: str = ""
    said: bool = False
    reports: tuple[Report, ...] = ()
    bad: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    unread_vex: tuple[str, ...] = ()
    objects: str = ""
    waivers: tuple[Waiver, ...] = ()
    excused: Mapping[tuple[str, str], str] = field(default_factory=dict)
    max_age: int = SCAN_AGE
    threshold: str = SEVERITIES[0]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    at: str = field(default_factory=utc_now)

    @property
    def today(self) -> str:
        """The day, by which waivers run out."""
        return self.now.date().isoformat()

    def counts(self, severity: str) -> bool:
        """Whether a finding of this severity is too severe to be open."""
        return severity in SEVERITIES[: SEVERITIES.index(self.threshold) + 1]
