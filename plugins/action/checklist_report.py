# Shows what was deployed and what was judged, as a table in the terminal.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.bytebot.production.plugins.module_utils.errors import CollectionError, InputError
from ansible_collections.bytebot.production.plugins.module_utils.model import MUST, RED
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue, gate, own
from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess, opening
from ansible_collections.bytebot.production.plugins.plugin_utils.record.document import BLOCKED, Document, read
from ansible_collections.bytebot.production.plugins.plugin_utils.record.history import Earlier, earlier
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import DOCUMENT
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import STATES
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import read_header
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.render import summary, terminal, write

COLOR_OPEN, COLOR_SHUT = "COLOR_OK", "COLOR_ERROR"  # names of Ansible's settings


class ActionModule(ActionBase):
    """Runs on the controller, which knows the catalogue; see the module of the same name for its documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _VALID_ARGS = frozenset({"results", "sections", "facts", "path", *opening.OPTIONS})

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        outcome: dict[str, Any] = super().run(tmp, task_vars)
        try:
            args = dict(self._task.args)
            if args.get("path") and not self._task.check_mode:
                folder = Path(str(args["path"])).expanduser().absolute()
                _brought(folder, args, task_vars or {})
                document, files = _written(folder, _earlier(folder, args, task_vars or {}))
                report = {**_report({**args, "results": _recorded(document)}, document), "files": files}
            else:
                report = _report(args)
        except CollectionError as exc:
            return {**outcome, "failed": True, "msg": exc.sentence}
        _show(report)
        return {**outcome, "changed": False, **report}


def _show(report: Mapping[str, Any]) -> None:
    """Print it: a record's summary begins and ends with the gate; the whole table is shown where more is asked for."""
    display = Display()
    if "verdict" not in report:
        display.display(f"\n{report['msg']}\n")
        return
    if display.verbosity:
        display.display(f"\n{report['table']}")
    paragraphs = str(report["msg"]).split("\n\n")
    color = str(constants.config.get_config_value(COLOR_OPEN if report["open"] else COLOR_SHUT))
    display.display(f"\n{paragraphs[0]}", color=color)
    display.display("\n" + "\n\n".join(paragraphs[1:-1]))
    display.display(f"\n{paragraphs[-1]}", color=color)


def _brought(folder: Path, args: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
    """Build the results document from the record in the cluster where this machine has none, or an older one."""
    place = opening.Place.of(args, variables)
    if place.store == opening.FILES:
        return
    with opening.keeper(place, args, folder.parent, Owner.of(os.getppid())) as keeper:
        header = read_header(keeper, folder.name)
        if header is None:
            raise InputError(f"There is no run {folder.name} in {keeper.where}; record results first.")
        path = folder / DOCUMENT
        if path.is_file() and read(path)["run"]["updated"] >= header.updated:
            return
        store = Store(keeper, header.environment)
        run = store.run(header.id)
        rules = opening.rules(args, variables)
        store.write_document(run, assess.of_run(store, run, run.header, catalogue.load(), variables, rules=rules))


def _earlier(folder: Path, args: Mapping[str, Any], variables: Mapping[str, Any]) -> list[Earlier]:
    """What earlier runs of the environment came to."""
    place = opening.Place.of(args, variables)
    with opening.keeper(place, args, folder.parent, Owner.of(os.getppid())) as keeper:
        return earlier(keeper, keeper.resolved(folder.name))


def _written(folder: Path, history: Sequence[Earlier]) -> tuple[Document, dict[str, str]]:
    """The results document that the record keeps in the folder of a run, and the report's files made from it."""
    document = read(folder / "results.json")
    files = write.write(document, folder, recorded=True, history=history)
    return document, {name: str(path) for name, path in files.items()}


def _recorded(document: Document) -> list[dict[str, Any]]:
    """What the record says of every control about which it says anything; what was judged in an earlier play too."""
    shown = (entry for entry in document["controls"] if entry["state"] != "pending" or entry["evidence"])
    blocked = (entry for entry in document["controls"] if entry["summary"].startswith(BLOCKED))
    ours = [
        {**entry, "own": {name: entry[name] for name in ("title", "level", "stage", "remedy")}}
        for entry in document.get("own_controls", ())
    ]
    return [{**entry, "control": entry["id"]} for entry in (*shown, *blocked, *ours)]


def _report(args: Mapping[str, Any], document: Document | None = None) -> dict[str, Any]:
    """The table, and what is red in it; with a document, the summary of the run instead and the table beside it."""
    known = catalogue.load()
    whole = _with_own(known, args.get("results"))
    results = _checked_results(args.get("results"), whole)
    sections = _checked_sections(args.get("sections"), known)
    facts = args.get("facts") or {}
    if not isinstance(facts, Mapping):
        raise InputError("facts: give names and values.")
    shown = [(str(name), str(value)) for name, value in facts.items()]
    table = terminal.table(whole, [*sections, own.SECTION], results)
    counted = [terminal.counts(known, sections, results), _counted_own(results)]
    last = {str(result["control"]): result for result in results}
    red = [control for control, result in last.items() if result["state"] in RED]
    musts = [id_ for id_ in red if MUST == whole.controls[id_].level == (last[id_].get("level") or MUST)]
    named = {"failed_controls": red, "failed_must_controls": musts}
    if document is None:
        parts = [terminal.facts(shown), table, *counted]
        return {"msg": "\n\n".join(part for part in parts if part), **named}
    said = summary.text(document, shown, counted)
    is_open = document["gate"]["decision"] == gate.OPEN
    return {"msg": said, "table": table, "verdict": summary.verdict(document), "open": is_open, **named}


def _with_own(known: catalogue.Catalogue, given: Any) -> catalogue.Catalogue:
    usable = isinstance(given, Sequence) and not isinstance(given, str)
    return own.extended(known, [one for one in given if isinstance(one, Mapping)] if usable else [])


def _counted_own(results: Sequence[Mapping[str, Any]]) -> str:
    """Own controls by their state, apart from the checklist's; empty where there is none."""
    last = {str(one["control"]): str(one["state"]) for one in results if own.is_own(str(one["control"]))}
    words = ", ".join(f"{number} {state}" for state, number in sorted(Counter(last.values()).items()))
    return f"Own controls: {words}." if words else ""


def _checked_sections(given: Any, known: catalogue.Catalogue) -> list[str]:
    there = list(dict.fromkeys(control.section for control in known.controls.values()))
    if not isinstance(given or [], Sequence) or isinstance(given, str):
        raise InputError("sections: give a list of sections of the checklist.")
    if unknown := [str(name) for name in given or [] if name not in there]:
        raise InputError(f"sections: the catalogue has no section {', '.join(unknown)}. It has: {', '.join(there)}.")
    return list(given or there)


def _checked_results(given: Any, known: catalogue.Catalogue) -> Sequence[Mapping[str, Any]]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError("results: give the list of results that the examining modules return.")
    for result in given:
        if not isinstance(result, Mapping) or not {"control", "state", "summary"} <= result.keys():
            raise InputError(f"results: {str(result)[:80]!r} is no result (control, state and summary are needed).")
        if result["control"] not in known.controls:
            raise InputError(f"results: the catalogue has no control {result['control']}.")
        if result["state"] not in STATES:
            raise InputError(f"results: {result['control']} is in the state {result['state']}, which is none.")
    return given
