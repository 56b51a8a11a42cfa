# Lets a gate decide from the record, and ends the play where it is not open.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue, gate
from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess, opening, results
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import Document, read
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import read_header
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules

OPTIONS = ("stage", "policy", "path", "run", "environment", "reports_dir", "fail", *opening.OPTIONS)


class ActionModule(ActionBase):
    """Runs on the controller, which has the record; see the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset(OPTIONS)

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        args, check = results.plain(self._task.args), bool(self._task.check_mode)
        try:
            fail = results.flag("fail", args.get("fail", True))
            decision, path = _decision(args, check, task_vars or {})
        except CollectionError as exc:
            return {**outcome, "failed": True, "msg": exc.sentence}
        imagined = check and decision.decision == gate.NOT_ASSESSED
        failed = decision.decision != gate.OPEN and fail and not imagined
        said = {**decision.to_dict(), "path": str(path), "msg": gate.told(decision)}
        return {**outcome, "changed": False, "failed": failed, **said}


def _decision(args: Mapping[str, Any], check: bool, variables: Mapping[str, Any]) -> tuple[gate.Decision, Path]:
    stage, policy = args.get("stage"), gate.Policy.of(args.get("policy"))
    if not isinstance(stage, str):
        raise InputError("stage: name the stage whose gate is asked.")
    policy.until(stage)
    path = _path(args)
    if path.is_file():
        return gate.decide(read(path), stage, policy), path
    place = opening.Place.of(args, variables)
    path = path.resolve() if place.store == opening.FILES else path  # "latest" is a link
    with opening.keeper(place, args, path.parent, Owner.of(os.getppid())) as keeper:
        run = keeper.resolved(path.name)
        header = read_header(keeper, run)
        if header is None and check:
            return gate.Decision(gate.NOT_ASSESSED, stage, ("Nothing is recorded under check mode.",)), path
        if header is None:
            there = path if place.store == opening.FILES else f"{path.name} in {keeper.where}"
            raise InputError(f"There is no record at {there}; record results with checklist_record first.")
        if path.parent.name != header.environment.name:
            raise InputError(f"{path} belongs to environment {header.environment.name}; move it back below its folder.")
        store = Store(keeper, header.environment)
        asked = _Asked(stage, policy, check, opening.rules(args, variables))
        document, path = _rebuilt(store, run, asked, variables)
    return gate.replay(document), path


def _path(args: Mapping[str, Any]) -> Path:
    """The results document, or the folder of the run."""
    path, run = args.get("path"), args.get("run")
    if (path is None) == (run is None):
        raise InputError("Give either path, or run with environment and reports_dir.")
    if path is not None:
        if not isinstance(path, str) or not path.strip():
            raise InputError("path: give the folder of a run, or a results.json.")
        return Path(path).expanduser().absolute()
    for name, value in (("run", run), ("environment", args.get("environment"))):
        if not isinstance(value, str) or not value.strip() or "/" in value or value in {".", ".."}:
            raise InputError(f"{name}: {value!r} is no name; give that of {'a run' if name == 'run' else 'the host'}.")
    return Path(str(args.get("reports_dir") or "reports")).expanduser().absolute() / str(args["environment"]) / str(run)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which gate is asked, and whose signatures count before it."""

    stage: str
    policy: gate.Policy
    check: bool
    rules: Rules | None


def _rebuilt(store: Store, id_: str, asked: _Asked, variables: Mapping[str, Any]) -> tuple[Document, Path]:
    """The document of a run with this gate; it is written, except in check mode."""
    stage, policy = asked.stage, asked.policy.to_dict()
    run = store.run(id_)
    if not asked.check:
        run = store.note_gate(run, stage, policy)
    header = replace(run.header, gate={"stage": stage, "policy": policy})
    document = assess.of_run(store, run, header, catalogue.load(), variables, rules=asked.rules)
    if not asked.check:
        store.write_document(run, document)
    return document, run.document
