# What a platform team would hand over: passwords and certificates, made once, and documents; mode 0600.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.files import put, render
from sandbox.settings import Settings
from sandbox.shell import run

DOCUMENTS = Path(__file__).with_name("documents")
CHANGE_WINDOW = timedelta(days=90)  # of the change record: the sandbox is brought up once, and judged for long


def password(settings: Settings, name: str) -> str:
    """The password in the handed-over file of this name."""
    path = settings.handover / name
    if not path.exists():
        put(path, secrets.token_urlsafe(32))  # as many random bytes as the document asks for
    return path.read_text().strip()


def scans(settings: Settings, digests: Mapping[str, str]) -> None:
    """A report on each image in place of a scanner's: nothing is scanned, and each says so."""
    folder = settings.documents / "scans"
    for left in folder.glob("*.json"):
        left.unlink()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for reference, digest in digests.items():
        name = f"{settings.registry_name}/{reference}"
        report = {
            "SchemaVersion": 2,
            "CreatedAt": now,
            "ArtifactName": name,
            "ArtifactType": "container_image",
            "Comment": "Made for the sandbox. Nothing was scanned.",
            "Trivy": {"Version": "0.0.0-stand-in"},
            "Metadata": {"RepoDigests": [f"{name.rpartition(':')[0]}@{digest}"], "RepoTags": [name]},
            "Results": [{"Target": name, "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": []}],
        }
        file = reference.replace("/", "-").replace(":", "-")
        put(folder / f"{file}.json", json.dumps(report, indent=2), 0o644)


def documents(settings: Settings) -> None:
    """What people would write about this deployment, as of the day on which the sandbox comes up.

    The description of the API is published from the application's own sources, as a pipeline would do with a release.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    dates = {"today": now.date().isoformat(), "now": now.isoformat(), "later": (now + CHANGE_WINDOW).isoformat()}
    for source in sorted(one for one in DOCUMENTS.rglob("*") if one.is_file()):
        put(settings.documents / source.relative_to(DOCUMENTS), render(source, dates), 0o644)
    described = run(
        "handover",
        [sys.executable, "-m", "bytebot_app", "openapi"],
        cwd=settings.checkout / "sandbox" / "app" / "src",
    )
    put(settings.documents / "users" / "openapi.json", described, 0o644)
