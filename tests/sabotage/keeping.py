# Keeps what was seen of each fault, so that a broken-off call goes on; another state of the sources begins anew.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.sabotage.telling import Bite

SOURCES = ("catalogue", "inventories", "playbooks", "plugins", "roles", "sandbox", "tests/sabotage")


class Kept:
    """Bites by name, in a file below ``build/``. Only those without a fault of their own are kept."""

    def __init__(self, root: Path, *, fresh: bool) -> None:
        self._path = root / "build" / "sabotage" / "kept.json"
        self._sources = _digest(root)
        self._bites: dict[str, Bite] = {} if fresh else self._read()

    def bite(self, name: str) -> Bite | None:
        """What is known of a fault."""
        return self._bites.get(name)

    def keep(self, bite: Bite) -> None:
        """Remember a bite at once."""
        if not bite.bitten or bite.collateral:
            return
        self._bites[bite.name] = bite
        self._path.parent.mkdir(parents=True, exist_ok=True)
        content = {"sources": self._sources, "bites": [asdict(one) for one in self._bites.values()]}
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(content), encoding="utf-8")
        new.replace(self._path)

    def _read(self) -> dict[str, Bite]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if content.get("sources") != self._sources:
            return {}
        return {one["name"]: _bite(one) for one in content["bites"]}


def _bite(one: dict[str, Any]) -> Bite:
    lists = {key: tuple(one[key]) for key in ("turns_red", "missed", "collateral")}
    return Bite(name=one["name"], gate=one["gate"], wanted_gate=one["wanted_gate"], seconds=one["seconds"], **lists)


def _digest(root: Path) -> str:
    total = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                total.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return total.hexdigest()
