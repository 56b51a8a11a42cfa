# Faults in Prometheus and in what stands for Grafana; each seen by their own APIs, asked directly.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import yaml

from sandbox import probe
from sandbox.components import grafana_stub, prometheus
from sandbox.faults.fault import Act, Fault, Hands, scaled
from sandbox.faults.keeping import Object, changed, looked_at, ready, restarted, restored, stamped, steps
from sandbox.handover import password

WHERE = "monitoring"
APPS, CORE = f"/apis/apps/v1/namespaces/{WHERE}", f"/api/v1/namespaces/{WHERE}"
SERVER, POD = f"{APPS}/statefulsets/prometheus", f"{CORE}/pods/prometheus-0"
CONFIG, RULES = f"{CORE}/configmaps/bytebot-prometheus-config", f"{CORE}/configmaps/bytebot-alert-rules"
GRAFANA, BOARDS = f"{APPS}/deployments/grafana-stub", f"{CORE}/configmaps/grafana-dashboards"
EXPORTER = f"{APPS}/deployments/object-state"
BOARD = "bytebot-overview"
COUNTER, RENAMED = "bytebot_api_requests_total", "bytebot_api_request_count"
# Nobody listens there.
NOBODY = 9
# Two rounds of scraping and one second more: what is younger comes from targets of now.
FRESH = "11s"
RETENTION = "--storage.tsdb.retention.time="
Config = dict[str, Any]


# ---------------------------------------------------------------------------- Prometheus


def _configured(change: Callable[[Config], None]) -> Act:
    """Another configuration, which Prometheus reads by itself as soon as its volume has it."""

    def change_text(config: Object) -> None:
        read = yaml.safe_load(config["data"]["prometheus.yml"])
        change(read)
        config["data"]["prometheus.yml"] = yaml.safe_dump(read, sort_keys=False)

    return changed(CONFIG, change_text, then=looked_at(POD))


def _not_readable(config: Object) -> None:
    config["data"]["prometheus.yml"] += "\nno_such_part: {}\n"


def _api_job(config: Config) -> Config:
    (found,) = [job for job in config["scrape_configs"] if job["job_name"] == "bytebot-api"]
    job: Config = found
    return job


def _other_label(config: Config) -> None:
    _api_job(config)["relabel_configs"][0]["regex"] = "bytebot-api-renamed;metrics"


def _at_another_port(config: Config) -> None:
    rule = {"source_labels": ["__address__"], "regex": "(.+):[0-9]+", "target_label": "__address__"}
    _api_job(config)["relabel_configs"].append({**rule, "replacement": f"$1:{NOBODY}"})


def _renamed(config: Config) -> None:
    rule = {"source_labels": ["__name__"], "regex": COUNTER, "target_label": "__name__", "replacement": RENAMED}
    _api_job(config)["metric_relabel_configs"] = [rule]


def _keeps_an_hour(server: Object) -> None:
    (one,) = server["spec"]["template"]["spec"]["containers"]
    one["args"] = [f"{RETENTION}1h" if word.startswith(RETENTION) else word for word in one["args"]]


def _silent(hands: Hands, name: str, port: int, path: str) -> bool:
    host = hands.cluster.service_address(WHERE, name)
    return probe.http_status(hands.settings, host, port, path) == probe.NOTHING


def _prometheus_silent(hands: Hands) -> bool:
    return _silent(hands, "prometheus", prometheus.PORT, "/-/ready")


def _reload_failed(hands: Hands) -> bool:
    """As it tells among its own metrics."""
    address = (hands.cluster.service_address(WHERE, "prometheus"), prometheus.PORT)
    _, said = probe.http_call(hands.settings, address, "GET", "/metrics", headers={})
    return "\nprometheus_config_last_reload_successful 0\n" in said


