# A role asks of an input what the module asks to which it is passed on, so that a mistake is told before anything runs.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.collection.test_examples import PREFIX, of_module, pairs

ROLES = Path(__file__).parents[3] / "roles"
PASSED_ON = re.compile(r"\{\{ (\w+)(?: \| default\([^()]*\))*(?: or omit)? \}\}")


def passed_on() -> Iterator[tuple[str, str, str, str]]:
    """Role, its input, module and its option, where the one is the other as it is."""
    for path in sorted(ROLES.glob("*/tasks/*.yml")):
        for name, given in pairs(yaml.safe_load(path.read_text(encoding="utf-8"))):
            if name.startswith(PREFIX) and isinstance(given, dict):
                for option, text in given.items():
                    if found := PASSED_ON.fullmatch(str(text)):
                        yield path.parents[1].name, found[1], name.removeprefix(PREFIX), option


def inputs(role: str) -> list[dict[str, Any]]:
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return [entry["options"] for entry in spec["argument_specs"].values()]


# The document of one control among those of all, and a path that may be empty.
OTHERWISE = {"bytebot_documents", "sign_off_dest"}


@pytest.mark.parametrize("role", sorted({role for role, *_rest in passed_on()}))
def test_the_role_asks_what_the_module_asks(role: str) -> None:
    wrong = [
        f"{name}: {word} {options[name].get(word)}, and {module}.{option} takes {asked.get(word)}"
        for of, name, module, option in passed_on()
        for options in inputs(role)
        if of == role and name in options and name not in OTHERWISE
        for asked in [of_module(module)[option]]
        for word in ("type", "elements", "choices")
        if options[name].get(word) != asked.get(word)
    ]
    assert wrong == []


def test_what_tests_may_do_is_one_list() -> None:
    words = of_module("configuration_check")["tests_allowed"]["choices"]
    asked = [
        options["bytebot_tests_allowed"].get("choices")
        for path in sorted(ROLES.iterdir())
        for options in inputs(path.name)
        if "bytebot_tests_allowed" in options
    ]
    assert len(asked) > 5
    assert all(one == words for one in asked)


@pytest.mark.parametrize(
    ("role", "module", "options"),
    [
        ("application_configuration", "configuration_check", {"pool_size_variables", "connection_reserve"}),
        ("monitoring", "metrics_check", {"metrics_path"}),
        ("monitoring", "log_check", {"time_field", "level_field", "correlation_field", "code_fields"}),
        ("security_configuration", "http_security_check", {"metrics_path"}),
        ("security_testing", "http_security_check", {"metrics_path"}),
    ],
)
def test_how_an_application_differs_can_be_said_to_each_role_that_looks(
    role: str, module: str, options: set[str]
) -> None:
    given = [
        text[f"{PREFIX}{module}"]
        for path in sorted((ROLES / role / "tasks").glob("*.yml"))
        for text in yaml.safe_load(path.read_text(encoding="utf-8"))
        if f"{PREFIX}{module}" in text
    ]
    assert given
    assert all(options <= one.keys() for one in given)
    defaults = yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    for name in options:
        if found := PASSED_ON.fullmatch(given[0][name]):
            assert defaults[found[1]] == of_module(module)[name]["default"]
