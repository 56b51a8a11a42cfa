# The pages of the roles, from their argument specs, defaults and READMEs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .markdown import render, rows

_YAML_BLOCK = re.compile(r"^```ya?ml\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)


def pages(root: Path) -> dict[str, str]:
    """The pages by their paths below docs/."""
    every = [_role(spec.parents[1]) for spec in sorted((root / "roles").glob("*/meta/argument_specs.yml"))]
    found = {"roles/README.md": render("roles_index.md.j2", roles=every)}
    return found | {f"roles/{role['name']}.md": render("role.md.j2", role=role) for role in every}


def _role(folder: Path) -> dict[str, Any]:
    specs = _read(folder / "meta" / "argument_specs.yml")["argument_specs"]
    defaults = _read(folder / "defaults" / "main.yml")
    entries = [_entry(name, told, defaults) for name, told in specs.items()]
    return {"name": folder.name, "entries": entries, "example": _example(folder)}


def _entry(name: str, told: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """An entry point; a default that stands only in defaults/ is one, too."""
    options: dict[str, Mapping[str, Any]] = {
        option: {**({"default": defaults[option]} if option in defaults else {}), **spec}
        for option, spec in (told.get("options") or {}).items()
    }
    ordered = dict(sorted(options.items(), key=lambda item: not item[1].get("required")))
    description = told.get("description", [])
    return {
        "name": name,
        "short": told.get("short_description", ""),
        "description": [description] if isinstance(description, str) else description,
        "options": rows(ordered, "options"),
    }


def _example(folder: Path) -> str:
    """The play that the role's README shows, else the least one."""
    readme = folder / "README.md"
    shown = _YAML_BLOCK.search(readme.read_text(encoding="utf-8")) if readme.is_file() else None
    if shown:
        return shown["text"].strip()
    return "\n".join(
        [
            f"- name: Use the role {folder.name}",
            "  hosts: all",
            "  gather_facts: false",
            "  roles:",
            f"    - bytebot.production.{folder.name}",
        ]
    )


def _read(path: Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
