# The sandbox's stand-ins for scan reports and its document on rotation hold, and each fault in them turns red its own.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation import SECTIONS, rotation
from ansible_collections.bytebot.production.plugins.module_utils.checks.rotation_facts import (
    ROTATION,
    Age,
    Drill,
    RotationFacts,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.scans import scanned
from ansible_collections.bytebot.production.plugins.module_utils.checks.scans_facts import Waiver
from ansible_collections.bytebot.production.plugins.module_utils.clients.documents import Documents
from ansible_collections.bytebot.production.plugins.module_utils.document_places import place_of
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import Scope as DocumentScope
from ansible_collections.bytebot.production.plugins.module_utils.observe_documents import observe as read_documents
from ansible_collections.bytebot.production.plugins.module_utils.observe_scans import FORMATS, Given, Scope, observe
from sandbox import handover
from sandbox.faults import rotation as rotation_faults
from sandbox.faults import scans as scan_faults
from sandbox.faults.fault import Fault, Hands
from sandbox.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = yaml.safe_load((ROOT / "inventories" / "sandbox" / "group_vars" / "all.yml").read_text())
API, DESKTOP = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
IMAGES = {"bytebot/api:1.0.0": API, "bytebot/desktop:1.0.0": DESKTOP}


class Pods:
    """A cluster in which these images run."""

    def list(self, _api: str, _kind: str, _namespace: str) -> list[dict[str, Any]]:
        return [
            {
                "metadata": {"name": name.rpartition("/")[2]},
                "status": {
                    "containerStatuses": [{"name": "c", "image": f"registry.sandbox/{name}", "imageID": f"x@{digest}"}]
                },
            }
            for name, digest in IMAGES.items()
        ]

    def serves(self, *_given: str) -> bool:
        return False


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = Settings(checkout=ROOT, state=tmp_path / "state")
    monkeypatch.setattr(handover, "run", lambda *_, **__: "{}")
    handover.documents(made)
    handover.scans(made, IMAGES)
    return made


def given(settings: Settings, fault: Fault | None) -> Mapping[str, Any]:
    hands = Hands(settings, None, None)  # type: ignore[arg-type]
    return fault.variables(hands) if fault else {}


def refuse(url: str) -> Any:
    raise AssertionError(url)


def images_judged(settings: Settings, fault: Fault | None) -> str:
    said = given(settings, fault)
    folder = str(said.get("sandbox_documents", settings.documents))
    places = tuple(Given(one["where"]) for one in INVENTORY["bytebot_scan_reports"])
    waivers = tuple(Waiver(**one) for one in said.get("bytebot_scan_waivers", ()))
    pods: Any = Pods()
    return scanned(
        observe(pods, Documents(folder, refuse, formats=FORMATS), Scope("shop", places, waivers=waivers))
    ).state


def rotation_judged(settings: Settings, fault: Fault | None) -> str:
    folder = str(given(settings, fault).get("sandbox_documents", settings.documents))
    where = INVENTORY["bytebot_documents"][ROTATION]
    place = place_of(ROTATION, {"where": where, "sections": list(SECTIONS)}, 90)
    document = read_documents(Documents(folder, refuse), DocumentScope({ROTATION: place}), None, None)
    now = datetime.now(UTC)
    names = [one["name"] for one in INVENTORY["bytebot_secrets"]]
    ages = tuple(Age(name, {"password": now - timedelta(days=1)}, True) for name in names)
    facts = RotationFacts("shop", document, ages, drills=(Drill(now.timestamp(), "keys", True),))
    return rotation(replace(facts, now=now)).state


def test_all_is_green_without_a_fault(settings: Settings) -> None:
    assert images_judged(settings, None) == "pass"
    assert rotation_judged(settings, None) == "pass"


@pytest.mark.parametrize("fault", scan_faults.FAULTS, ids=lambda one: one.name)
def test_each_fault_of_the_reports_is_red(settings: Settings, fault: Fault) -> None:
    assert images_judged(settings, fault) == "fail"


@pytest.mark.parametrize(
    "fault", [one for one in rotation_faults.FAULTS if one.layer == "inputs"], ids=lambda one: one.name
)
def test_each_fault_of_the_document_is_red(settings: Settings, fault: Fault) -> None:
    assert rotation_judged(settings, fault) == "fail"


def test_reports_of_images_that_are_no_more_go(settings: Settings) -> None:
    handover.scans(settings, {"bytebot/api:1.1.0": API})
    assert [path.name for path in (settings.documents / "scans").iterdir()] == ["bytebot-api-1.1.0.json"]
