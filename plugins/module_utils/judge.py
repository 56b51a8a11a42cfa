# Links controls to checks, runs the checks over facts, and turns verdicts into results.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    RED,
    Result,
    Verdict,
    errored,
    pending,
    utc_now,
)
from ansible_collections.bytebot.production.plugins.module_utils.redact import Redactor

Facts = TypeVar("Facts")
CheckFunction = Callable[[Facts], Verdict]


@dataclass(frozen=True)
class Check(Generic[Facts]):
    """A pure function and the control that it settles."""

    control: str
    judge: CheckFunction[Facts]


class Checks(Generic[Facts]):
    """The checks of one subject. ``settles`` registers them; ids are unique within a subject."""

    def __init__(self) -> None:
        self._by_control: dict[str, Check[Facts]] = {}

    def settles(self, control: str) -> Callable[[CheckFunction[Facts]], CheckFunction[Facts]]:
        """Register a function as the check that settles ``control`` (``section.group.item``)."""

        def register(function: CheckFunction[Facts]) -> CheckFunction[Facts]:
            if control in self._by_control:
                raise ValueError(f"two checks settle {control}")
            self._by_control[control] = Check(control, function)
            return function

        return register

    @property
    def controls(self) -> tuple[str, ...]:
        """The ids of the controls that these checks settle, in the order of their definition."""
        return tuple(self._by_control)

    def judge(self, facts: Facts, only: Collection[str] = ()) -> list[Result]:
        """Run every check (or those named in ``only``) over the same facts.

        A check that breaks gives ``error`` for its control alone: a bug in one judgement must not hide the others.
        """
        return [self._run(check, facts) for check in self._by_control.values() if not only or check.control in only]

    def pending(self, summary: str, remedy: str, only: Collection[str] = ()) -> list[Result]:
        """All controls (or those named in ``only``) as pending, where nothing could be observed yet."""
        verdict = pending(summary, remedy)
        return [Result(control, verdict, utc_now(), 0.0) for control in self.controls if not only or control in only]

    @staticmethod
    def _run(check: Check[Facts], facts: Facts) -> Result:
        started, began = utc_now(), time.monotonic()
        try:
            verdict = check.judge(facts)
        except Exception as exc:
            where = _last_line(exc)
            verdict = errored(
                f"The check itself broke ({type(exc).__name__} at {where}: {exc}).",
                "Report this with the module's inputs; the control is not judged.",
            )
        return Result(check.control, verdict, started, time.monotonic() - began)


def known_only(only: Iterable[str], controls: Collection[str], module: str) -> None:
    """Refuse ids in ``only`` that a module does not settle."""
    unknown = sorted(set(only) - set(controls))
    if unknown:
        raise InputError(
            f"only: {', '.join(unknown)} is not settled by {module}. It settles: {', '.join(sorted(controls))}."
        )


def results_of(results: Iterable[Result], redactor: Redactor) -> dict[str, Any]:
    """The part of a module's return value that carries results; evidence is redacted before it is hashed."""
    dicts = [result.to_dict(redactor) for result in results]
    return {"results": dicts, "failed_controls": [item["control"] for item in dicts if item["state"] in RED]}


def _last_line(exc: BaseException) -> str:
    trace = exc.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "unknown place"
