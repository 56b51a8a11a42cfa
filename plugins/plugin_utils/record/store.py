# Keeps the runs of one environment as files: opened, resumed, added to, closed, never lost.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    Binding,
    Environment,
    moment,
    rfc3339,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Lock, Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result, recorded, unproven

HEADER, RESULTS, DOCUMENT, LATEST = "run.json", "results", "results.json", "latest"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_FIELDS = frozenset({"state", "summary", "remedy", "evidence", "started", "duration_s", "binding", "recorded_at"})

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a run as a whole.

    :param gate: stage and policy of the gate that was asked last; empty where none was.
    """

    id: str
    environment: Environment
    binding: Binding
    opened: str
    updated: str
    closed: str | None
    resumed: int
    gate: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As it is written."""
        content = asdict(self)
        return {"schema_version": files.SCHEMA, "run": content.pop("id"), **content}


@dataclass(frozen=True, slots=True)
class Content:
    """What a run holds: results by control, and why files cannot be used (by section, or by name once put aside)."""

    results: Mapping[str, Result]
    defects: Mapping[str, str]


class Run:
    """One run on disk. Reading needs no lock; writing is the store's."""

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder = folder
        self.header = header

    @property
    def document(self) -> Path:
        """Where the results document lies."""
        return self.folder / DOCUMENT

    def content(self) -> Content:
        """All results whose files are whole and belong here."""
        results: dict[str, Result] = {}
        defects: dict[str, str] = {}
        for path in sorted((self.folder / RESULTS).glob("[a-z]*.json")):
            try:
                results |= self.section(path.stem)
            except files.Unusable as exc:
                defects[path.stem] = exc.sentence
        for path in sorted((self.folder / RESULTS).glob("*.unusable-*")):
            defects[path.name] = f"{path} could not be used and was put aside; judge again what it held."
        return Content(results, defects)

    def section(self, name: str) -> dict[str, Result]:
        """The results of one section; none where nothing was recorded.

        :raises Unusable: its file is damaged, edited, of another schema, or of another run or environment.
        """
        path = self.path_of(name)
        if not path.exists():
            return {}
        content = files.read_sealed(path)
        for key, ours in (("environment", self.header.environment.name), ("run", self.header.id), ("section", name)):
            if content.get(key) != ours:
                raise files.Unusable(f"{path} belongs to {key} {content.get(key)!r}, not to {ours}; move it back.")
        results = content.get("results")
        if not isinstance(results, dict):
            raise files.Unusable(f"{path} holds no results; restore it, or judge again.")
        for id_, result in results.items():
            if reason := _why_unusable(name, id_, result):
                raise files.Unusable(f"{path}: {id_} {reason}; restore the file, or judge again.")
        return results

    def path_of(self, section: str) -> Path:
        """The file of a section's results."""
        return self.folder / RESULTS / f"{section}.json"


