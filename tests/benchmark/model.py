# The words of a benchmark: a row of figures, and the run that they belong to.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import dataclass

from tests.benchmark.figures import Figure, ratio


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of one case: ours, the peer's and raw helm's, taken in the same run.

    :param name: ``helm<major>.<case>.<quantity>``; :param unit: of all three figures;
    :param ours: of ``helm_release``; :param peer: of ``kubernetes.core.helm``; :param raw: of ``helm`` alone;
    :param note: what a reader must know, e.g. why a figure is missing.
    """

    name: str
    title: str
    unit: str
    ours: Figure
    peer: Figure | None = None
    raw: Figure | None = None
    note: str = ""

    @property
    def peer_ratio(self) -> float | None:
        """Ours as a multiple of the peer's; below 1 ours is the smaller."""
        return ratio(self.ours, self.peer)

    @property
    def raw_ratio(self) -> float | None:
        """Ours as a multiple of raw helm's."""
        return ratio(self.ours, self.raw)

    @property
    def case(self) -> str:
        """``helm<major>.<case>``, by which a run can be repeated."""
        return ".".join(self.name.split(".")[:2])

    @property
    def quantity(self) -> str:
        """``<case>.<quantity>``, without helm's version."""
        return self.name.split(".", 1)[1]

    @property
    def repeat(self) -> str:
        """The command that measures this row again."""
        return f"make benchmark NAME={self.case}"
