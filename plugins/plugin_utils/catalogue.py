# Reads the checklist as data, once, on the controller.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "catalogue"


@dataclass(frozen=True, slots=True)
class Control:
    """One item of the checklist.

    :param level: ``must``, or ``should`` (a red one does not shut a gate).
    :param stage: when it can first be judged.
    :param methods: ``automated``, ``documented``, ``attested``, the settling one first.
    """

    id: str
    section: str
    group: str
    item: str
    title: str
    group_title: str
    section_title: str
    level: str
    stage: str
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All controls by id, in the document's order."""

    controls: Mapping[str, Control]

    def section(self, name: str) -> list[Control]:
        """The controls of one section."""
        return [control for control in self.controls.values() if control.section == name]


@cache
def load(folder: Path = FOLDER) -> Catalogue:
    """The catalogue in a folder of YAML files, one per section.

    :raises InputError: a file does not parse, or an id stands twice.
    """
    controls: dict[str, Control] = {}
    for path in sorted(folder.glob("*.yml")):
        for control in _controls_in(path):
            if control.id in controls:
                raise InputError(f"The catalogue names {control.id} twice (second time in {path.name}).")
            controls[control.id] = control
    if not controls:
        raise InputError(f"There is no catalogue in {folder}.")
    return Catalogue(controls)


def _controls_in(path: Path) -> Iterable[Control]:
    try:
        section: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [
            Control(
                id=f"{section['section']}.{group['group']}.{item['item']}",
                section=section["section"],
                group=group["group"],
                item=item["item"],
                title=item["title"],
                group_title=group["title"],
                section_title=section["title"],
                level=item["level"],
                stage=item["stage"],
                methods=tuple(item["methods"]),
            )
            for group in section["groups"]
            for item in group["controls"]
        ]
    except (yaml.YAMLError, KeyError, TypeError, OSError) as exc:
        problem = f"{exc} is missing" if isinstance(exc, KeyError) else " ".join(str(exc).split())
        raise InputError(f"The catalogue file {path} does not parse: {problem}.") from exc
