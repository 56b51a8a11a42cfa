# Configuration from the environment, each value with its default.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 65535


@dataclass(frozen=True)
class Settings:
    """What the daemon is told at its start."""

    home: Path = Path("/home/user")
    display: str = ":0"
    width: int = 1920
    height: int = 1080
    depth: int = 24
    port: int = 9990
    vision_port: int = 9993
    test_surface: bool = True
    # Where a caller's token is asked about; empty: no token is wanted, as the product's own desktop has it.
    permission_url: str = ""
    permission_ca: str = ""
    # A token for the release's own components, which are no users; used only together with permission_url.
    service_token: str = field(default="", repr=False)

    @property
    def desktop(self) -> Path:
        """The folder that relative paths begin at."""
        return self.home / "Desktop"


def load(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings of the environment; ValueError names the variable that is wrong."""
    return Settings(
        home=Path(environment.get("HOME", "/home/user")),
        display=environment.get("DISPLAY", ":0"),
        width=_number(environment, "DESKTOP_WIDTH", 1920),
        height=_number(environment, "DESKTOP_HEIGHT", 1080),
        port=_number(environment, "PORT", 9990),
        vision_port=_number(environment, "VISION_PORT", 9993),
        test_surface=environment.get("TEST_SURFACE", "true").lower() not in {"false", "0", "no"},
        permission_url=environment.get("PERMISSION_URL", ""),
        permission_ca=environment.get("PERMISSION_CA", ""),
        service_token=environment.get("SERVICE_TOKEN", ""),
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdigit() or not 1 <= int(text) <= LARGEST:
        raise ValueError(f"{name}: {text!r} is not a number from 1 to {LARGEST}")
    return int(text)
