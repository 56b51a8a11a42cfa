# What may stand in the files of the checklist: keys, types and forms; each defect is told with what to do.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.yaml import yaml_load

INDEX = "index.yml"
NAME = re.compile(r"[a-z][a-z0-9_]*")
INPUT = re.compile(r"bytebot_[a-z0-9_]+")

# What may stand in each kind of entry: key, its type, whether it must be there.
Keys = Mapping[str, tuple[type, bool]]
INDEX_KEYS: Keys = {"sections": (list, True)}
SECTION_KEYS: Keys = {"section": (str, True), "title": (str, True), "groups": (list, True)}
GROUP_KEYS: Keys = {"group": (str, True), "title": (str, True), "box": (bool, True), "controls": (list, True)}
STATEMENT_KEYS: Keys = {"statement": (str, True), "title": (str, True), "about": (list, False)}
CONTROL_KEYS: Keys = {
    "item": (str, True),
    "title": (str, True),
    "level": (str, True),
    "stage": (str, True),
    "methods": (list, True),
    "touch": (str, True),
    "binds_to": (str, True),
    "valid_for": (str, True),
    "needs": (list, False),
    "inputs": (list, False),
    "not_applicable": (bool, False),
    "faults": (list, False),
    "remedy": (str, False),
    "by_hand": (str, False),
    "statements": (list, False),
    "signed_by": (str, False),
    "about": (list, False),
    "confirms": (bool, False),
    "everyone": (bool, False),
    "signed_before": (str, False),
}
_TYPES = {str: "a text", list: "a list", bool: "true or false"}


class Shapes:
    """Reads files and entries of a folder; what is wrong is collected, and the entry is left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.defects: list[str] = []

    def defect(self, file: str, where: str, what: str, todo: str) -> None:
        """Collect one defect."""
        self.defects.append(f"{file}, {where}: {what}; {todo}.")

    def parsed(self, file: str, where: str, keys: Keys) -> Mapping[str, Any]:
        """The mapping that a file holds; an empty one where it cannot be read or is none."""
        try:
            parsed = yaml_load((self.folder / file).read_text(encoding="utf-8"))
        except OSError as exc:
            self.defect(file, where, f"it cannot be read ({exc.strerror})", f"create the file, or correct {INDEX}")
            return {}
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            self.defect(file, where, f"it does not parse ({' '.join(str(exc).split())})", "correct the YAML")
            return {}
        return self.mapping(file, where, parsed, keys)

    def entries(
        self, file: str, parent: str, name_key: str, given: Sequence[Any], keys: Keys
    ) -> Iterator[Mapping[str, Any]]:
        """The mappings of a list whose keys are right and whose name is one."""
        for number, item in enumerate(given, 1):
            name = item.get(name_key) if isinstance(item, Mapping) else None
            where = f"{parent}.{name}" if name else f"{parent}, {name_key} {number}"
            entry = self.mapping(file, where, item, keys)
            if entry and self.names(file, where, name_key, [entry[name_key]], NAME):
                yield entry

    def mapping(self, file: str, where: str, given: Any, keys: Keys) -> Mapping[str, Any]:
        """The mapping, or an empty one where a key is unknown, missing, of a wrong type, or an empty text."""
        if not isinstance(given, Mapping):
            self.defect(file, where, f"{str(given)[:40]!r} is no mapping", f"give {', '.join(keys)}")
            return {}
        before = len(self.defects)
        for key in sorted(given.keys() - keys.keys(), key=str):
            self.defect(file, where, f"the key {key!r} is unknown", f"use only {', '.join(keys)}")
        for key, (kind, required) in keys.items():
            if key not in given:
                if required:
                    self.defect(file, where, f"{key} is missing", f"give {_TYPES[kind]}")
            elif not isinstance(given[key], kind):
                self.defect(file, where, f"{key} is {given[key]!r}", f"give {_TYPES[kind]}")
            elif kind is str and not given[key].strip():
                self.defect(file, where, f"{key} is empty", "write it, or leave out what needs none")
        return given if len(self.defects) == before else {}

    def one_of(self, file: str, where: str, key: str, value: str, choices: Sequence[str]) -> None:
        """Collect a value that is none of the choices."""
        if value not in choices:
            self.defect(file, where, f"{key} {value!r} is unknown", f"use {' or '.join(choices)}")

    def texts(self, file: str, where: str, key: str, values: Sequence[Any]) -> list[str]:
        """Those of the values that can be ids, each once."""
        return self.names(file, where, key, values, re.compile(r"[a-z][a-z0-9_.]*"))

    def names(self, file: str, where: str, key: str, values: Sequence[Any], pattern: re.Pattern[str]) -> list[str]:
        """Those of the values that match a pattern, each once."""
        good: list[str] = []
        for value in values:
            if not isinstance(value, str) or not pattern.fullmatch(value):
                self.defect(file, where, f"{key} has {value!r}", f"write it to match {pattern.pattern}")
            elif value in good:
                self.defect(file, where, f"{key} has {value!r} twice", "take one out")
            else:
                good.append(value)
        return good
