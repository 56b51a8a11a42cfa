# How Kubernetes writes quantities, times and schedules.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from cronsim import CronSim

BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)}
DECIMAL = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1), "k": Decimal(10) ** 3}
DECIMAL |= {letter: Decimal(10) ** (3 * power) for power, letter in enumerate("MGTPE", start=2)}
QUANTITY = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE]?)")
NAMED_SCHEDULES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
EVERY = re.compile(r"@every (?=\S)(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def quantity(text: str) -> float:
    """`500m` is 0.5, `1Gi` is 1073741824.

    :raises ValueError: it is no quantity.
    """
    found = QUANTITY.fullmatch(str(text))
    if not found:
        raise ValueError(f"{text!r} is no quantity")
    value, suffix = found.groups()
    if suffix[:1] in {"e", "E"} and len(suffix) > 1 and suffix != "Ei":
        return float(Decimal(value + suffix))
    return float(Decimal(value) * {**BINARY, **DECIMAL}[suffix])


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def next_time(schedule: str, after: datetime, zone: str) -> float:
    """Seconds since 1970 of a schedule's first time after a moment.

    :param zone: an IANA name; without one the cluster's own time counts, which is UTC.
    :raises ValueError: it is no schedule, or has no such time.
    """
    every = EVERY.fullmatch(schedule)
    if every:
        hours, minutes, seconds = (int(part or 0) for part in every.groups())
        return (after + timedelta(hours=hours, minutes=minutes, seconds=seconds)).timestamp()
    local = after.astimezone(ZoneInfo(zone) if zone else UTC)
    for found in CronSim(NAMED_SCHEDULES.get(schedule, schedule), local):
        return found.timestamp()
    raise ValueError(f"{schedule!r} never comes again")
