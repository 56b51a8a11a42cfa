# Finds the components by listing their folder and derives the order of start from `needs`.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sandbox.component import Component
from sandbox.errors import SandboxError
from sandbox.settings import Settings

FOLDER = Path(__file__).parent / "components"


def discover(folder: Path = FOLDER, package: str = "sandbox.components") -> dict[str, Component]:
    """Each folder declares exactly one `COMPONENT`."""
    found: dict[str, Component] = {}
    for path in sorted(p for p in folder.iterdir() if (p / "__init__.py").exists()):
        name = path.name.replace("_", "-")
        declared = getattr(importlib.import_module(f"{package}.{path.name}"), "COMPONENT", None)
        if not isinstance(declared, Component):
            raise SandboxError(name, f"{path.name}/__init__.py declares no COMPONENT", remedy="declare one object")
        found[name] = dataclasses.replace(declared, name=name, folder=path)
    return found


def wanted(found: Mapping[str, Component], settings: Settings) -> dict[str, Component]:
    """Those that this sandbox has."""
    return {name: component for name, component in found.items() if component.wanted(settings)}


def sorter(needs: Mapping[str, Iterable[str]]) -> TopologicalSorter[str]:
    """Prepared for use; unknown names and cycles are told in plain words."""
    for name, wanted in needs.items():
        unknown = sorted(set(wanted) - set(needs))
        if unknown:
            raise SandboxError(name, f"needs {', '.join(unknown)}, which no folder of sandbox/components declares")
    order = TopologicalSorter({name: list(wanted) for name, wanted in needs.items()})
    try:
        order.prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        raise SandboxError(
            cycle[0], f"needs itself: {' needs '.join(cycle)}", remedy="remove one `needs` of this circle"
        ) from error
    return order


def sequence(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """One possible order, always the same."""
    order = sorter(needs)
    names: list[str] = []
    while order.is_active():
        ready = sorted(order.get_ready())
        names += ready
        order.done(*ready)
    return names
