# The documented alerts and their routing: as the documents list them, and tried by promtool and amtool.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.components import alertmanager, grafana_stub, prometheus
from sandbox.files import render
from sandbox.pods.object_state.exporter import FAMILIES
from sandbox.settings import load
from tests.unit.sandbox.alert_cases import CASES, Case

# Group, alert, how long it must hold, severity: the product's documents.
DOCUMENTED = {
    ("bytebot-critical", "BytebotServiceDown", "2m", "critical"),
    ("bytebot-critical", "BytebotHighErrorRate", "5m", "critical"),
    ("bytebot-critical", "BytebotDatabaseConnectionFailure", "1m", "critical"),
    ("bytebot-critical", "BytebotHighMemoryUsage", "10m", "critical"),
    ("bytebot-warning", "BytebotHighResponseTime", "10m", "warning"),
    ("bytebot-warning", "BytebotHighTaskFailureRate", "10m", "warning"),
    ("bytebot-warning", "BytebotTaskQueueBacklog", "15m", "warning"),
    ("bytebot-warning", "BytebotHighDiskUsage", "10m", "warning"),
    ("bytebot.rules", "BytebotAPIDown", "2m", "critical"),
    ("bytebot.rules", "BytebotHighErrorRate", "5m", "warning"),
    ("bytebot.rules", "BytebotDatabaseConnectionHigh", "5m", "warning"),
    ("bytebot.rules", "BytebotHighMemoryUsage", "10m", "warning"),
    ("bytebot.rules", "BytebotHighResponseTime", "10m", "warning"),
    ("bytebot.rules", "BytebotTaskProcessingFailed", "5m", "warning"),
    ("bytebot-security", "HighFailedAuthRate", "1m", "warning"),
    ("bytebot-security", "CORSViolations", "2m", "warning"),
    ("bytebot-security", "RateLimitExceeded", "1m", "info"),
}
RUNBOOKS = {"service-down", "high-error-rate", "database-issues", "memory-issues"}
# What the application exports by its documents.
APPLICATION = {
    "bytebot_tasks_total", "bytebot_task_duration_seconds_bucket", "bytebot_computer_operations_total",
    "bytebot_api_requests_total", "bytebot_database_connections_active", "bytebot_database_connections_max",
    "bytebot_task_queue_length", "http_request_duration_ms_bucket", "http_request_duration_seconds_bucket",
    "http_requests_total", "auth_attempts_total", "cors_violations_total", "rate_limit_exceeded_total",
    "active_sessions_total", "security_events_total", "nodejs_heap_size_used_bytes", "nodejs_heap_size_total_bytes",
}  # fmt: skip
PLATFORM = {
    "up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes", "container_cpu_usage_seconds_total", *FAMILIES,
}  # fmt: skip


def groups() -> list[dict[str, Any]]:
    return [group for text in prometheus.rules().values() for group in yaml.safe_load(text)["groups"]]


def rules() -> list[tuple[str, dict[str, Any]]]:
    return [(group["name"], rule) for group in groups() for rule in group["rules"]]


def program(name: str) -> str:
    """One that the sandbox has built, or that is installed."""
    built = load().bin / name
    found = str(built) if built.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"{name} is built with the profile `full`")
    return found


def run(*words: str, cwd: Path | None = None) -> str:
    """What a program says when all is well with it."""
    done = subprocess.run(words, cwd=cwd, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_alerts_are_those_of_the_documents() -> None:
    told = {(group, r["alert"], r["for"], r["labels"]["severity"]) for group, r in rules() if group != "sandbox"}
    assert told == DOCUMENTED
    assert any(r["alert"] == "Watchdog" and r["expr"] == "vector(1)" for group, r in rules() if group == "sandbox")


def test_alerts_say_what_is_wrong_and_critical_ones_what_to_do() -> None:
    for group, rule in rules():
        notes = rule["annotations"]
        assert {"summary", "description"} <= set(notes), rule["alert"]
        link = notes.get("runbook_url", "")
        if link:
            assert link.removeprefix("https://docs.bytebot.test/runbooks/") in RUNBOOKS
        assert link or rule["labels"]["severity"] != "critical", (group, rule["alert"])


def test_rules_and_dashboards_ask_for_series_that_somebody_exports() -> None:
    boards = [json.loads(text) for text in grafana_stub.dashboards().values()]
    asked = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for _, rule in rules()]
    names = {name for text in asked for name in re.findall(r"\b([a-z][a-z0-9_]*)(?=[{\[]| ==| >| /)", text)}
    assert names - APPLICATION - PLATFORM == set()
    assert len(names) > 20


