# Tells what is pending because nobody looked, which says nothing of a control, from what somebody looked at in vain.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.bytebot.production.plugins.plugin_utils.catalogue import Catalogue
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import Result

PENDING, READS = "pending", "reads"
_OVER = "over"  # the state that a pending result took the place of in its own run


def with_former(result: Result, before: Mapping[str, Result]) -> Result:
    """A result that is recorded; where it is pending, with the state that its run had of the control before.

    :param before: what the run holds.
    """
    former = before.get(result["control"])
    if result["state"] != PENDING or former is None:
        return result
    state = former.get(_OVER, "") if former["state"] == PENDING else former["state"]
    return {**result, _OVER: state} if state else result


def says_nothing(result: Result, known: Catalogue) -> bool:
    """Whether nobody looked: an input or a permission of that run was missing, or the control's time had not come.

    What a run first held otherwise shut its gate. Where a control is only read, whoever observed something looked;
    others are observed in part by each run, and tried where that is permitted.
    """
    control = known.controls.get(result["control"])
    looked = bool(result["evidence"]) and control is not None and control.touch == READS
    return result["state"] == PENDING and not result.get(_OVER) and not looked