class Store:
    """The runs of one environment, below ``reports_dir/<environment>/``."""

    def __init__(
        self,
        reports_dir: Path,
        environment: Environment,
        owner: Owner,
        clock: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.environment = environment
        self.folder = reports_dir / environment.name
        self.clock = clock
        self.lock = Lock(self.folder, owner)

    # ------------------------------------------------------------------ reading

    def runs(self) -> tuple[list[Run], list[str]]:
        """The runs that can be used, the oldest first, and a sentence for each that cannot."""
        found: list[Run] = []
        defects: list[str] = []
        there = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        for folder in there:
            if not folder.is_symlink() and _RUN.fullmatch(folder.name):
                try:
                    found.append(self._read(folder))
                except files.Unusable as exc:
                    defects.append(exc.sentence)
        return found, defects

    def run(self, id_: str) -> Run:
        """A run by its id.

        :raises InputError: there is none. :raises Unusable: its header cannot be used.
        """
        if not _RUN.fullmatch(id_) or not (self.folder / id_).is_dir():
            raise InputError(f"There is no run {id_!r} in {self.folder}.")
        return self._read(self.folder / id_)

    def mine(self) -> Run | None:
        """The run that this process has open."""
        id_ = self.lock.run_of_mine()
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
        with self.lock.held(run.header.id, self._now()):
            return self._write(run, binding=_joined(run.header.binding, binding), resumed=run.header.resumed + 1)

    def add(self, run: Run, results: Iterable[Result], binding: Binding) -> Run:
        """Record results at once, one file for each section. The newest result of a control counts."""
        _refuse_closed(run)
        by_section: dict[str, dict[str, Result]] = {}
        for result in results:
            of_section = by_section.setdefault(result["control"].partition(".")[0], {})
            of_section[result["control"]] = recorded(result, binding, self.clock())
        with self.lock.held(run.header.id, self._now()):
            for section, added in by_section.items():
                self._write_section(run, section, added)
            return self._write(run, binding=_joined(run.header.binding, binding))

    def note_gate(self, run: Run, stage: str, policy: Mapping[str, Any]) -> Run:
        """Remember which gate was asked, so that later documents of the run decide the same."""
        with self.lock.held(run.header.id, self._now()):
            noted = self._write(run, gate={"stage": stage, "policy": dict(policy)})
        if noted.header.closed is not None:
            self.lock.release()
        return noted

    def close(self, run: Run) -> Run:
        """Nothing is added to the run from now on; the lock is free."""
        _refuse_closed(run)
        with self.lock.held(run.header.id, self._now()):
            closed = self._write(run, closed=self._now())
        self.lock.release()
        return closed

    def write_document(self, run: Run, document: Mapping[str, Any]) -> None:
        """Put the results document into the run's folder."""
        files.write_json(run.document, document)

    # ------------------------------------------------------------------ inside

    def _now(self) -> str:
        return rfc3339(self.clock())

    def _new(self, binding: Binding) -> Run:
        now = self.clock().astimezone(UTC)
        id_ = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        header = Header(id_, self.environment, binding, rfc3339(now), rfc3339(now), None, 0, {})
        folder = self.folder / id_
        with self.lock.held(id_, rfc3339(now)):
            files.make_folder(folder / RESULTS)
            files.write_json(folder / HEADER, files.sealed(header.to_dict()))
            files.link(self.folder / LATEST, id_)
        return Run(folder, header)

    def _write(self, run: Run, **changes: Any) -> Run:
        header = replace(run.header, updated=self._now(), **changes)
        files.write_json(run.folder / HEADER, files.sealed(header.to_dict()))
        files.link(self.folder / LATEST, header.id)
        return Run(run.folder, header)

    def _write_section(self, run: Run, section: str, added: Mapping[str, Result]) -> None:
        files.make_folder(run.folder / RESULTS)
        try:
            before = run.section(section)
        except files.Unusable:
            files.put_aside(run.path_of(section))
            before = {}
        content = {
            "schema_version": files.SCHEMA,
            "run": run.header.id,
            "environment": self.environment.name,
            "section": section,
            "results": {**before, **added},
        }
        files.write_json(run.path_of(section), files.sealed(content))

    def _read(self, folder: Path) -> Run:
        path = folder / HEADER
        content = files.read_sealed(path)
        try:
            environment = Environment.of(content["environment"])
            header = Header(
                id=content["run"],
                environment=environment,
                binding=Binding.of(content["binding"]),
                **{name: content[name] for name in ("opened", "updated", "closed", "resumed", "gate")},
            )
        except (KeyError, TypeError, InputError) as exc:
            raise files.Unusable(f"{path} is no header of a run; restore it from a copy.") from exc
        if (environment.name, header.id) != (self.environment.name, folder.name):
            raise files.Unusable(
                f"{path} belongs to run {header.id} of environment {environment.name}, not here; move it back."
            )
        return Run(folder, header)


def _refuse_closed(run: Run) -> None:
    if run.header.closed is not None:
        raise InputError(f"Run {run.header.id} was closed at {run.header.closed}; open another.")


def _joined(before: Binding, now: Binding) -> Binding:
    """The binding now; what is not named now of the release is still as before, unless another is planned."""
    if now.plan and before.plan and now.plan != before.plan:
        return now
    return replace(now, release=now.release or before.release, plan=now.plan or before.plan)


def _why_unusable(section: str, id_: str, result: Any) -> str:
    if not id_.startswith(f"{section}."):
        return "belongs to another section"
    if not isinstance(result, Mapping) or not result.keys() >= _FIELDS:
        return "is no recorded result"
    try:
        Binding.of(result["binding"])
        moment(result["started"]), moment(result["recorded_at"])
    except (KeyError, TypeError, ValueError):
        return "has no binding or no time"
    return unproven(str(result["state"]), result["evidence"])
