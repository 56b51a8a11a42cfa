# Faults in the reports of scanners on the running images: a copy of the sandbox's reports that is wrong.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.faults.documents import LONG_AGO, Spoil, spoilt
from sandbox.faults.fault import Fault, Hands

SCANNED = "security_configuration.containers.scanned"
FINDING = {
    "VulnerabilityID": "CVE-0000-0001",
    "PkgName": "made-up",
    "InstalledVersion": "1.0",
    "FixedVersion": "1.1",
    "Severity": "CRITICAL",
}
EXPIRED = {"id": FINDING["VulnerabilityID"], "owner": "A. Person", "reason": "It was to be mended.", "until": LONG_AGO}


def reports(change: Callable[[dict[str, Any]], object]) -> Spoil:
    """Other content in each report."""

    def spoil(copy: Path) -> None:
        for path in sorted((copy / "scans").glob("*.json")):
            found = json.loads(path.read_text())
            change(found)
            path.write_text(json.dumps(found))

    return spoil


def _of_another_build(report: dict[str, Any]) -> None:
    name = report["Metadata"]["RepoDigests"][0].partition("@")[0]
    report["Metadata"]["RepoDigests"] = [f"{name}@sha256:{'0' * 64}"]


def _old(report: dict[str, Any]) -> None:
    report["CreatedAt"] = f"{LONG_AGO}T00:00:00Z"


def _critical(report: dict[str, Any]) -> None:
    report["Results"][0]["Vulnerabilities"] = [FINDING]


def _waived(hands: Hands) -> Mapping[str, Any]:
    return {**spoilt(reports(_critical))(hands), "bytebot_scan_waivers": [EXPIRED]}


FAULTS = (
    Fault(
        name="scan_report_other_digest", says="the reports on images are about other builds than run", layer="inputs",
        turns_red=(SCANNED,), shuts=False, variables=spoilt(reports(_of_another_build)),
    ),
    Fault(
        name="scan_report_old", says="images were scanned many years ago", layer="inputs", turns_red=(SCANNED,),
        shuts=False, variables=spoilt(reports(_old)),
    ),
    Fault(
        name="scan_critical_finding", says="a scanner found something critical, and nobody waived it", layer="inputs",
        turns_red=(SCANNED,), shuts=False, variables=spoilt(reports(_critical)),
    ),
    Fault(
        name="scan_waiver_expired", says="what waived a critical finding of a scanner has run out", layer="inputs",
        turns_red=(SCANNED,), shuts=False, variables=_waived,
    ),
)  # fmt: skip
