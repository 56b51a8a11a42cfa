# The faults of the sandbox, by name: one is put in, or several at once; healing takes out what is in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox import catalog
from sandbox.cluster import Cluster
from sandbox.errors import SandboxError
from sandbox.faults import (
    access,
    after_go_live,
    alerting,
    app_flow,
    app_http,
    app_injection,
    app_rights,
    app_sign_in,
    app_users,
    app_visit,
    autoscaling,
    backup,
    backup_tools,
    cache,
    charts,
    clear,
    database,
    desktop,
    documents,
    entry,
    go_live,
    ingress,
    keys,
    live,
    monitoring,
    network,
    platform,
    records,
    reviews,
    rollbacks,
    rotation,
    scans,
    secrets,
    security,
    services,
    statements,
    under_load,
    week,
    workload,
)
from sandbox.faults.fault import DOCUMENTS_COPY, Fault, Hands
from sandbox.files import put
from sandbox.pki import Pki
from sandbox.settings import Settings

MODULES = (
    platform,
    charts,
    live,
    secrets,
    network,
    services,
    database,
    cache,
    ingress,
    security,
    keys,
    access,
    app_sign_in,
    app_rights,
    app_users,
    app_http,
    app_injection,
    app_flow,
    desktop,
    under_load,
    entry,
    workload,
    autoscaling,
    monitoring,
    alerting,
    backup,
    backup_tools,
    clear,
    documents,
    scans,
    rotation,
    go_live,
    rollbacks,
    after_go_live,
    records,
    statements,
    reviews,
    week,
)
FAULTS: Mapping[str, Fault] = {fault.name: fault for module in MODULES for fault in module.FAULTS}
ACTIVE, VARIABLES = "active.json", "variables.json"


def described() -> dict[str, str]:
    """What is wrong, by the name of the fault."""
    return {name: fault.says for name, fault in FAULTS.items()}


class Faults:
    """Puts faults in and takes them out; a killed one is known by its mark, which is written first."""

    def __init__(self, settings: Settings, reports: Path | None = None) -> None:
        pki = Pki(settings.pki)
        self.hands = Hands(settings, Cluster(settings, pki), pki, reports or settings.checkout / "reports")
        self._folder = self.hands.folder

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

        :raises SandboxError: there is none of that name, another one is in, or what it needs is not there.
        """
        self.put_together([name])
        return FAULTS[name]

    def put_together(self, names: Sequence[str]) -> None:
        """Put faults in, one after the other; those that the application has of itself come by one roll-out.

        :raises SandboxError: there is none of such a name, others are in, one shows only while it is judged in a way
            of its own, or what one of them needs is not there.
        """
        for name in names:
            if name not in FAULTS:
                raise SandboxError("fault", f"there is no fault {name!r}", remedy="python -m sandbox faults lists them")
        if others := [other for other in self.active() if other not in names]:
            raise SandboxError("fault", f"{', '.join(others)} is in already", remedy="make heal")
        faults = [FAULTS[name] for name in names]
        if len(faults) > 1 and (alone := [fault.name for fault in faults if not fault.sociable]):
            raise SandboxError("fault", f"{', '.join(alone)} can be in only alone", remedy="make heal")
        for fault in faults:
            self._require(fault)
        put(self._folder / ACTIVE, json.dumps(names))
        shutil.rmtree(self._folder / DOCUMENTS_COPY, ignore_errors=True)
        hands = self._hands(names)
        variables = {key: value for fault in faults for key, value in fault.variables(hands[fault.name]).items()}
        put(self._folder / VARIABLES, json.dumps(variables))
        if marks := _marks(names):
            app_visit.together(marks)(self.hands)
        for fault in faults:
            if fault.name not in marks:
                fault.put(hands[fault.name])
        for fault in faults:
            self._until(fault, there=True)

    def inputs(self, name: str) -> dict[str, Any]:
        """The inputs that would go with a fault; a path of a file that is its own begins with ``FOLDER``.

        :raises SandboxError: it does not find what it spoils.
        """
        with tempfile.TemporaryDirectory() as scratch:
            found = FAULTS[name].variables(replace(self.hands, keeps=Path(scratch)))
            told: dict[str, Any] = json.loads(json.dumps(found).replace(scratch, "FOLDER"))
        return told

    def seen(self, name: str) -> bool | None:
        """Whether a fault is there, found out in another way than by controls; None where there is no other."""
        look = FAULTS[name].seen
        return look(self.hands) if look else None

    def lacks(self, name: str) -> str:
        """The component that a fault needs and this sandbox does not have; empty where it has it."""
        wanted = FAULTS[name].component
        return wanted if wanted and wanted not in catalog.wanted(catalog.discover(), self.hands.settings) else ""

    def _until(self, fault: Fault, *, there: bool) -> None:
        """Endpoints and rules reach the kernel a moment after the objects that they follow from."""
        if look := fault.seen:
            self.hands.until(lambda: look(self.hands) is there, f"{fault.name} is {'there' if there else 'gone'}")

    def _require(self, fault: Fault) -> None:
        if lacking := self.lacks(fault.name):
            what = f"{fault.name} needs the component {lacking}, which this sandbox does not have"
            raise SandboxError("fault", what, remedy="make sandbox-up PROFILE=full")

    def heal(self) -> list[str]:
        """Take out what is in; what a playbook deployed with it, the next deployment puts right.

        :raises SandboxError: something is not gone; what was in is still marked then, for the next healing.
        """
        names = self.active()
        if gone := [name for name in names if name not in FAULTS]:
            what = f"{', '.join(gone)} is in, which this revision does not know"
            raise SandboxError("fault", what, remedy="make heal, at the revision that put it in")
        hands, marks = self._hands(names), _marks(names)
        for name in reversed(names):  # each finds what it changed as it left it
            if name not in marks:
                FAULTS[name].heal(hands[name])
        if marks:
            app_visit.unmarked(self.hands)
        for name in names:
            self._until(FAULTS[name], there=False)
            if FAULTS[name].layer == "database":
                self.hands.until(self.hands.recovered, "the release is ready again")
        shutil.rmtree(self._folder, ignore_errors=True)
        return names

    def _hands(self, names: Sequence[str]) -> dict[str, Hands]:
        """For each of several a place of its own; for one alone the common one."""
        applied: dict[str, str] = {}
        return {name: replace(self.hands, place=name if len(names) > 1 else "", applied=applied) for name in names}


def _marks(names: Sequence[str]) -> list[str]:
    """Those among several that the API does of itself: they come and go at once."""
    return [FAULTS[name].mark for name in names if FAULTS[name].mark] if len(names) > 1 else []
