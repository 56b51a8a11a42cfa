# The faults of the sandbox, by name: one at a time is put in, and healing takes it out.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from typing import Any

from sandbox.cluster import Cluster
from sandbox.errors import SandboxError
from sandbox.faults import charts, live, platform, secrets
from sandbox.faults.fault import Fault, Hands
from sandbox.files import put
from sandbox.pki import Pki
from sandbox.settings import Settings

FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (*platform.FAULTS, *charts.FAULTS, *live.FAULTS, *secrets.FAULTS)
}
ACTIVE, VARIABLES = "active.json", "variables.json"


def described() -> dict[str, str]:
    """What is wrong, by the name of the fault."""
    return {name: fault.says for name, fault in FAULTS.items()}


class Faults:
    """Puts faults in and takes them out; a killed one is known by its mark, which is written first."""

    def __init__(self, settings: Settings) -> None:
        pki = Pki(settings.pki)
        self._hands = Hands(settings, Cluster(settings, pki), pki)
        self._folder = self._hands.folder

    def active(self) -> list[str]:
        """The names of the faults that are in."""
        try:
            found: list[str] = json.loads((self._folder / ACTIVE).read_text())
        except FileNotFoundError:
            return []
        return found

    def variables(self) -> dict[str, Any]:
        """The inputs that go with what is in."""
        try:
            found: dict[str, Any] = json.loads((self._folder / VARIABLES).read_text())
        except FileNotFoundError:
            return {}
        return found

    def put(self, name: str) -> Fault:
        """Put a fault in.

        :raises SandboxError: there is none of that name, or another one is in.
        """
        if name not in FAULTS:
            raise SandboxError("fault", f"there is no fault {name!r}", remedy="python -m sandbox faults lists them")
        if others := [other for other in self.active() if other != name]:
            raise SandboxError("fault", f"{', '.join(others)} is in already", remedy="make heal")
        fault = FAULTS[name]
        put(self._folder / ACTIVE, json.dumps([name]))
        put(self._folder / VARIABLES, json.dumps(dict(fault.variables(self._hands))))
        fault.put(self._hands)
        return fault

    def heal(self) -> list[str]:
        """Take out what is in; what a playbook deployed with it, the next deployment puts right."""
        names = self.active()
        for name in names:
            FAULTS[name].heal(self._hands)
        shutil.rmtree(self._folder, ignore_errors=True)
        return names
