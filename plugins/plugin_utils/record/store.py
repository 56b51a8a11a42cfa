# Keeps the runs of one environment: opened, resumed, added to, closed, never lost. Where they are is the keeper's.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    Binding,
    Environment,
    moment,
    rfc3339,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import HEADER, Keeper
from ansible_collections.bytebot.production.plugins.plugin_utils.record.pending import says_nothing, with_former
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result, recorded
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header, Run

Clock = Callable[[], datetime]
LOOKED_BACK = 50  # runs


class Store:
    """The runs of one environment."""

    def __init__(self, keeper: Keeper, environment: Environment, clock: Clock = lambda: datetime.now(UTC)) -> None:
        self.keeper = keeper
        self.environment = environment
        self.clock = clock

    @property
    def folder(self) -> Path:
        """Where the environment's reports lie on this machine."""
        return self.keeper.folder

    # ------------------------------------------------------------------ reading

    def runs(self) -> tuple[list[Run], list[str]]:
        """The runs that can be used, the oldest first, and a sentence for each that cannot."""
        found: list[Run] = []
        defects: list[str] = []
        for id_, content in self.keeper.headers().items():
            try:
                found.append(self._run(id_, content))
            except files.Unusable as exc:
                defects.append(exc.sentence)
        return found, defects

    def run(self, id_: str) -> Run:
        """A run by its id.

        :raises InputError: there is none. :raises Unusable: its header cannot be used.
        """
        content = self.keeper.read(id_, HEADER)
        if content is None:
            raise InputError(f"There is no run {id_!r} in {self.keeper.where}.")
        return self._run(id_, content)

    def mine(self) -> Run | None:
        """The run that this process has open."""
        id_ = self.keeper.guard.run_of_mine()
        try:
            run = self.run(id_) if id_ else None
        except (InputError, files.Unusable):  # killed while it was being made, or damaged since: runs() says so
            return None
        return run if run and run.header.closed is None else None

    def resumable(self, binding: Binding) -> Run | None:
        """The newest run that is not closed and goes on under this binding."""
        for run in reversed(self.runs()[0]):
            if run.header.closed is None and binding.continues(run.header.binding):
                return run
        return None

    def earlier(self, than: str) -> dict[str, Result]:
        """The newest result of each control in the runs before one, each with the run that it was judged in.

        What nobody looked at tells nothing and hides nothing. Where a section of a run cannot be used, no older result
        of it takes its place, which could hide a red.
        """
        found: dict[str, Result] = {}
        unusable: set[str] = set()
        known = catalogue.load()
        runs = [run for run in self.runs()[0] if run.header.id < than]
        for run in reversed(runs[-LOOKED_BACK:]):
            content = run.content()
            unusable |= content.defects.keys()
            for id_, result in content.results.items():
                if id_ in found or id_.partition(".")[0] in unusable or says_nothing(result, known):
                    continue
                found[id_] = {"carried_from": run.header.id, **result}
        return found

    def carried(self, run: Run) -> dict[str, Result]:
        """What a run takes over from earlier ones: nothing older than its own, nor of a section that it has lost."""
        content = run.content()
        ours = content.results
        return {
            id_: result
            for id_, result in self.earlier(run.header.id).items()
            if id_.partition(".")[0] not in content.defects
            and (id_ not in ours or moment(ours[id_]["recorded_at"]) < moment(result["recorded_at"]))
        }

    # ------------------------------------------------------------------ writing

    def open_run(self, binding: Binding, fresh: bool = False) -> Run:
        """The newest run of this binding that is not closed, or a new one."""
        run = None if fresh else self.resume(binding)
        return run or self._new(binding)

    def resume(self, binding: Binding) -> Run | None:
        """Go on with the newest run of this binding that is not closed; none where there is none."""
        run = self.resumable(binding)
        if run is None:
            return None
        with self.keeper.guard.held(run.header.id, self._now()):
            return self._write(run, binding=_joined(run.header.binding, binding), resumed=run.header.resumed + 1)

    def add(self, run: Run, results: Iterable[Result], binding: Binding) -> Run:
        """Record results at once, one part for each section. The newest result of a control counts."""
        _refuse_closed(run)
        by_section: dict[str, dict[str, Result]] = {}
        for result in results:
            of_section = by_section.setdefault(result["control"].partition(".")[0], {})
            of_section[result["control"]] = recorded(result, binding, self.clock())
        with self.keeper.guard.held(run.header.id, self._now()):
            for section, added in by_section.items():
                self._write_section(run, section, added)
            return self._write(run, binding=_joined(run.header.binding, binding))

    def note_gate(self, run: Run, stage: str, policy: Mapping[str, Any]) -> Run:
        """Remember which gate was asked, so that later documents of the run decide the same."""
        with self.keeper.guard.held(run.header.id, self._now()):
            noted = self._write(run, gate={"stage": stage, "policy": dict(policy)})
        if noted.header.closed is not None:
            self.keeper.guard.release()
        return noted

    def carry(self, run: Run) -> Run:
        """Let a run go on from what the runs before it have settled; what is newer in it stays."""
        by_section: dict[str, dict[str, Result]] = {}
        for id_, result in self.carried(run).items():
            by_section.setdefault(id_.partition(".")[0], {})[id_] = result
        with self.keeper.guard.held(run.header.id, self._now()):
            for section, added in by_section.items():
                self._write_section(run, section, added)
            return self._write(run)

    def close(self, run: Run) -> Run:
        """Nothing is added to the run from now on; the lock is free."""
        _refuse_closed(run)
        with self.keeper.guard.held(run.header.id, self._now()):
            closed = self._write(run, closed=self._now())
        self.keeper.guard.release()
        self.keeper.finish(run.header.id)
        return closed

    def write_document(self, run: Run, document: Mapping[str, Any]) -> None:
        """Put the results document into the run's folder."""
        self.keeper.publish(run.header.id, document)

    # ------------------------------------------------------------------ inside

    def _now(self) -> str:
        return rfc3339(self.clock())

    def _new(self, binding: Binding) -> Run:
        now = self.clock().astimezone(UTC)
        id_ = next_id(now, max(self.keeper.headers(), default=""))
        header = Header(id_, self.environment, binding, rfc3339(now), rfc3339(now), None, 0, {})
        with self.keeper.guard.held(id_, rfc3339(now)):
            self.keeper.write(id_, HEADER, header.to_dict())
        return Run(self.keeper, header)

    def _write(self, run: Run, **changes: Any) -> Run:
        header = replace(run.header, updated=self._now(), **changes)
        self.keeper.write(header.id, HEADER, header.to_dict())
        return Run(self.keeper, header)

    def _write_section(self, run: Run, section: str, added: Mapping[str, Result]) -> None:
        try:
            before = run.section(section)
        except files.Unusable:
            self.keeper.put_aside(run.header.id, section)
            before = {}
        content = {
            "schema_version": files.SCHEMA,
            "run": run.header.id,
            "environment": self.environment.name,
            "section": section,
            "results": {**before, **{id_: with_former(result, before) for id_, result in added.items()}},
        }
        self.keeper.write(run.header.id, section, content)

    def _run(self, id_: str, content: Mapping[str, Any] | files.Unusable) -> Run:
        if isinstance(content, files.Unusable):
            raise content
        where = self.keeper.named(id_, HEADER)
        header = Header.of(content, where)
        if (header.environment.name, header.id) != (self.environment.name, id_):
            raise files.Unusable(
                f"{where} belongs to run {header.id} of environment {header.environment.name}, not here; move it back."
            )
        return Run(self.keeper, header)


def next_id(now: datetime, last: str) -> str:
    """An id that comes after the last one, within the same second and where a clock was ahead, too."""
    id_ = f"{now:%Y%m%dT%H%M%SZ}-{secrets.randbelow(0xF000):04x}"
    return id_ if id_ > last else f"{last[:-4]}{int(last[-4:], 16) + 1:04x}"


def _refuse_closed(run: Run) -> None:
    if run.header.closed is not None:
        raise InputError(f"Run {run.header.id} was closed at {run.header.closed}; open another.")


def _joined(before: Binding, now: Binding) -> Binding:
    """The binding now; what is not named now of the release is still as before, unless another is planned."""
    if now.plan and before.plan and now.plan != before.plan:
        return now
    return replace(now, release=now.release or before.release, plan=now.plan or before.plan)