# ------------------------------------------------------------------ promtool


def test_every_alert_has_a_case() -> None:
    assert {(case.group, case.alert) for case in CASES} == {(group, rule["alert"]) for group, rule in rules()}


def trial(case: Case, series: dict[str, str], at: str, states: list[str]) -> dict[str, Any]:
    """The states of the case's own alert, told apart from its namesake by its severity."""
    (severity,) = {r["labels"]["severity"] for group, r in rules() if (group, r["alert"]) == (case.group, case.alert)}
    expression = f'count by (alertstate) (ALERTS{{alertname="{case.alert}", severity="{severity}"}})'
    samples = [{"labels": f'{{alertstate="{state}"}}', "value": 1} for state in states]
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": samples}],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.group}-{case.alert}")
def test_an_alert_fires_for_its_cause_after_its_time_and_not_else(case: Case, tmp_path: Path) -> None:
    promtool = program("promtool")
    file = next(p for p in prometheus.RULES.glob("*.yml") if f"name: {case.group}\n" in p.read_text())
    tests = [trial(case, case.ill, "40m", ["firing"])]
    if case.before:
        tests += [trial(case, case.ill, case.before, ["pending"]), trial(case, case.well, "40m", [])]
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": [str(file)], "tests": tests}))
    run(promtool, "test", "rules", "tests.yml", cwd=tmp_path)


def test_promtool_takes_the_rules() -> None:
    files = [str(path) for path in prometheus.RULES.glob("*.yml")]
    run(program("promtool"), "check", "rules", "--lint-fatal", *files)


def configuration() -> str:
    return render(prometheus.FOLDER / "prometheus.yml.j2", {"s": load()})


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(configuration())
    run(program("promtool"), "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


def test_jobs_are_the_documented_ones_and_those_that_are_waited_for() -> None:
    config = yaml.safe_load(configuration())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    documented = {"bytebot-api", "bytebot-worker", "bytebot-websocket"}
    assert set(jobs) == {*documented, "bytebot-scheduler"} | prometheus.OWN_JOBS
    assert config["global"]["scrape_interval"] == load().scrape_interval
    for name in ("bytebot-api", "bytebot-worker", "bytebot-websocket"):
        (found,) = jobs[name]["kubernetes_sd_configs"]
        assert found["namespaces"]["names"] == ["bytebot-production"]
        (kept,) = [rule for rule in jobs[name]["relabel_configs"] if rule.get("action") == "keep"]
        assert kept["regex"] == f"{name};metrics"


# ------------------------------------------------------------------ Alertmanager


def test_the_routing_is_the_documented_one() -> None:
    route = yaml.safe_load(alertmanager.CONFIG.read_text())["route"]
    assert route["group_by"] == ["alertname", "cluster", "service"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("10s", "10s", "1h")
    below = {one["receiver"]: (one["group_wait"], one["repeat_interval"]) for one in route["routes"]}
    assert below == {"critical-alerts": ("5s", "5m"), "warning-alerts": ("30s", "30m")}


def test_every_receiver_is_told_of_the_end_too() -> None:
    receivers = yaml.safe_load(alertmanager.CONFIG.read_text())["receivers"]
    assert {one["name"] for one in receivers} == set(alertmanager.RECEIVERS)
    ways = [way for one in receivers for key, value in one.items() if key.endswith("_configs") for way in value]
    assert ways
    assert all(way["send_resolved"] for way in ways)
    (critical,) = [one for one in receivers if one["name"] == "critical-alerts"]
    assert critical["slack_configs"][0]["channel"] == "#critical-alerts"
    assert all(one["email_configs"] for one in receivers)


@pytest.mark.parametrize(
    ("severity", "receiver"),
    [
        ("critical", "critical-alerts"),
        ("warning", "warning-alerts"),
        ("info", "default-receiver"),
        ("none", "default-receiver"),
    ],
)
def test_amtool_routes_by_severity(severity: str, receiver: str) -> None:
    words = ("config", "routes", "test", f"--config.file={alertmanager.CONFIG}", f"severity={severity}")
    assert run(program("amtool"), *words) == receiver
