# Reads which states the controls of an environment had in earlier runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.bytebot.production.plugins.plugin_utils.record import files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.keeper import Keeper

MOST_RUNS = 8


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run: its id, which begins with its time, and the state of each control."""

    run: str
    states: Mapping[str, str]


def earlier(keeper: Keeper, run: str, most: int = MOST_RUNS) -> list[Earlier]:
    """The runs before that one which came to something, the newest first.

    One that cannot be used is passed over: the document of the run names it.
    """
    found: list[Earlier] = []
    for id_ in sorted((one for one in keeper.headers() if one < run), reverse=True):
        if len(found) == most:
            break
        try:
            outcome = keeper.outcome(id_)
        except files.Unusable:
            continue
        if outcome:
            found.append(Earlier(id_, {str(one["id"]): str(one["state"]) for one in outcome["controls"]}))
    return found
