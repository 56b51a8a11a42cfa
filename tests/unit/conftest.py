# Names tests so that every process that runs some of them knows them by the same names; no slow machine fails one.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, settings

_RUN = re.compile(r"[\w+/=-]{12,}", re.ASCII)
LONG = 500  # letters; a value that is longer makes no name
# How long examples take to make or to run says how busy the machine is, and nothing about what is tested.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name a value that may be another one in each process by its argument, so that no secret names a test either."""
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    if not isinstance(text, str):
        return None
    return argname if len(text) > LONG or any(map(_random, _RUN.findall(text))) else None


def _random(run: str) -> bool:
    """Whether it looks as if it was made at random: with a digit, or in both cases and long."""
    return any(map(str.isdigit, run)) or (len(run) >= 20 and run.lower() != run != run.upper())
