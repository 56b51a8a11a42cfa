# The pages of the controls: the catalogue, joined with the checks and modules that settle them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible_collections.bytebot.production.plugins import modules
from ansible_collections.bytebot.production.plugins.module_utils import checks
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Control
from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived

from .markdown import render

# The words of `valid_for`, which has one or two parts at most.
_UNITS = {"Y": "year", "W": "week", "D": "day", "H": "hour", "M": "minute"}
_FAULTS = "sandbox.faults"


@dataclass(frozen=True, slots=True)
class Settling:
    """How a control is settled.

    :param module: the module that a playbook calls.
    :param observed: what the check says it looks at.
    """

    module: str
    observed: str


def settlings() -> dict[str, Settling]:
    """By control: the check that settles it, and the module that uses the check. One that none uses settles nothing."""
    users = {id(found): name for name, module in _modules(modules) for found in _checks_in(module, deep=True)}
    return {
        control: Settling(users[id(found)], _observed(found, control, module))
        for _name, module in _modules(checks)
        for found in _checks_in(module)
        if id(found) in users
        for control in found.controls
    }


def pages(_root: Path) -> dict[str, str]:
    """The pages by their paths below docs/."""
    known, settled, words = catalogue.load(), settlings(), fault_words()
    sections = [_section(known, name, settled, words) for name in known.sections]
    found = {"controls/README.md": render("controls_index.md.j2", sections=sections, total=len(known.controls))}
    return found | {
        f"controls/{section['name']}.md": render("controls_section.md.j2", section=section) for section in sections
    }


def anchor(id_: str) -> str:
    """Where a control's part is, seen from a page of the same folder."""
    return f"{id_.partition('.')[0]}.md#{id_}"


def fault_words() -> Mapping[str, str]:
    """What the registry of faults says of each; empty where there is no registry."""
    try:
        described = importlib.import_module(_FAULTS).described
    except (ModuleNotFoundError, AttributeError) as exc:
        if isinstance(exc, ModuleNotFoundError) and exc.name != _FAULTS:
            raise
        return {}
    return {str(name): f"{text[:1].upper()}{text[1:]}" for name, text in described().items()}


def _section(
    known: catalogue.Catalogue, name: str, settled: Mapping[str, Settling], words: Mapping[str, str]
) -> dict[str, Any]:
    groups = [group for group in known.groups.values() if group.section == name]
    parts = {
        group.id: [_part(known.controls[id_], settled.get(id_), words) for id_ in group.controls] for group in groups
    }
    controls = [part for group in groups for part in parts[group.id]]
    return {
        "name": name,
        "title": controls[0]["control"].section_title,
        "groups": [{"title": group.title, "parts": parts[group.id]} for group in groups],
        "total": len(controls),
        "settled": sum(1 for part in controls if part["settling"] or part["derived"]),
    }


def _part(control: Control, settling: Settling | None, words: Mapping[str, str]) -> dict[str, Any]:
    return {
        "control": control,
        "settling": settling,
        "derived": control.id in derived.CONTROLS,
        "holds": _in_words(control.valid_for),
        "needs": [(need, anchor(need)) for need in control.needs],
        "faults": [words.get(name) or _readable(name) for name in control.faults],
    }


def _readable(name: str) -> str:
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def _in_words(valid_for: str) -> str:
    parts = [(int(number), _UNITS[unit]) for number, unit in re.findall(r"(\d+)([YWDHM])", valid_for)]
    return " ".join(f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts)


def _modules(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        yield found.name, importlib.import_module(f"{package.__name__}.{found.name}")


def _checks_in(module: ModuleType, *, deep: bool = False) -> Iterator[Checks[Any]]:
    """The checks that a module holds.

    :param deep: also those of modules of checks that it holds as a whole.
    """
    for value in vars(module).values():
        if isinstance(value, Checks):
            yield value
        elif deep and isinstance(value, ModuleType) and value.__name__.startswith(f"{checks.__name__}."):
            yield from _checks_in(value)


def _observed(found: Checks[Any], control: str, module: ModuleType) -> str:
    """The words of the check itself, else those at the head of its file."""
    judge = found._by_control[control].judge  # no public way is needed elsewhere
    source = inspect.getsource(module)
    words = inspect.getdoc(judge) or ast.get_docstring(ast.parse(source)) or source.partition("\n")[0].lstrip("# ")
    return words.partition("\n\n")[0]
