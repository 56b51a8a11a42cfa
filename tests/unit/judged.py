# The controls that the roles have judged: a module that none of them calls yet asks for no fault and no open gate.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

from ansible_collections.bytebot.production.plugins.module_utils import checks
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.plugin_utils.record import derived

ROOT = Path(__file__).resolve().parents[2]
MODULES = "ansible_collections.bytebot.production.plugins.modules"
_CALL = re.compile(r"^\s*bytebot\.production\.(\w+):", re.MULTILINE)


@cache
def settled() -> frozenset[str]:
    """The controls that the checks of this version settle."""
    found = set(derived.CONTROLS)
    for module in pkgutil.iter_modules(checks.__path__, f"{checks.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Checks):
                found |= set(value.controls)
    return frozenset(found)


def by_roles() -> frozenset[str]:
    """What is settled, without what is settled only by modules that no role calls."""
    tasks = [path.read_text(encoding="utf-8") for path in (ROOT / "roles").glob("*/tasks/*.yml")]
    called = {name for text in tasks for name in _CALL.findall(text)}
    modules = {path.stem for path in (ROOT / "plugins" / "modules").glob("*_check.py")}
    of = {name: _controls(name) for name in modules}
    uncalled = {control for name in modules - called for control in of[name]}
    return settled() - (uncalled - {control for name in modules & called for control in of[name]})


def _controls(module: str) -> set[str]:
    found = vars(importlib.import_module(f"{MODULES}.{module}")).values()
    return {control for one in found if isinstance(one, Checks) for control in one.controls}
