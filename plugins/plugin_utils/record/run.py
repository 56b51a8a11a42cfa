# One run of the record: its header, and its results as far as they are whole and belong to it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Binding, Environment, moment
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import DOCUMENT, HEADER, Keeper
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result, unproven

_FIELDS = frozenset({"state", "summary", "remedy", "evidence", "started", "duration_s", "binding", "recorded_at"})


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

    @classmethod
    def of(cls, content: Mapping[str, Any], where: str) -> Header:
        """The header from what :meth:`to_dict` gave.

        :raises Unusable: it is none.
        """
        try:
            return cls(
                id=content["run"],
                environment=Environment.of(content["environment"]),
                binding=Binding.of(content["binding"]),
                **{name: content[name] for name in ("opened", "updated", "closed", "resumed", "gate")},
            )
        except (KeyError, TypeError, InputError) as exc:
            raise files.Unusable(f"{where} is no header of a run; restore it from a copy.") from exc


@dataclass(frozen=True, slots=True)
class Content:
    """What a run holds: results by control, and why parts cannot be used (by section, or by name once put aside)."""

    results: Mapping[str, Result]
    defects: Mapping[str, str]


class Run:
    """One run of a store. Reading needs no lock; writing is the store's."""

    def __init__(self, keeper: Keeper, header: Header) -> None:
        self.keeper = keeper
        self.header = header

    @property
    def folder(self) -> Path:
        """Where the run's report lies on this machine."""
        return self.keeper.folder / self.header.id

    @property
    def document(self) -> Path:
        """Where the results document lies on this machine."""
        return self.folder / DOCUMENT

    def content(self) -> Content:
        """All results that are whole and belong here."""
        results: dict[str, Result] = {}
        defects: dict[str, str] = {}
        for name, content in self.keeper.sections(self.header.id).items():
            try:
                results |= self._results(name, content)
            except files.Unusable as exc:
                defects[name] = exc.sentence
        for name, where in self.keeper.aside(self.header.id).items():
            defects[name] = f"{where} could not be used and was put aside; judge again what it held."
        return Content(results, defects)

    def section(self, name: str) -> dict[str, Result]:
        """The results of one section; none where nothing was recorded.

        :raises Unusable: they are damaged, edited, of another schema, or of another run or environment.
        """
        content = self.keeper.read(self.header.id, name)
        return {} if content is None else self._results(name, content)

    def _results(self, section: str, content: Mapping[str, Any] | files.Unusable) -> dict[str, Result]:
        if isinstance(content, files.Unusable):
            raise content
        where = self.keeper.named(self.header.id, section)
        ours = {"environment": self.header.environment.name, "run": self.header.id, "section": section}
        for key, own in ours.items():
            if content.get(key) != own:
                raise files.Unusable(f"{where} belongs to {key} {content.get(key)!r}, not to {own}; move it back.")
        results = content.get("results")
        if not isinstance(results, dict):
            raise files.Unusable(f"{where} holds no results; restore it, or judge again.")
        for id_, result in results.items():
            if reason := _why_unusable(section, id_, result):
                raise files.Unusable(f"{where}: {id_} {reason}; restore it, or judge again.")
        return results


def read_header(keeper: Keeper, run: str) -> Header | None:
    """The header of a run; none where there is no such run.

    :raises Unusable: it cannot be used.
    """
    content = keeper.read(run, HEADER)
    return None if content is None else Header.of(content, keeper.named(run, HEADER))


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
