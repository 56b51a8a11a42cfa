# Records results of examining modules in a run that survives a kill, and writes its results document.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess, opening, results
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import (
    Binding,
    Environment,
    Facts,
    binding_of,
    rfc3339,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import ATTESTED
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header, Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules

OPENING = ("pass", "not_applicable", ATTESTED)  # what need not be judged again while it holds
OPTIONS = ("results", "environment", "binding", "reports_dir", "open", "close", "fresh", "carry", *opening.OPTIONS)


class ActionModule(ActionBase):
    """Runs on the controller, which knows the catalogue; see the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(OPTIONS)

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        try:
            known, variables = catalogue.load(), task_vars or {}
            wanted = _wanted(self._task.args, known, variables)
            place = opening.Place.of(self._task.args, variables)
            folder = wanted.reports_dir / wanted.environment.name
            act = _imagined if self._task.check_mode else _recorded
            # The play's process stands for the run: this one ends with the task.
            with opening.keeper(place, self._task.args, folder, Owner.of(os.getppid())) as keeper:
                outcome |= act(Store(keeper, wanted.environment), wanted, known, variables)
        except CollectionError as exc:
            return {**outcome, "failed": True, "msg": exc.sentence}
        return outcome


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The task's arguments, checked."""

    results: list[results.Result]
    environment: Environment
    binding: Binding
    reports_dir: Path
    open: bool
    close: bool
    fresh: bool
    carry: bool
    rules: Rules | None


def _wanted(args: Mapping[str, Any], known: catalogue.Catalogue, variables: Mapping[str, Any]) -> _Wanted:
    reports_dir = args.get("reports_dir", "reports")
    if not isinstance(reports_dir, str) or not reports_dir.strip():
        raise InputError("reports_dir: give the folder that takes the reports.")
    environment = Environment.of(results.plain(args.get("environment")))
    facts = Facts.of(results.plain(args.get("binding")))
    return _Wanted(
        results=results.checked(args.get("results") or [], known),
        environment=environment,
        binding=binding_of(environment, facts, known),
        reports_dir=Path(results.plain(reports_dir)).expanduser().absolute(),
        open=results.flag("open", args.get("open", False)),
        close=results.flag("close", args.get("close", False)),
        fresh=results.flag("fresh", args.get("fresh", False)),
        carry=results.flag("carry", args.get("carry", False)),
        rules=opening.rules(args, variables),
    )


def _recorded(
    store: Store, wanted: _Wanted, known: catalogue.Catalogue, variables: Mapping[str, Any]
) -> dict[str, Any]:
    run = None if wanted.open else store.mine()
    if run is None:
        run = store.open_run(wanted.binding, wanted.fresh)
        run = store.carry(run) if wanted.carry else run
    run = store.add(run, wanted.results, wanted.binding)
    if wanted.close:
        run = store.close(run)
    document = assess.of_run(store, run, run.header, known, variables, rules=wanted.rules)
    store.write_document(run, document)
    return _said(run, document, len(wanted.results), True)


def _imagined(
    store: Store, wanted: _Wanted, known: catalogue.Catalogue, variables: Mapping[str, Any]
) -> dict[str, Any]:
    """What would be recorded; nothing is written, not even a lock."""
    run = (None if wanted.open else store.mine()) or (None if wanted.fresh else store.resumable(wanted.binding))
    if run is None:
        now = rfc3339(store.clock())
        header = Header("check-mode", wanted.environment, wanted.binding, now, now, None, 0, {})
        store.keeper.rehearse(header.id)
        shown = Run(store.keeper, header)
    else:
        shown = run
    # Its id in check mode comes after all others, as that of a new run would.
    carried = store.carried(shown).values() if wanted.carry else ()
    judged = [results.recorded(result, wanted.binding, store.clock()) for result in wanted.results]
    added = [*carried, *judged]
    document = assess.of_run(store, run, shown.header, known, variables, rules=wanted.rules, added=added)
    return _said(shown, document, len(wanted.results), False)


def _said(run: Run, document: Mapping[str, Any], number: int, written: bool) -> dict[str, Any]:
    counts = {state: count for state, count in document["counts"].items() if count}
    shown = ", ".join(f"{count} {state}" for state, count in counts.items())
    verb = "recorded in" if written else "would be recorded in"
    return {
        "changed": False,  # the record tells of the environment and does not change it
        "run": run.header.id,
        "path": str(run.folder),
        "resumed": run.header.resumed,
        "counts": document["counts"],
        "settled": [
            entry["id"]
            for entry in document["controls"]
            if entry["state"] in OPENING and entry["binds_to"] != "release"  # which release comes is not known yet
        ],
        "warnings": document["run"]["defects"],
        "msg": f"{number} results {verb} run {run.header.id} of {run.header.environment.name}: {shown}.",
    }