def ask(hands: Hands, path: str) -> Any:
    """What Prometheus tells: one that has just been started may not answer yet, and silence is no observation.

    :raises SandboxError: it does not answer within the bound.
    """
    told: list[Any] = []

    def answers() -> bool:
        told[:] = [prometheus.ask(hands, path)]
        return told != [None]

    hands.until(answers, "Prometheus answers")
    return told[0]


def _tells_an_hour(hands: Hands) -> bool:
    return str(ask(hands, "/api/v1/status/runtimeinfo")["storageRetention"]).startswith("1h")


def _targets(hands: Hands, job: str) -> list[str]:
    """The health of a job's targets."""
    told = ask(hands, "/api/v1/targets?state=active")
    return [one["health"] for one in told["activeTargets"] if one["labels"]["job"] == job]


def _series(hands: Hands, expression: str) -> list[Any]:
    """What an expression gives now."""
    return list(ask(hands, f"/api/v1/query?query={quote(expression)}")["result"])


def _target_down(hands: Hands) -> bool:
    return "down" in _targets(hands, "bytebot-api")


def _api_not_scraped(hands: Hands) -> bool:
    return not _targets(hands, "bytebot-api")


def _states_missing(hands: Hands) -> bool:
    """No target, and no state of any pod that is younger than two rounds."""
    return not _targets(hands, "kube-state-metrics") and not _series(hands, f"last_over_time(kube_pod_info[{FRESH}])")


def _only_under_another_name(hands: Hands) -> bool:
    former, now = (_series(hands, f"last_over_time({name}[{FRESH}])") for name in (COUNTER, RENAMED))
    return bool(now) and not former


# ---------------------------------------------------------------------------- Grafana


def _asks_nobody(grafana: Object) -> None:
    (one,) = grafana["spec"]["template"]["spec"]["containers"]
    for variable in one["env"]:
        if variable["name"] == "PROMETHEUS_URL":
            variable["value"] = f"http://127.0.0.1:{NOBODY}"


def _without_board(boards: Object) -> None:
    del boards["data"][f"{BOARD}.json"]


def _from_a_source_that_is_gone(boards: Object) -> None:
    boards["data"] = {
        name: text.replace('"uid": "prometheus"', '"uid": "prometheus-before"') for name, text in boards["data"].items()
    }


def _boards(change: Callable[[Object], None]) -> Act:
    return steps(changed(BOARDS, change), changed(GRAFANA, stamped, then=ready(GRAFANA)))


def _ask_grafana(hands: Hands, path: str) -> tuple[int, Any]:
    """Status and answer, as the account that may read and query.

    :raises SandboxError: it does not answer within the bound.
    """
    address = (hands.cluster.service_address(WHERE, "grafana"), grafana_stub.PORT)
    headers = {"Authorization": f"Bearer {password(hands.settings, grafana_stub.READER)}"}
    told: list[Any] = []

    def answers() -> bool:
        status, text = probe.http_call(hands.settings, address, "GET", path, headers=headers)
        told[:] = [status, json.loads(text) if text else {}]
        return status != probe.NOTHING

    hands.until(answers, "Grafana answers")
    return told[0], told[1]


def _grafana_silent(hands: Hands) -> bool:
    return _silent(hands, "grafana", grafana_stub.PORT, "/api/health")


def _source_unhealthy(hands: Hands) -> bool:
    status, told = _ask_grafana(hands, "/api/datasources/uid/prometheus/health")
    return status == HTTPStatus.BAD_REQUEST and told["status"] == "ERROR"


def _board_missing(hands: Hands) -> bool:
    return _ask_grafana(hands, f"/api/dashboards/uid/{BOARD}")[0] == HTTPStatus.NOT_FOUND


def _source_gone(hands: Hands) -> bool:
    """The source that the dashboard's first panel names is not there."""
    status, told = _ask_grafana(hands, f"/api/dashboards/uid/{BOARD}")
    if status != HTTPStatus.OK:
        return False
    uids = [panel["datasource"]["uid"] for panel in told["dashboard"]["panels"] if "datasource" in panel]
    return _ask_grafana(hands, f"/api/datasources/uid/{uids[0]}")[0] == HTTPStatus.NOT_FOUND


