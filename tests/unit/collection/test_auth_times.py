# What the times of a wrong password and of an unknown name tell, and when they tell nothing that is certain.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_facts import RefusalFacts, Tried
from ansible_collections.bytebot.production.plugins.module_utils.checks.auth_refusals import tells_which, time_doubts

SLOW, FAST = (0.080, 0.082, 0.079, 0.081), (0.004, 0.005, 0.004, 0.006)
REFUSED = Tried("a wrong password", 401)


@pytest.mark.parametrize(
    ("wrong", "unknown", "red", "doubtful"),
    [
        (SLOW, SLOW, False, False),
        (SLOW, FAST, True, False),
        (FAST, SLOW, True, False),
        (SLOW, (*FAST[:3], 0.090), False, True),  # one answer that was held up hides nothing
        ((*SLOW[:3], 0.300), SLOW, False, False),
        (SLOW[:3], FAST[:3], False, True),
    ],
)
def test_times_tell_an_unknown_name(
    wrong: tuple[float, ...], unknown: tuple[float, ...], red: bool, doubtful: bool
) -> None:
    seen = RefusalFacts(wrong=REFUSED, unknown=REFUSED, wrong_s=wrong, unknown_s=unknown)
    assert bool(list(tells_which(seen))) is red
    assert bool(list(time_doubts(seen))) is doubtful
