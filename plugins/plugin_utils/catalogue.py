# Reads the checklist as data, once, on the controller, and says of each defect where it is and what to do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue_shapes import (
    CONTROL_KEYS,
    GROUP_KEYS,
    INDEX,
    INDEX_KEYS,
    INPUT,
    NAME,
    SECTION_KEYS,
    STATEMENT_KEYS,
    Shapes,
)

FOLDER = Path(__file__).resolve().parents[2] / "catalogue"
DOCUMENT = "checklist.md"

LEVELS = ("must", "should")
STAGES = (
    "preflight",
    "deploy",
    "validate",
    "operations",
    "sign_off",
    "t_minus_2h",
    "t_zero",
    "t_plus_30m",
    "t_plus_2h",
    "day",
    "week",
    "month",
)
METHODS = ("automated", "documented", "attested")
TOUCHES = ("reads", "probes", "disturbs")
BINDINGS = ("release", "environment", "organization")
_CHOICES = {"level": LEVELS, "stage": STAGES, "touch": TOUCHES, "binds_to": BINDINGS}

_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(?P<years>\d+)Y)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One of the statements that a signer answers.

    :param about: what bears on it: names of sections, ids of groups or of controls.
    """

    id: str
    title: str
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """One item of the checklist.

    :param level: ``must``, or ``should`` (a red one does not shut a gate).
    :param stage: when it can first be judged.
    :param methods: ``automated``, ``documented``, ``attested``, the settling one first.
    :param touch: what judging does to the system: ``reads``, ``probes``, ``disturbs``.
    :param binds_to: what a result holds for: ``release``, ``environment``, ``organization``.
    :param valid_for: ISO 8601 duration after which a result is stale.
    :param needs: ids of controls without which this one cannot be judged.
    :param inputs: inventory variables that have no default.
    :param not_applicable: whether the system's own answer may say that it does not apply.
    :param faults: what must turn it red.
    :param remedy: what generally helps, where the result does not say better.
    :param by_hand: how a person looks at it.
    :param statements: what a signer answers (sign-off only).
    :param signed_by: the role that settles it by a signature; empty where none does.
    :param about: what bears on what is signed, where the statements do not say it themselves.
    :param confirms: whether the signature confirms what a check found, and counts only where that passes.
    :param everyone: whether each person who has the role signs, and not one of them.
    :param signed_before: how long before the go-live it is signed at the earliest, and until then; empty where any time
        will do.
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
    touch: str
    binds_to: str
    valid_for: str
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    not_applicable: bool = False
    faults: tuple[str, ...] = ()
    remedy: str = ""
    by_hand: str = ""
    statements: tuple[Statement, ...] = ()
    signed_by: str = ""
    about: tuple[str, ...] = ()
    confirms: bool = False
    everyone: bool = False
    signed_before: str = ""

    @property
    def checked(self) -> bool:
        """Whether a check settles it, alone or with a signature; else a signature alone does."""
        return not self.signed_by or self.confirms or self.methods[0] != "attested"

    @property
    def age_limit(self) -> timedelta:
        """``valid_for`` as a span of time."""
        return duration(self.valid_for)


@dataclass(frozen=True, slots=True)
class Group:
    """Controls under one heading.

    :param box: whether the document prints a box for the group itself.
    """

    id: str
    section: str
    title: str
    box: bool
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All controls, and all groups, by id, in the document's order."""

    controls: Mapping[str, Control]
    groups: Mapping[str, Group]

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the sections."""
        return tuple(dict.fromkeys(control.section for control in self.controls.values()))

    def section(self, name: str) -> list[Control]:
        """The controls of one section."""
        return [control for control in self.controls.values() if control.section == name]

    def bearing_on(self, statement: Statement) -> list[Control]:
        """The controls that bear on a statement, each once, in the document's order."""
        return [
            control
            for control in self.controls.values()
            if {control.section, f"{control.section}.{control.group}", control.id} & set(statement.about)
        ]

    def rests_on(self, control: str) -> frozenset[str]:
        """The ids that a control needs, directly or through others."""
        found: set[str] = set()
        ahead = list(self.controls[control].needs)
        while ahead:
            need = ahead.pop()
            if need not in found:
                found.add(need)
                ahead += self.controls[need].needs
        return frozenset(found)


