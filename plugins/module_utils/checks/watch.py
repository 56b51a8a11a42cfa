# What the checks of monitoring services share: how a silence is told, and how findings become a verdict.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ansible_collections.bytebot.production.plugins.module_utils.clients.service import DENIED, OK, SILENT, Told
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    MUST,
    SHOULD,
    Evidence,
    Verdict,
    failed,
    passed,
    pending,
)

_SHOWN = 4  # findings named in one sentence


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as wanted."""

    what: str
    remedy: str
    level: str = MUST


@dataclass(frozen=True, slots=True)
class Found:
    """What the questions to one service came to.

    :param problems: what is wrong; :param gaps: what could not be seen, and so what is not known.
    """

    problems: list[Problem] = field(default_factory=list)
    gaps: list[Problem] = field(default_factory=list)

    def wrong(self, what: str, remedy: str, level: str = MUST) -> None:
        """Something is not as wanted."""
        self.problems.append(Problem(what, remedy, level))

    def unknown(self, what: str, remedy: str) -> None:
        """Something could not be seen."""
        self.gaps.append(Problem(what, remedy))

    def asked(self, told: Told, what: str, remedy: str, *, allow: str) -> bool:
        """Whether a question was answered; else it is wrong (nothing answers, or an error), or unknown (denied).

        :param allow: the permission that is needed, for who is denied.
        """
        if told.kind == DENIED:
            self.unknown(f"{what}: not permitted ({told.cause})", f"Sign in with an account that has {allow}.")
        elif told.kind != OK:
            self.wrong(f"{what}: {told.cause}", remedy)
        return told.kind == OK

    def verdict(self, where: str, good: str, evidence: Sequence[Evidence], weaker: Iterable[str] = ()) -> Verdict:
        """Red where anything is wrong, pending where anything is unknown, else green."""
        told = tuple(weaker)
        if self.problems:
            level = MUST if any(one.level == MUST for one in self.problems) else SHOULD
            return failed(
                _sentence(where, self.problems), _remedies(self.problems), *evidence, level=level, weaker=told
            )
        if self.gaps:
            return pending(_sentence(where, self.gaps), _remedies(self.gaps), *evidence)
        return passed(f"{where}: {good}.", *evidence, weaker=told)


def no_input(name: str, variable: str) -> Verdict:
    """Nothing is said of a service."""
    return pending(f"Needs input {name}: nothing says where it is.", f"Set {name} (in the inventory: {variable}).")


def is_down(told: Told) -> bool:
    """Whether nothing at all answers."""
    return told.kind == SILENT


def _sentence(where: str, found: Sequence[Problem]) -> str:
    texts = list(dict.fromkeys(one.what for one in found))
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{where}: {'; '.join(texts[:_SHOWN])}{more}."


def _remedies(found: Sequence[Problem]) -> str:
    return " ".join(dict.fromkeys(one.remedy for one in found))
