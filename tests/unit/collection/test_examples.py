# Every example that is shown would be taken: modules' EXAMPLES, and the pages' tasks and variables of roles.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from tests.unit.collection.test_modules_documented import MODULES, TAKING, documented

ROOT = Path(__file__).parents[3]
PREFIX = "bytebot.production."
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), *ROOT.glob("awx/*.md")])
INVENTORIES = sorted([*ROOT.glob("inventories/*/group_vars/*.yml"), *ROOT.glob("inventories/*/group_vars/*/*.yml")])
BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PASSED_ON = re.compile(r"\{\{ (bytebot_\w+)(?: \| default\([^()]*\))*(?: or omit)? \}\}")
Spec = dict[str, Any]


def spec_of(options: Mapping[str, Any]) -> Spec:
    """The argument spec that options in a page's or a role's words describe."""
    words = ("type", "elements", "required", "default", "choices")
    found = {}
    for name, told in options.items():
        inner = told.get("suboptions") or told.get("options") or {}
        found[name] = {word: told[word] for word in words if word in told} | (
            {"options": spec_of(inner)} if inner else {}
        )
    return found


def of_module(name: str) -> Spec:
    return dict(TAKING[name].ARGUMENTS) if name in TAKING else spec_of(documented(MODULES[name]))


def templated(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def known(value: Any) -> Any:
    """A value without what only a play knows."""
    if isinstance(value, dict):
        return {name: known(one) for name, one in value.items() if not templated(one)}
    return [known(one) for one in value if not templated(one)] if isinstance(value, list) else value


def asked(given: Any, spec: Spec) -> Spec:
    """The spec of what a value is known of; validating changes it, so that it is a copy."""
    found = {}
    for name, one in spec.items():
        value = given.get(name) if isinstance(given, dict) else None
        found[name] = {**deepcopy(one), "required": one.get("required", False) and not templated(value)}
        if "options" in one:
            found[name]["options"] = asked(value, one["options"])
    return found


def refused(given: Mapping[str, Any], spec: Spec) -> list[str]:
    return list(ArgumentSpecValidator(asked(given, spec)).validate(known(given)).error_messages)


def pairs(shown: Any) -> Iterator[tuple[str, Any]]:
    """Each key with its value, at every depth."""
    for one in shown if isinstance(shown, list) else [shown]:
        if isinstance(one, dict):
            for name, value in one.items():
                yield str(name), value
                yield from pairs(value)
        elif isinstance(one, list):
            yield from pairs(one)


def wrong(shown: Any) -> list[str]:
    """What would be refused of the tasks and of the roles' variables in an example."""
    found = []
    for name, value in pairs(shown):
        module = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and module in MODULES and isinstance(value, dict):
            found += [f"{name}: {one}" for one in refused(value, of_module(module))]
        if not templated(value):
            found += [f"{name}: {one}" for spec in INPUTS.get(name, ()) for one in refused({name: value}, {name: spec})]
    return found


def inputs() -> dict[str, list[Spec]]:
    """How roles take each of their inputs: as their specs say, and as the modules to which it is passed on do."""
    found: dict[str, list[Spec]] = {}
    for path in ROOT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            for name, spec in spec_of(entry["options"]).items():
                found.setdefault(name, []).append(spec)
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for module, given in pairs(yaml.safe_load(path.read_text(encoding="utf-8"))):
            if module.startswith(PREFIX) and isinstance(given, dict):
                spec = of_module(module.removeprefix(PREFIX))
                for option, text in given.items():
                    if passed := PASSED_ON.fullmatch(str(text)):
                        found.setdefault(passed[1], []).append({**spec[option], "required": False})
    return {name: [spec for at, spec in enumerate(specs) if spec not in specs[:at]] for name, specs in found.items()}


INPUTS = inputs()


def test_what_is_wrong_is_seen() -> None:
    assert wrong([{"bytebot.production.kube_apply": {"objects": 5, "manifest": "a"}}])
    assert wrong({"vars": {"bytebot_load": {"user": 5}}})
    assert wrong({"deployment_timeout": "long"})
    assert not wrong({"vars": {"bytebot_load": {"users": 5}, "deployment_timeout": "{{ long }}"}})


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name: str) -> None:
    assert wrong(yaml.safe_load(MODULES[name].EXAMPLES)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_a_page(path: Path) -> None:
    blocks = [block for text in BLOCK.findall(path.read_text(encoding="utf-8")) for block in yaml.safe_load_all(text)]
    assert wrong(blocks) == []


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: str(path.relative_to(ROOT)))
def test_inventories(path: Path) -> None:
    assert wrong(yaml.safe_load(path.read_text(encoding="utf-8"))) == []
