# What the inventory says of a Secret reaches the module that keeps it, whenever the role deployment keeps it.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment

from ansible_collections.bytebot.production.plugins.module_utils.argspec_secret import SECRET_ARGS

TASKS = Path(__file__).parents[3] / "roles" / "deployment" / "tasks"
MODULE = "bytebot.production.generated_secret"
# What a task says itself.
OWN = {"namespace", "state", "replace", "restart_workloads", "restart_timeout"}


def keeping(name: str) -> dict[str, Any]:
    (task,) = [one for one in yaml.safe_load((TASKS / name).read_text(encoding="utf-8")) if MODULE in one]
    return dict(task)


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("prepare.yml", "deployment_secret"),
        ("rotate.yml", "deployment_rotate_secret"),
        ("follow.yml", "deployment_changed"),
    ],
)
def test_all_that_is_said_of_a_secret_is_kept(name: str, secret: str) -> None:
    given = keeping(name)[MODULE]
    left = {
        option for option in SECRET_ARGS.keys() - OWN - {"name"} if f"{secret}.{option} " not in str(given.get(option))
    }
    assert left == ({"certificate_request"} if name == "follow.yml" else set())


@pytest.mark.parametrize(
    ("secret", "follows"),
    [
        ({"data": {"a": {"value": "x"}}}, True),
        ({"data": {"a": {"value": "x"}}, "certificate_request": None}, True),
        ({"certificate_request": {"issuer": {"name": "letsencrypt"}, "dns_names": ["api.example"]}}, False),
    ],
)
def test_what_cert_manager_fills_is_not_kept_by_its_values(secret: dict[str, Any], follows: bool) -> None:
    """Its values come later and from there: without the request there is nothing to keep, which ends the module."""
    said = [one for one in keeping("follow.yml")["when"] if "certificate_request" in one]
    render = Environment(autoescape=True).compile_expression
    assert all(render(one)(deployment_changed=secret) for one in said) == follows
