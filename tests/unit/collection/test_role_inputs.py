# Every role says what it takes: defaults as documented, every shared variable that its tasks use documented.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
SHARED = re.compile(r"\bbytebot_[a-z0-9_]+\b(?!:)")  # a key is what a task sets, as for a workflow


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def options(role: Path) -> dict[str, Any]:
    """The options of all entries of a role; one of a name is the same in each."""
    entries = load(role / "meta" / "argument_specs.yml")["argument_specs"].values()
    return {name: told for entry in reversed(entries) for name, told in entry["options"].items()}


def tasks(role: Path) -> str:
    texts = [
        path.read_text(encoding="utf-8")
        for folder in ("tasks", "templates", "handlers", "vars")
        for path in sorted((role / folder).rglob("*.*"))
    ]
    return "\n".join(texts)


def test_there_are_roles() -> None:
    assert "deployment" in [role.name for role in ROLES]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_as_documented(role: Path) -> None:
    documented = {name: told["default"] for name, told in options(role).items() if "default" in told}
    assert documented == (load(role / "defaults" / "main.yml") or {})


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_option_is_described_typed_and_of_this_role_or_shared(role: Path) -> None:
    for name, told in options(role).items():
        assert told.get("description"), name
        assert told.get("type"), name
        assert name.startswith((f"{role.name}_", "bytebot_")), name
        assert "default" not in told or name.startswith(f"{role.name}_"), f"{name}: a shared name is no role's default"
        assert not (told.get("required") and "default" in told), name


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_shared_variable_in_the_tasks_is_documented_and_used(role: Path) -> None:
    used = set(SHARED.findall(tasks(role)))
    documented = {name for name in options(role) if name.startswith("bytebot_")}
    assert used == documented


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_own_option_is_used(role: Path) -> None:
    text = tasks(role)
    assert [name for name in options(role) if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_optional_variables_without_default_are_never_used_bare(role: Path) -> None:
    """A variable that may be undefined stands beside `default(…)`, or a play fails on it."""
    text = tasks(role)
    for name, told in options(role).items():
        if not told.get("required") and "default" not in told:
            bare = [
                use
                for use in re.findall(rf"\b{name}\b[^\n]{{0,40}}", text)
                if "default(" not in use and " is defined" not in use
            ]
            assert bare == [], name
