#!/usr/bin/env python3
# Writes the pages of docs/ that come from the code; with --check it only says which of them are out of date.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT), str(ROOT / ".collections")]

from docs import controls, plugins, roles, rollout

DOCS = ROOT / "docs"
FOLDERS = ("controls", "modules", "roles")  # every page in there is generated


def wanted() -> dict[str, str]:
    """All generated pages by their paths below docs/."""
    return {name: text for source in (rollout, controls, plugins, roles) for name, text in source.pages(ROOT).items()}


def stale(pages: dict[str, str], docs: Path = DOCS) -> list[str]:
    """The pages that are missing or differ, and those whose source is gone."""
    there = {f"{folder}/{path.name}" for folder in FOLDERS for path in (docs / folder).glob("*.md")}
    old = [name for name, text in pages.items() if not _says(docs / name, text)]
    return sorted({*old, *(there - pages.keys())})


def write(pages: dict[str, str], docs: Path = DOCS) -> list[str]:
    """Bring the pages up to date, and name those that were not."""
    names = stale(pages, docs)
    for name in names:
        path = docs / name
        if name in pages:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages[name], encoding="utf-8")
        else:
            path.unlink()
    return names


def _says(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main() -> int:
    """Write or check every page; 1 where ``--check`` finds an old one."""
    pages = wanted()
    if "--check" not in sys.argv:
        for name in write(pages):
            print(f"{'wrote' if name in pages else 'removed'} docs/{name}")
        return 0
    if names := stale(pages):
        print("out of date:", *(f"  docs/{name}" for name in names), "Run: scripts/generate_docs.py", sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
