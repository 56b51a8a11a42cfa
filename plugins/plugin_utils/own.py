# Controls that users wrote themselves: they go with their results, beside the catalogue and never counted in it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import LEVELS, STAGES, Catalogue, Control

SECTION, TITLE = "own", "Own Controls"
VALID_FOR = "P7D"  # they look at what is there now, as most controls of an environment do
_ID = re.compile(r"own\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_KEYS = frozenset({"title", "level", "stage", "remedy"})


def is_own(id_: str) -> bool:
    """Whether an id is that of a user's own control."""
    return id_.startswith(f"{SECTION}.")


def control_of(id_: str, told: Any) -> Control:
    """The control that goes with a result.

    :raises InputError: the id is none, or what is told of it is not what ``custom_check`` gives.
    """
    if not _ID.fullmatch(id_):
        raise InputError(f"results: {id_} is no id of an own control (own.<group>.<item>).")
    if not isinstance(told, Mapping) or set(told) != _KEYS or not all(isinstance(one, str) for one in told.values()):
        raise InputError(f"results: {id_} says nothing of its title, level, stage and remedy; use custom_check.")
    if not told["title"].strip() or told["level"] not in LEVELS or told["stage"] not in STAGES:
        raise InputError(f"results: {id_} has no title, or a level or stage that there is not.")
    _section, group, item = id_.split(".")
    return Control(
        id=id_,
        section=SECTION,
        group=group,
        item=item,
        title=told["title"],
        group_title=group.replace("_", " ").capitalize(),
        section_title=TITLE,
        level=told["level"],
        stage=told["stage"],
        methods=("automated",),
        touch="reads",
        binds_to="environment",
        valid_for=VALID_FOR,
        remedy=told["remedy"],
    )


def extended(known: Catalogue, results: Iterable[Mapping[str, Any]]) -> Catalogue:
    """The catalogue and, behind it, the own controls among the results, group by group."""
    ours = {str(one["control"]): one.get("own") for one in results if is_own(str(one.get("control", "")))}
    if not ours:
        return known
    groups = {id_.rpartition(".")[0]: number for number, id_ in reversed(list(enumerate(ours)))}
    ids = sorted(ours, key=lambda id_: groups[id_.rpartition(".")[0]])
    return replace(known, controls={**known.controls, **{id_: control_of(id_, ours[id_]) for id_ in ids}})
