# Whether a fault is there when it is in and gone when it is healed, told by its own observation and by no control.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from dataclasses import dataclass

from sandbox.faults import FAULTS, Faults

ALL = tuple(name for name, fault in FAULTS.items() if fault.seen)
# One of each file of sandbox/faults, of the quick ones, for `make test`; of the files whose faults all are switches of
# the application, which rolls out for each, one.
FEW = (
    "node_cordoned",
    "quota_short",
    "service_selector_typo",
    "secret_too_short",
    "network_policy_deleted",
    "log_store_down",
    "database_user_superuser",
    "redis_stopped",
    "ingress_address_pending",
    "ingress_certificate_self_signed",
    "config_changed_without_rollout",
    "hpa_other_target",
    "side_door_open",
    "target_down",
    "alert_silenced",
    "backup_suspended",
    "pgbackrest_page_damaged",
    "refresh_not_rotated",
    "extra_admin",
    "request_limit_lowered",
)


@dataclass(frozen=True)
class Seen:
    """What was seen of one fault.

    :param told: one clear sentence where it broke off; empty where it did not.
    """

    name: str
    put: bool
    healed: bool
    seconds: float
    told: str = ""

    @property
    def right(self) -> bool:
        return self.put and self.healed


def look(faults: Faults, name: str) -> Seen:
    """Put a fault in twice and heal it three times, and look before, after each, and at the end.

    :raises SandboxError: something does not come about within its bound.
    """
    began = time.monotonic()
    before = faults.seen(name)
    there = []
    for _ in range(2):
        faults.put(name)
        there.append(faults.seen(name))
    healed = faults.heal()
    gone = [faults.seen(name)]
    # As after a kill in the middle of healing: the mark is there, and the fault is not.
    FAULTS[name].heal(faults.hands)
    again = faults.heal()
    gone.append(faults.seen(name))
    put = before is False and there == [True, True]
    return Seen(name, put, healed == [name] and again == [] and gone == [False, False], time.monotonic() - began)
