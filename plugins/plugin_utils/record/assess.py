# Brings a run, the catalogue and the play's inputs together into the results document.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record import (
    document,
    files,
    history,
    opening,
)
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Header, Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.accept import Scene
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.joined import Statements, join
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.shelf import Shelf
from ansible_collections.bytebot.production.plugins.plugin_utils.statements.signers import Rules


def missing_inputs(catalogue: Catalogue, variables: Mapping[str, Any]) -> frozenset[str]:
    """The inputs of the catalogue that the inventory does not set."""
    wanted = {name for control in catalogue.controls.values() for name in control.inputs}
    return frozenset(name for name in wanted if variables.get(name) in (None, ""))


def of_run(
    store: Store,
    run: Run | None,
    header: Header,
    catalogue: Catalogue,
    variables: Mapping[str, Any],
    *,
    rules: Rules | None = None,
    added: Iterable[Result] = (),
) -> document.Document:
    """The document of a run (or of one that check mode only imagines) as it is now.

    :param rules: whose signatures count; none where no signers are allowed.
    :param added: recorded results that are not on disk, since check mode writes nothing.
    """
    results: dict[str, Result] = {}
    defects: dict[str, str] = {}
    if run:
        content = run.content()
        results, defects = dict(content.results), dict(content.defects)
    results |= {result["control"]: result for result in added}
    before, unusable = _before(store, header.id)
    defects |= {f"run {number}": sentence for number, sentence in enumerate(unusable)}
    known = document.Known(
        frozenset(control.id for control in catalogue.controls.values() if control.checked),
        missing_inputs(catalogue, variables),
        defects,
        signed(store, header, catalogue, rules),
        opening.go_live(variables),
        lambda: history.earlier(store.keeper, header.id),
        opening.counts_from(variables),
    )
    return document.build(header, results, catalogue, store.clock(), known=known, previous=before)


def signed(store: Store, header: Header, catalogue: Catalogue, rules: Rules | None) -> Statements:
    """The statements of the environment, verified for what a run judges."""
    items, defects = Shelf(store.keeper).items()
    if rules is None:
        return Statements(defects=defects)
    return join(items.values(), Scene(header.environment, header.binding, catalogue, rules, store.clock()), defects)


def _before(store: Store, id_: str) -> tuple[Mapping[str, Any] | None, list[str]]:
    """What the newest run before that one came to, and a sentence for each that cannot be used."""
    runs, defects = store.runs()
    for run in reversed(runs):
        if run.header.id < id_:
            try:
                outcome = store.keeper.outcome(run.header.id)
            except files.Unusable as exc:
                defects.append(exc.sentence)
                continue
            if outcome:
                return outcome, defects
    return None, defects