_CONFIG_BACK, _GRAFANA_BACK = restored(CONFIG, then=looked_at(POD)), restored(BOARDS, GRAFANA, then=ready(GRAFANA))

FAULTS = (
    Fault(
        name="prometheus_stopped", says="Prometheus does not run", layer="cluster", component="prometheus",
        put=scaled(SERVER, 0), heal=scaled(SERVER, 1), seen=_prometheus_silent,
        turns_red=("infrastructure.monitoring.prometheus",),
    ),
    Fault(
        name="prometheus_bad_config", says="Prometheus cannot read its new configuration and goes on with the old one",
        layer="cluster", component="prometheus", put=changed(CONFIG, _not_readable, then=looked_at(POD)),
        heal=_CONFIG_BACK, seen=_reload_failed,
        turns_red=("infrastructure.monitoring.prometheus",),
    ),
    Fault(
        name="prometheus_retention_short", says="Prometheus keeps an hour only", layer="cluster",
        component="prometheus", put=changed(SERVER, _keeps_an_hour, then=restarted(SERVER)),
        heal=restored(SERVER, then=restarted(SERVER)), seen=_tells_an_hour,
        turns_red=("infrastructure.monitoring.prometheus",),
    ),
    Fault(
        name="target_down", says="Prometheus asks the API's pods at a port where nothing listens", layer="cluster",
        component="prometheus", put=_configured(_at_another_port), heal=_CONFIG_BACK, seen=_target_down,
        turns_red=("monitoring.metrics.scraped",),
    ),
    Fault(
        name="service_monitor_label_wrong", says="the rule that chooses the API's targets matches no Service",
        layer="cluster", component="prometheus", put=_configured(_other_label), heal=_CONFIG_BACK,
        seen=_api_not_scraped,
        turns_red=("monitoring.metrics.scraped",),
    ),
    Fault(
        name="exporter_missing", says="the exporter of objects' states does not run", layer="cluster",
        component="object-state", put=scaled(EXPORTER, 0), heal=scaled(EXPORTER, 1), seen=_states_missing,
        turns_red=("monitoring.metrics.system", "monitoring.metrics.dashboards"),
    ),
    Fault(
        name="metric_renamed", says="a metric of the dashboards has another name since the last scrape",
        layer="cluster", component="prometheus", put=_configured(_renamed), heal=_CONFIG_BACK,
        seen=_only_under_another_name,
        turns_red=("monitoring.metrics.business", "monitoring.metrics.dashboards"),
    ),
    Fault(
        name="grafana_down", says="Grafana does not run", layer="cluster", component="grafana-stub",
        put=scaled(GRAFANA, 0), heal=scaled(GRAFANA, 1), seen=_grafana_silent,
        turns_red=("infrastructure.monitoring.grafana",),
    ),
    Fault(
        name="grafana_data_source_broken", says="Grafana's data source leads to where nothing listens", layer="cluster",
        component="grafana-stub", put=changed(GRAFANA, _asks_nobody, then=ready(GRAFANA)), heal=_GRAFANA_BACK,
        seen=_source_unhealthy,
        turns_red=("infrastructure.monitoring.grafana",),
    ),
    Fault(
        name="grafana_data_source_gone", says="the dashboards ask a data source that Grafana does not have",
        layer="cluster", component="grafana-stub", put=_boards(_from_a_source_that_is_gone), heal=_GRAFANA_BACK,
        seen=_source_gone,
        turns_red=("monitoring.metrics.dashboards",),
    ),
    Fault(
        name="grafana_dashboard_deleted", says="a dashboard is gone", layer="cluster", component="grafana-stub",
        put=_boards(_without_board), heal=_GRAFANA_BACK, seen=_board_missing,
        turns_red=("infrastructure.monitoring.grafana",),
    ),
)  # fmt: skip
