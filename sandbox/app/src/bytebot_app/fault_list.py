# All faults of the application by name, each with what it does wrong; no name is there twice.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bytebot_app import (
    auth_faults,
    faults,
    faults_flow,
    faults_http,
    faults_injection,
    faults_operation,
    faults_work,
    token_faults,
)
from bytebot_app.settings import ConfigurationError

Part = Mapping[str, tuple[str, Any]]


def listed(*parts: Part) -> dict[str, str]:
    """What each fault does; :class:`ValueError` where two have one name."""
    found: dict[str, str] = {}
    for part in parts:
        if twice := sorted(found.keys() & part.keys()):
            raise ValueError(f"two faults have the name {', '.join(twice)}")
        found |= {name: says for name, (says, _put) in part.items()}
    return found


ALL = listed(
    faults.FAULTS,
    auth_faults.OWN,
    token_faults.FAULTS,
    faults_http.FAULTS,
    faults_flow.FAULTS,
    faults_injection.FAULTS,
    faults_operation.FAULTS,
    faults_work.FAULTS,
)


def check_mark() -> None:
    """:class:`ConfigurationError` where the environment names a fault that there is none of."""
    for name in faults.marked():
        if name not in ALL:
            said = f"{faults.MARK}: no fault has the name {name!r}; the command faults lists them all"
            raise ConfigurationError(said)
