# The catalogue's deployment section, item by item, and that every control that a module settles is in the catalogue.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks import (
    chart,
    health,
    ingress,
    release,
    secrets,
    security,
)
from ansible_collections.bytebot.production.plugins.module_utils.errors import InputError
from ansible_collections.bytebot.production.plugins.plugin_utils import catalogue

TITLES = Path(__file__).parents[1] / "fixtures" / "deployment_titles.txt"
EVERY = (chart, release, ingress, health, secrets, security)


def test_the_deployment_section_is_the_documents() -> None:
    lines = [line for line in TITLES.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    wanted = [tuple(line.split(" ", 1)) for line in lines]
    found = [(f"{one.group}.{one.item}", one.title) for one in catalogue.load().section("deployment")]
    assert len(wanted) == 22
    assert found == wanted


@pytest.mark.parametrize("checks", [one.CHECKS for one in EVERY])
def test_what_modules_settle_is_in_the_catalogue_and_automated(checks: object) -> None:
    known = catalogue.load().controls
    controls: tuple[str, ...] = checks.controls  # type: ignore[attr-defined]
    assert controls
    assert [control for control in controls if known[control].methods[0] != "automated"] == []


def test_two_modules_settle_no_control_twice() -> None:
    every = [control for one in EVERY for control in one.CHECKS.controls]
    assert len(every) == len(set(every))


def test_a_folder_without_a_catalogue_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no catalogue in"):
        catalogue.load(tmp_path)
