# The daemon's applications on a display in memory.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bytebot_desktop.access import Access
from bytebot_desktop.api import Parts, computer_app, vision_app
from bytebot_desktop.desk import Desk
from bytebot_desktop.settings import Settings

from .fakes import FakeReader, FakeRecorder, FakeSurface, FakeTools


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def tools() -> FakeTools:
    return FakeTools()


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


@pytest.fixture
def surface() -> FakeSurface:
    return FakeSurface()


@pytest.fixture
def recorder() -> FakeRecorder:
    return FakeRecorder()


@pytest.fixture
def parts(
    settings: Settings, tools: FakeTools, reader: FakeReader, surface: FakeSurface, recorder: FakeRecorder
) -> Parts:
    return Parts(Desk(settings, tools, reader), reader, Access(settings), recorder, tools.ready, surface)


@pytest.fixture
def computer(parts: Parts) -> Iterator[TestClient]:
    with TestClient(computer_app(parts)) as made:
        yield made


@pytest.fixture
def vision(parts: Parts) -> Iterator[TestClient]:
    with TestClient(vision_app(parts)) as made:
        yield made
