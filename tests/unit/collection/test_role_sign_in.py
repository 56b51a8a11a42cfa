# How the inventory says that users sign in (bytebot_auth) reaches every module of a role that signs in.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

from ansible_collections.bytebot.production.plugins import modules

ROLES = Path(__file__).parents[3] / "roles"
PREFIX = "bytebot.production."
SAID = {
    "paths": {"login": "/in", "logout": "/out", "tasks": "/work"},
    "fields": {"username": "user", "password": "word", "access_token": "pass"},
}
GIVEN = {"login_path": "/in", "logout_path": "/out", "tasks_path": "/work", "task_path": "/work"}


def tasks(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in listed:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part) or [])


def signing() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Each task of a role whose module signs in as users: role, module, what it is given."""
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            for name, given in task.items():
                module = name.removeprefix(PREFIX)
                if name.startswith(PREFIX) and "login_path" in options(module) and taken(module, given):
                    yield path.parents[1].name, module, given


def options(module: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(importlib.import_module(f"{modules.__name__}.{module}"), "ARGUMENTS", {})
    return found


def taken(module: str, given: Mapping[str, Any]) -> bool:
    """Whether somebody signs in: those who do are given, or it tries the sign-in itself."""
    return "accounts" in given or (module == "log_check" and "base_url" in given)


def rendered(role: str, text: Any, auth: Mapping[str, Any] | None) -> Any:
    said = yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text(encoding="utf-8"))[f"{role}_sign_in"]
    inputs = {} if auth is None else {"bytebot_auth": auth}

    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: one(inner) for name, inner in value.items()}
        return Environment(autoescape=True).from_string(value).render(**inputs)

    expression = str(text).removeprefix("{{ ").removesuffix(" }}")
    return Environment(autoescape=True).compile_expression(expression)(**{f"{role}_sign_in": one(said)})


FOUND = sorted({(role, module): given for role, module, given in signing()}.items())


def test_there_are_some() -> None:
    assert {"functional_testing", "go_live", "monitoring", "performance_testing", "security_testing"} <= {
        role for (role, _module), _given in FOUND
    }


@pytest.mark.parametrize(("where", "given"), FOUND, ids=[" ".join(where) for where, _given in FOUND])
def test_it_reaches_the_module(where: tuple[str, str], given: Mapping[str, Any]) -> None:
    role, module = where
    for option in sorted(GIVEN.keys() & options(module).keys()):
        assert option in given, option
        assert rendered(role, given[option], SAID) == GIVEN[option]
        for nothing in (None, {}, {"paths": None}, {"token_in": "cookie"}):
            assert rendered(role, given[option], nothing) == options(module)[option]["default"]
    assert rendered(role, given["login_fields"], SAID) == {"username": "user", "password": "word", "token": "pass"}
    usual = {name: one["default"] for name, one in options(module)["login_fields"]["options"].items()}
    assert rendered(role, given["login_fields"], None) == rendered(role, given["login_fields"], {"fields": {}}) == usual


@pytest.mark.parametrize("role", sorted(path.parents[1].name for path in ROLES.glob("*/vars/main.yml")))
def test_no_result_hides_a_variable_of_its_role(role: str) -> None:
    """A registered name wins over a role's variable from then on."""
    said = set(yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text(encoding="utf-8")) or {})
    said |= set(yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8")) or {})
    listed = [yaml.safe_load(path.read_text(encoding="utf-8")) or [] for path in (ROLES / role / "tasks").glob("*.yml")]
    names = {str(task["register"]) for found in listed for task in tasks(found) if "register" in task}
    assert said & names == set()
