# Several environments of one inventory: each has its own record, and no run of one opens the gate of another.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.bytebot.production.plugins.plugin_utils import gate
from ansible_collections.bytebot.production.plugins.plugin_utils.record import assess, files
from ansible_collections.bytebot.production.plugins.plugin_utils.record.binding import Environment, binding_of
from ansible_collections.bytebot.production.plugins.plugin_utils.record.lock import Owner
from ansible_collections.bytebot.production.plugins.plugin_utils.record.on_files import OnFiles
from ansible_collections.bytebot.production.plugins.plugin_utils.record.results import checked
from ansible_collections.bytebot.production.plugins.plugin_utils.record.run import Run
from ansible_collections.bytebot.production.plugins.plugin_utils.record.store import Store
from tests.unit.collection.record_fixtures import FACTS, KNOWN, NOW, result

ROOT = Path(__file__).parents[3]
# The same organization, namespace and release, and the same chart, values and images: only the cluster is another.
STAGING = Environment("staging", "staging", "Acme", "bytebot-production", "bytebot")
PRODUCTION = replace(STAGING, name="production", kind="production")
DUE = [control.id for control in KNOWN.controls.values() if control.stage in {"preflight", "deploy"}]


def store(folder: Path, environment: Environment) -> Store:
    return Store(OnFiles(folder / environment.name, Owner.of(os.getpid())), environment, lambda: NOW)


def opened(folder: Path, environment: Environment, *results: dict[str, Any]) -> Run:
    there, binding = store(folder, environment), binding_of(environment, FACTS, KNOWN)
    run = there.open_run(binding)
    return there.add(run, checked(list(results), KNOWN), binding) if results else run


def decided(folder: Path, environment: Environment, run: Run) -> str:
    there = store(folder, environment)
    found = there.run(run.header.id)
    document = assess.of_run(there, found, found.header, KNOWN, {})
    return gate.decide(document, "deploy", gate.Policy()).decision


def test_a_green_run_of_one_environment_says_nothing_of_the_other(tmp_path: Path) -> None:
    staging = opened(tmp_path, STAGING, *(result(id_) for id_ in DUE))
    production = opened(tmp_path, PRODUCTION)
    assert decided(tmp_path, STAGING, staging) == "open"
    assert production.content().results == {}
    assert decided(tmp_path, PRODUCTION, production) == "not_assessed"


def test_a_run_that_is_copied_to_another_environment_is_not_gone_on_with(tmp_path: Path) -> None:
    staging = opened(tmp_path, STAGING, *(result(id_) for id_ in DUE))
    shutil.copytree(tmp_path / "staging", tmp_path / "production", symlinks=True)
    production = opened(tmp_path, PRODUCTION)
    assert production.header.id != staging.header.id
    assert decided(tmp_path, PRODUCTION, production) == "not_assessed"
    with pytest.raises(files.Unusable, match="of environment staging, not here"):
        store(tmp_path, PRODUCTION).run(staging.header.id)


def test_results_that_are_copied_to_another_environment_are_not_read(tmp_path: Path) -> None:
    staging = opened(tmp_path, STAGING, *(result(id_) for id_ in DUE))
    production = opened(tmp_path, PRODUCTION)
    shutil.copytree(staging.folder / "results", production.folder / "results", dirs_exist_ok=True)
    content = store(tmp_path, PRODUCTION).run(production.header.id).content()
    assert (content.results, len(content.defects) > 0) == ({}, True)
    assert decided(tmp_path, PRODUCTION, production) == "not_assessed"


def test_the_example_of_several_environments_gives_each_its_own_variables() -> None:
    """The shape that awx/README.md shows: a host for each, in a group of its own, whose names are no host's."""
    text = (ROOT / "awx" / "README.md").read_text(encoding="utf-8")
    block = text.partition("  children:")[2].partition("```")[0]
    groups = yaml.safe_load(f"children:{block}")["children"]
    hosts = [name for group in groups.values() for name in group["hosts"]]
    assert hosts == ["staging", "production"]
    assert not set(groups) & set(hosts)
    assert all(f"group_vars/{group}.yml" in block for group in groups)
