# Every module takes what it documents, and the connection's defaults reach every module that talks to a cluster.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins import action, doc_fragments, modules
from ansible_collections.bytebot.production.plugins.module_utils.argspec import CLUSTER_ARGS

ROOT = Path(__file__).parents[3]
WORDS = ("type", "elements", "required", "default", "choices")


def _all(package: ModuleType) -> dict[str, ModuleType]:
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    return {name: importlib.import_module(f"{package.__name__}.{name}") for name in names}


MODULES = _all(modules)
TAKING = {name: module for name, module in MODULES.items() if hasattr(module, "ARGUMENTS")}
FRAGMENTS = {
    name: yaml.safe_load(found.ModuleDocFragment.DOCUMENTATION)["options"]
    for name, found in _all(doc_fragments).items()
}


def documented(module: ModuleType) -> dict[str, Any]:
    page = yaml.safe_load(module.DOCUMENTATION)
    names = [
        name.removeprefix("bytebot.production.").partition(".")[0]
        for name in page.get("extends_documentation_fragment", [])
    ]
    options: dict[str, Any] = {}
    for name in names:
        options |= FRAGMENTS[name]
    return options | (page.get("options") or {})


def same(spec: dict[str, Any], options: dict[str, Any], where: str) -> None:
    assert set(spec) == set(options), where
    for name, given in spec.items():
        told = options[name]
        assert told.get("description"), f"{where}.{name}"
        for word in WORDS:
            assert given.get(word, _usual(word)) == told.get(word, _usual(word)), f"{where}.{name}: {word}"
        same(given.get("options", {}), told.get("suboptions", {}), f"{where}.{name}")


def _usual(word: str) -> Any:
    return {"type": "str", "required": False}.get(word)


def test_there_are_modules() -> None:
    assert {"helm_release", "helm_chart_check", "workload_check", "kube_apply"} <= TAKING.keys()


def test_a_module_without_arguments_of_its_own_is_an_action() -> None:
    assert MODULES.keys() - TAKING.keys() <= _all(action).keys()


@pytest.mark.parametrize("name", TAKING)
def test_options_are_as_documented(name: str) -> None:
    same(TAKING[name].ARGUMENTS, documented(TAKING[name]), name)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_its_page(name: str) -> None:
    page = yaml.safe_load(MODULES[name].DOCUMENTATION)
    assert page["module"] == name
    assert page["short_description"]
    assert {"check_mode", "diff_mode"} <= page["attributes"].keys()
    assert yaml.safe_load(MODULES[name].RETURN)


@pytest.mark.parametrize("name", MODULES)
def test_examples_use_only_documented_options(name: str) -> None:
    options = documented(MODULES[name])
    shown = [
        task[f"bytebot.production.{name}"]
        for task in yaml.safe_load(MODULES[name].EXAMPLES)
        if f"bytebot.production.{name}" in task
    ]
    required = {option for option, told in options.items() if told.get("required")}
    assert shown
    for given in shown:
        assert set(given) <= set(options)
        assert required <= set(given)


def test_the_connection_reaches_every_module_that_talks_to_a_cluster() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text(encoding="utf-8"))["action_groups"]["all"]
    talking = {name for name, module in TAKING.items() if set(CLUSTER_ARGS) <= module.ARGUMENTS.keys()}
    talking |= {
        name for name in MODULES.keys() - TAKING.keys() if set(CLUSTER_ARGS) <= documented(MODULES[name]).keys()
    }
    assert {"helm_release", "checklist_record"} <= talking
    assert set(group) == talking
    assert len(group) == len(set(group))


@pytest.mark.parametrize("name", TAKING)
def test_options_that_may_hold_secrets_are_kept_out_of_logs(name: str) -> None:
    """Ansible writes a module's options to the system's log."""
    telling = {"api_key", "objects", "values", "data"}
    spec = TAKING[name].ARGUMENTS
    assert [option for option in telling & spec.keys() if spec[option].get("no_log") is not True] == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "doc_fragments").glob("*.py")), ids=lambda path: path.stem)
def test_what_the_sanity_tests_read_of_a_fragment_is_a_literal(path: Path) -> None:
    """Its yamllint breaks on an assignment in the class that is put together, unless that bears an annotation."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = [one for found in tree.body if isinstance(found, ast.ClassDef) for one in found.body]
    assert [one.lineno for one in body if isinstance(one, ast.Assign) and not isinstance(one.value, ast.Constant)] == []