def duration(text: str) -> timedelta:
    """A span from ISO 8601 years (of 365 days), weeks, days, hours and minutes.

    :raises ValueError: it is not written so. Months are refused: they have no fixed length.
    """
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    counts = {unit: int(number) for unit, number in parts.groupdict().items() if number}
    span = timedelta(days=365 * counts.pop("years", 0)) + timedelta(**counts)
    if not span:
        raise ValueError(text)
    return span


@cache
def load(folder: Path = FOLDER) -> Catalogue:
    """The catalogue in a folder: ``index.yml`` names the sections in order, each has a file of its own.

    :raises InputError: something in it is wrong; one sentence per defect, all of them at once.
    """
    if not (folder / INDEX).is_file():
        raise InputError(f"There is no catalogue in {folder}: {INDEX} is missing.")
    reader = _Reader(folder)
    catalogue = reader.read()
    if reader.defects:
        raise InputError(" ".join(reader.defects), defects=reader.defects)
    return catalogue


class _Reader(Shapes):
    """Reads a folder; what is wrong is collected, and the entry is left out."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.controls: dict[str, Control] = {}
        self.groups: dict[str, Group] = {}
        self.files: dict[str, str] = {}
        self.statements: set[str] = set()

    def read(self) -> Catalogue:
        index = self.parsed(INDEX, "the index", INDEX_KEYS)
        if not index:
            return Catalogue({}, {})
        names = self.names(INDEX, "the index", "sections", index["sections"], NAME)
        for name in names:
            self._section(f"{name}.yml", name)
        listed = {INDEX, *(f"{name}.yml" for name in names)}
        for path in sorted(self.folder.glob("*.yml")):
            if path.name not in listed:
                self.defect(INDEX, "the index", f"{path.name} is not listed", "list its section, or delete the file")
        if not self.controls and not self.defects:
            self.defect(INDEX, "the index", "there is no control in any section", "list the sections")
        if not self.defects:  # an entry that was left out would look like an unknown one
            self._references()
            self._circle()
        return Catalogue(self.controls, self.groups)

    def _section(self, file: str, name: str) -> None:
        entry = self.parsed(file, name, SECTION_KEYS)
        if not entry:
            return
        if entry["section"] != name:
            self.defect(
                file, name, f"the section calls itself {entry['section']!r}", f"name it {name}, as {INDEX} and the file"
            )
        for group in self.entries(file, name, "group", entry["groups"], GROUP_KEYS):
            self._group(file, name, entry["title"], group)

    def _group(self, file: str, section: str, section_title: str, entry: Mapping[str, Any]) -> None:
        id_ = f"{section}.{entry['group']}"
        if id_ in self.groups:
            self.defect(file, id_, "the group stands twice", "rename one, or put their controls together")
            return
        ids: list[str] = []
        for item in self.entries(file, id_, "item", entry["controls"], CONTROL_KEYS):
            control = self._control(file, f"{id_}.{item['item']}", section_title, entry["title"], item)
            if control is None:
                continue
            if control.id in self.controls:
                self.defect(file, control.id, "the id stands twice", "rename one of the two")
                continue
            self.controls[control.id] = control
            self.files[control.id] = file
            ids.append(control.id)
        self.groups[id_] = Group(id_, section, entry["title"], entry["box"], tuple(ids))

    def _control(
        self, file: str, id_: str, section_title: str, group_title: str, entry: Mapping[str, Any]
    ) -> Control | None:
        before = len(self.defects)
        for key, choices in _CHOICES.items():
            self.one_of(file, id_, key, entry[key], choices)
        for method in self.names(file, id_, "methods", entry["methods"], NAME):
            self.one_of(file, id_, "methods", method, METHODS)
        if not entry["methods"]:
            self.defect(file, id_, "methods is empty", f"name at least one of {', '.join(METHODS)}")
        try:
            duration(entry["valid_for"])
        except ValueError:
            self.defect(
                file, id_, f"valid_for {entry['valid_for']!r} is no duration", "write it as P7D, P2W, P1Y or PT12H"
            )
        # What a need names is looked up when all sections are read.
        needs = self.texts(file, id_, "needs", entry.get("needs", []))
        inputs = self.names(file, id_, "inputs", entry.get("inputs", []), INPUT)
        faults = self.names(file, id_, "faults", entry.get("faults", []), NAME)
        statements = tuple(self._statements(file, id_, entry.get("statements", [])))
        about = self.texts(file, id_, "about", entry.get("about", []))
        self._signed_by(file, id_, entry)
        if len(self.defects) > before:
            return None
        section, group, item = id_.split(".")
        return Control(
            id=id_,
            section=section,
            group=group,
            item=item,
            title=entry["title"],
            group_title=group_title,
            section_title=section_title,
            level=entry["level"],
            stage=entry["stage"],
            methods=tuple(entry["methods"]),
            touch=entry["touch"],
            binds_to=entry["binds_to"],
            valid_for=entry["valid_for"],
            needs=tuple(needs),
            inputs=tuple(inputs),
            not_applicable=entry.get("not_applicable", False),
            faults=tuple(faults),
            remedy=entry.get("remedy", ""),
            by_hand=entry.get("by_hand", ""),
            statements=statements,
            signed_by=entry.get("signed_by", ""),
            about=tuple(about),
            confirms=entry.get("confirms", False),
            everyone=entry.get("everyone", False),
            signed_before=entry.get("signed_before", ""),
        )

    def _signed_by(self, file: str, id_: str, entry: Mapping[str, Any]) -> None:
        role = entry.get("signed_by")
        for key in ("confirms", "everyone", "signed_before"):
            if role is None and entry.get(key):
                self.defect(file, id_, f"{key} is given and signed_by is not", "say who signs, or take it out")
        if role is None or not self.names(file, id_, "signed_by", [role], NAME):
            return
        try:
            duration(entry.get("signed_before") or "P1D")
        except ValueError:
            self.defect(file, id_, f"signed_before {entry['signed_before']!r} is no duration", "write it as PT2H")
        if "attested" not in entry["methods"]:
            self.defect(file, id_, "signed_by is given and attested is no method", "name the method, or take it out")

    def _statements(self, file: str, control: str, given: Sequence[Any]) -> Iterator[Statement]:
        for entry in self.entries(file, control, "statement", given, STATEMENT_KEYS):
            id_ = f"{control}.{entry['statement']}"
            if id_ in self.statements:
                self.defect(file, id_, "the statement stands twice", "rename one of the two")
            self.statements.add(id_)
            yield Statement(id_, entry["title"], tuple(self.texts(file, id_, "about", entry.get("about", []))))

    # ------------------------------------------------------------------ across files

    def _references(self) -> None:
        nameable = {*self.controls, *self.groups, *(control.section for control in self.controls.values())}
        for control in self.controls.values():
            file = self.files[control.id]
            for need in control.needs:
                if need not in self.controls:
                    self.defect(file, control.id, f"it needs {need}, which is no control", "correct or remove the id")
                elif STAGES.index(self.controls[need].stage) > STAGES.index(control.stage):
                    self.defect(
                        file,
                        control.id,
                        f"it needs {need}, which is judged at a later stage ({self.controls[need].stage})",
                        f"remove the need, or judge {control.id} later",
                    )
            asked = [(control.id, control.about), *((one.id, one.about) for one in control.statements)]
            for id_, about in asked:
                for name in about:
                    if name not in nameable:
                        self.defect(
                            file,
                            id_,
                            f"it is about {name}, which is no section, group or control",
                            "correct or remove the name",
                        )

    def _circle(self) -> None:
        graph = {
            id_: [need for need in control.needs if need in self.controls] for id_, control in self.controls.items()
        }
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as exc:
            circle = list(reversed(exc.args[1]))
            first = circle[0]
            self.defect(
                self.files[first], first, f"needs run in a circle ({' → '.join(circle)})", "remove one of these needs"
            )
