# Settings in a folder of the test's own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(checkout=tmp_path / "checkout", state=tmp_path / "checkout" / ".sandbox", run=tmp_path / "run")
