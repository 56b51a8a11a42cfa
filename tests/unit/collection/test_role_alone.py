# A role that is used without the one that it needs before it says which, in one sentence.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

ROLES = Path(__file__).parents[3] / "roles"
ASSERT = "ansible.builtin.assert"
# What another role leaves, and where it comes from.
LEFT = {"run_path": "bytebot.production.run", "run_record": "bytebot.production.run", "go_live_since": "begin"}


def entries() -> list[Path]:
    """The tasks files that a playbook may name."""
    return [
        path
        for spec in sorted(ROLES.glob("*/meta/argument_specs.yml"))
        for name in yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"]
        if (path := spec.parents[1] / "tasks" / f"{name}.yml").is_file()
    ]


def needed(task: dict[str, Any]) -> set[str]:
    """What a task takes from another role, and cannot do without."""
    if task.get("when") == "run_record is defined":
        return set()
    if "block" in task:
        return set().union(*(needed(one) for one in task["block"]))
    text = yaml.safe_dump({name: value for name, value in task.items() if name not in ("register", "name")}, width=9999)
    sets = task.get("ansible.builtin.set_fact") or {}
    return {one for one in LEFT.keys() - sets.keys() if re.search(rf"\b{one}\b(?! \| default| is defined)", text)}


@pytest.mark.parametrize("path", entries(), ids=lambda path: f"{path.parents[1].name} {path.stem}")
def test_what_it_needs_is_asked_for_first(path: Path) -> None:
    tasks = yaml.safe_load(path.read_text(encoding="utf-8"))
    wanted = set().union(*(needed(one) for one in tasks))
    if path.parents[1].name == "run" or not wanted:
        return
    asked = tasks[0][ASSERT]
    for name in wanted:
        assert LEFT[name] in asked["fail_msg"]
        for given, holds in (({}, False), (dict.fromkeys(LEFT, "x"), True)):
            assert Environment(autoescape=True).compile_expression(asked["that"])(**given) == holds


def test_those_that_need_a_run_are_seen() -> None:
    seen = {
        f"{path.parents[1].name} {path.stem}"
        for path in entries()
        for task in yaml.safe_load(path.read_text())
        if needed(task)
    }
    assert {"go_live main", "go_live begin", "go_live zero", "sign_off main"} <= seen


def named(listed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in listed:
        yield task
        for part in ("block", "rescue", "always"):
            yield from named(task.get(part) or [])


WITH_ACCOUNT = [
    (path, task, name)
    for path in sorted(ROLES.glob("*/tasks/*.yml"))
    for task in named(yaml.safe_load(path.read_text(encoding="utf-8")))
    for name in task
    if name.startswith("bytebot.production.") and ("kubeconfig" in task[name] or "module_defaults" in task)
]


def test_tasks_with_an_account_of_their_own_are_seen() -> None:
    assert {path.parents[1].name for path, _task, _name in WITH_ACCOUNT} == {
        "backup", "monitoring", "security_configuration",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "task", "name"), WITH_ACCOUNT, ids=lambda given: str(getattr(given, "stem", "")))
def test_the_cluster_of_the_play_stays_where_a_role_names_none(path: Path, task: dict[str, Any], name: str) -> None:
    """An option that is omitted takes that of ``module_defaults`` with it, and what is left is another cluster."""
    assert not {"kubeconfig", "context", "host", "api_key", "ca_cert"} & task[name].keys(), path
    (variable,) = [one for one in task["vars"] if one.endswith("_account")]
    own = {"backup_kubeconfig", "monitoring_apply_kubeconfig", "security_configuration_apply_kubeconfig"}
    said = task["module_defaults"][name].removeprefix("{{ ").removesuffix(" }}")
    for given, kubeconfig in (
        ({}, ""),
        ({"bytebot_kubeconfig": "/a"}, "/a"),
        ({"bytebot_kubeconfig": "/a", **dict.fromkeys(own, "/b")}, "/b"),
        (dict.fromkeys(own, ""), ""),
    ):
        account = Environment(autoescape=True).from_string(task["vars"][variable]).render(**given)
        found = Environment(autoescape=True).compile_expression(said)(**{variable: account})
        assert found == ({"kubeconfig": kubeconfig} if kubeconfig else {})
