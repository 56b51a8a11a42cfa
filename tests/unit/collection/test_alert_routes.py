# Alertmanager's routing tree is followed as amtool follows it, and what cannot be followed is said.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.bytebot.production.plugins.module_utils.checks.alert_routes import (
    NotUnderstood,
    integrations,
    parsed,
    reached,
)

AMTOOL = Path(__file__).parents[3] / ".sandbox" / "bin" / "amtool"
needs_amtool = pytest.mark.skipif(not AMTOOL.is_file(), reason="amtool is not built: make sandbox-up PROFILE=full")
CRITICAL = {"severity": "critical"}


def receivers(root: dict[str, Any], **labels: str) -> list[str]:
    return [one.receiver for one in reached(root, labels)]


def tree(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"receiver": "top", "routes": list(routes)}


@pytest.mark.parametrize(
    ("routes", "found"),
    [
        ([], ["top"]),
        ([{"receiver": "a", "match": CRITICAL}], ["a"]),
        ([{"receiver": "a", "match_re": {"severity": "crit"}}], ["top"]),  # the whole value must match
        ([{"receiver": "a", "match_re": {"severity": "crit.*|warning"}}], ["a"]),
        ([{"receiver": "a", "matchers": ['severity="critical"', 'team=~"|ops"']}], ["a"]),  # one that is not there
        ([{"receiver": "a", "matchers": ["severity = critical, team != web"]}], ["a"]),
        ([{"receiver": "a", "matchers": ['{severity=~"critical|page", team!~".+"}']}], ["a"]),
        ([{"receiver": "a", "matchers": ['alertname="Watchdog"']}], ["top"]),
        ([{"receiver": "a"}], ["a"]),  # a route without a condition takes all
        ([{"receiver": "a", "match": CRITICAL}, {"receiver": "b"}], ["a"]),
        ([{"receiver": "a", "match": CRITICAL, "continue": True}, {"receiver": "b"}], ["a", "b"]),
        ([{"match": CRITICAL}], ["top"]),  # what a route does not say it has from its parent
        ([{"receiver": "a", "match": CRITICAL, "routes": [{"receiver": "b", "match": {"team": "x"}}]}], ["a"]),
        ([{"receiver": "a", "match": CRITICAL, "routes": [{"receiver": "b"}]}], ["b"]),
        ([{"receiver": "a", "match": CRITICAL, "routes": [{"receiver": "b", "continue": True}]}, {}], ["b"]),
    ],
)  # fmt: skip
def test_an_alert_reaches(routes: list[dict[str, Any]], found: list[str]) -> None:
    assert receivers(tree(*routes), severity="critical") == found


def test_a_route_that_is_muted_at_times_says_so() -> None:
    told = reached(tree({"receiver": "a", "match": CRITICAL, "mute_time_intervals": ["night"]}), CRITICAL)
    assert [(one.receiver, one.timed, one.path) for one in told] == [("a", True, 'route > severity="critical"')]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=b", [("a", "=", "b")]),
        ('a="b c"', [("a", "=", "b c")]),
        ('a = "b, c" , d!~"e"', [("a", "=", "b, c"), ("d", "!~", "e")]),
        (r'a="say \"x\" \\ "', [("a", "=", 'say "x" \\ ')]),
        ('{"grpc.method"=~"get.*"}', [("grpc.method", "=~", "get.*")]),
        ("a=", [("a", "=", "")]),
        ("a=b c", [("a", "=", "b c")]),
    ],
)
def test_matchers_are_read_in_all_their_forms(text: str, found: list[tuple[str, str, str]]) -> None:
    assert [(one.name, one.how, one.value) for one in parsed(text)] == found


@pytest.mark.parametrize("text", ["", "{}", "severity", '"critical"', "a==b", "a=~(", r'a=~"\pL+"', 'a="b" c="d"'])
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(NotUnderstood):
        reached(tree({"receiver": "a", "matchers": [text]}), CRITICAL)


def test_only_what_is_configured_is_an_integration() -> None:
    assert integrations({"name": "a", "email_configs": [{"to": "x"}], "webhook_configs": []}) == ["email"]
    assert integrations({"name": "a"}) == []


# ---------------------------------------------------------------------- against Alertmanager itself

LABELS = {"severity": ["critical", "warning", "info"], "team": ["ops", "web"], "zone": ["a", "b c"]}
conditions = st.builds(
    lambda name, how, at: f'{name}{how}"{LABELS[name][at % len(LABELS[name])]}{".*" if "~" in how else ""}"',
    st.sampled_from(sorted(LABELS)),
    st.sampled_from(["=", "!=", "=~", "!~"]),
    st.integers(0, 2),
)


def routes(below: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    one = st.fixed_dictionaries(
        {"receiver": st.sampled_from("abcd"), "matchers": st.lists(conditions, max_size=2)},
        optional={"continue": st.booleans(), "routes": below},
    )
    return st.lists(one, max_size=3)


trees = st.recursive(st.just([]), routes, max_leaves=6)


@needs_amtool
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(below=trees, alert=st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in LABELS.items()}))
def test_any_tree_is_followed_as_amtool_does(below: Any, alert: dict[str, str], tmp_path: Path) -> None:
    config = {
        "route": {"receiver": "top", "routes": below},
        "receivers": [{"name": name} for name in ("top", "a", "b", "c", "d")],
    }
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    given_labels = [f'{name}="{value}"' for name, value in alert.items()]
    command = [str(AMTOOL), "config", "routes", "test", f"--config.file={file}", *given_labels]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert ",".join(receivers(config["route"], **alert)) == said
