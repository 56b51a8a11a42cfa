# Faults on the way of alerts: Prometheus' rules, Alertmanager and its routes; each seen by what becomes of an alert.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import yaml

from sandbox import probe
from sandbox.components import alertmanager
from sandbox.faults.fault import Act, Fault, Hands, scaled
from sandbox.faults.keeping import Object, changed, looked_at, restarted, restored
from sandbox.faults.monitoring import CORE, NOBODY, POD, RULES, WHERE, ask
from sandbox.files import b64

SERVER, CONFIG = f"/apis/apps/v1/namespaces/{WHERE}/statefulsets/alertmanager", f"{CORE}/secrets/alertmanager"
JSON = {"Content-Type": "application/json"}
RULE, ALWAYS = "BytebotServiceDown", "Watchdog"
POOL, NOWHERE = "BytebotDatabaseConnectionHigh", "bytebot_database_pool_used"
CRITICAL, DEFAULT, BLACKHOLE = "critical-alerts", "default-receiver", "blackhole"
# By these words what a fault or its observation has made is known again.
MADE_BY, TRIED = "a fault of the sandbox", "SandboxTried"
FAILED = re.compile(r'(?m)^alertmanager_notification_requests_failed_total\{integration="webhook".*\} (\S+)$')
STARTED = re.compile(r"(?m)^process_start_time_seconds (\S+)$")
Config = dict[str, Any]


# ---------------------------------------------------------------------------- rules


def _ruled(name: str, change: Callable[[Object], None] | None) -> Act:
    """Change a rule, or take it away."""

    def change_files(rules: Object) -> None:
        for file, text in rules["data"].items():
            read = yaml.safe_load(text)
            for group in read["groups"]:
                for rule in [one for one in group["rules"] if one["alert"] == name]:
                    if change:
                        change(rule)
                    else:
                        group["rules"].remove(rule)
            rules["data"][file] = yaml.safe_dump(read, sort_keys=False)

    return changed(RULES, change_files, then=looked_at(POD))


def _asks(expression: str) -> Callable[[Object], None]:
    return lambda rule: rule.update(expr=expression)


def _rules(hands: Hands) -> dict[str, list[str]]:
    """The health of all rules of each name."""
    found: dict[str, list[str]] = {}
    for group in ask(hands, "/api/v1/rules")["groups"]:
        for rule in group["rules"]:
            found.setdefault(rule["name"], []).append(rule["health"])
    return found


def _rule_fails(hands: Hands) -> bool:
    return "err" in _rules(hands).get(RULE, [])


def _rule_gone(hands: Hands) -> bool:
    found = _rules(hands)
    return ALWAYS in found and RULE not in found


def _never_fires(hands: Hands) -> bool:
    """The rule that always fires is evaluated, and there is no alert of it."""
    firing = {alert["labels"]["alertname"] for alert in ask(hands, "/api/v1/alerts")["alerts"]}
    return _rules(hands).get(ALWAYS) == ["ok"] and ALWAYS not in firing


def _asks_for_nothing(hands: Hands) -> bool:
    """A rule is loaded that asks for a metric which nothing has."""
    groups = ask(hands, "/api/v1/rules")["groups"]
    return any(NOWHERE in rule.get("query", "") for group in groups for rule in group["rules"])


# ---------------------------------------------------------------------------- Alertmanager


def _configured(change: Callable[[Config], None]) -> Act:
    def change_text(secret: Object) -> None:
        read = yaml.safe_load(base64.b64decode(secret["data"]["alertmanager.yml"]))
        change(read)
        secret["data"]["alertmanager.yml"] = b64(yaml.safe_dump(read, sort_keys=False))

    return changed(CONFIG, change_text, then=restarted(SERVER))


def _named(found: list[Config], key: str, name: str) -> Config:
    (one,) = [entry for entry in found if entry[key] == name]
    return one


def _no_receiver(config: Config) -> None:
    config["receivers"] = [one for one in config["receivers"] if one["name"] != CRITICAL]
    config["route"]["routes"] = [one for one in config["route"]["routes"] if one["receiver"] != CRITICAL]


def _to_nobody(config: Config) -> None:
    config["receivers"].append({"name": BLACKHOLE})
    _named(config["route"]["routes"], "receiver", CRITICAL)["receiver"] = BLACKHOLE


def _to_a_closed_port(config: Config) -> None:
    (webhook,) = _named(config["receivers"], "name", CRITICAL)["webhook_configs"]
    webhook["url"] = webhook["url"].replace(":8080/", f":{NOBODY}/")


def _once_to_one(config: Config) -> None:
    """Who is told by mail and does not look is not told again, and nobody else is."""
    _named(config["route"]["routes"], "receiver", CRITICAL)["repeat_interval"] = "30d"
    receiver = _named(config["receivers"], "name", CRITICAL)
    for others in [key for key in receiver if key not in {"name", "email_configs"}]:
        del receiver[others]


def _hidden_by_what_always_fires(config: Config) -> None:
    config["inhibit_rules"] = [
        {"source_matchers": [f'alertname="{ALWAYS}"'], "target_matchers": ['severity="critical"']}
    ]


def _ask(hands: Hands, method: str, path: str, body: Any = None) -> Any:
    """Its answer: one that has just been started may not answer yet, and silence is no observation.

    :raises SandboxError: it does not answer with success within the bound.
    """
    address = (hands.cluster.service_address(WHERE, "alertmanager"), alertmanager.PORT)
    text, told = json.dumps(body) if body is not None else "", [""]

    def answers() -> bool:
        status, told[0] = probe.http_call(hands.settings, address, method, f"/api/v2{path}", body=text, headers=JSON)
        return status == HTTPStatus.OK

    hands.until(answers, f"Alertmanager answers to {method} {path}")
    return json.loads(told[0]) if told[0].strip() else None


def _tell(hands: Hands, name: str, severity: str) -> None:
    """An alert that ends by itself two minutes later."""
    end = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=2)).isoformat()
    labels = {"alertname": name, "severity": severity}
    _ask(hands, "POST", "/alerts", [{"labels": labels, "endsAt": end}])


def _becomes(hands: Hands, name: str = TRIED) -> Object:
    """What Alertmanager makes of a critical alert, as soon as it has made up its mind."""
    told: list[Object] = []

    def known() -> bool:
        _tell(hands, ALWAYS, "none")
        _tell(hands, name, "critical")
        told[:] = _ask(hands, "GET", f"/alerts?filter=alertname%3D{name}")
        return bool(told) and told[0]["status"]["state"] != "unprocessed"

    hands.until(known, "Alertmanager tells of a critical alert")
    return told[0]


def held(hands: Hands, name: str) -> bool:
    """Whether Alertmanager holds an alert of a name now."""
    return bool(_ask(hands, "GET", f"/alerts?filter=alertname%3D{name}"))


def _goes_to(receiver: str) -> Callable[[Hands], bool]:
    return lambda hands: [one["name"] for one in _becomes(hands).get("receivers", [])] == [receiver]


def _hidden_by(what: str) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        status = _becomes(hands)["status"]
        return status["state"] == "suppressed" and bool(status[what])

    return seen


def _webhook_fails(hands: Hands) -> bool:
    """The webhooks that Alertmanager has tried since its start have failed; one alert of each start lets it try."""
    began = _metric(hands, STARTED)
    _becomes(hands, f"{TRIED}{int(began[0]) if began else 0}")
    return any(number > 0 for number in _metric(hands, FAILED))


def _metric(hands: Hands, pattern: re.Pattern[str]) -> list[float]:
    address = (hands.cluster.service_address(WHERE, "alertmanager"), alertmanager.PORT)
    _, said = probe.http_call(hands.settings, address, "GET", "/metrics", headers={})
    return [float(number) for number in pattern.findall(said)]


def _one_level(hands: Hands) -> bool:
    """By the configuration that it has loaded: the critical receiver has one way, and is told once."""
    told = _ask(hands, "GET", "/status")
    read = yaml.safe_load(told["config"]["original"])
    ways = [key for key in _named(read["receivers"], "name", CRITICAL) if key.endswith("_configs")]
    return len(ways) == 1 and _named(read["route"]["routes"], "receiver", CRITICAL)["repeat_interval"] == "30d"


def _alertmanager_silent(hands: Hands) -> bool:
    host = hands.cluster.service_address(WHERE, "alertmanager")
    return probe.http_status(hands.settings, host, alertmanager.PORT, "/-/ready") == probe.NOTHING


def _silences(hands: Hands) -> list[str]:
    """Ids of the silences that the fault has made and that still hold."""
    told = _ask(hands, "GET", "/silences")
    return [one["id"] for one in told if one["comment"] == MADE_BY and one["status"]["state"] != "expired"]


def _silence(hands: Hands) -> None:
    if _silences(hands):
        return
    now = datetime.datetime.now(datetime.UTC)
    matcher = {"name": "severity", "value": "critical", "isRegex": False, "isEqual": True}
    body = {"matchers": [matcher], "comment": MADE_BY, "createdBy": "sandbox", "startsAt": now.isoformat()}
    _ask(hands, "POST", "/silences", {**body, "endsAt": (now + datetime.timedelta(days=1)).isoformat()})
    hands.until(lambda: bool(_silences(hands)), "the silence holds")


def _unsilence(hands: Hands) -> None:
    for one in _silences(hands):
        _ask(hands, "DELETE", f"/silence/{one}")
    hands.until(lambda: not _silences(hands), "no silence of a fault holds")


_CONFIG_BACK, _RULES_BACK = restored(CONFIG, then=restarted(SERVER)), restored(RULES, then=looked_at(POD))

FAULTS = (
    Fault(
        name="alert_rule_errors", says="an alert's rule ends in an error whenever it is evaluated", layer="cluster",
        component="prometheus", put=_ruled(RULE, _asks("up * on (cluster) up == 0")), heal=_RULES_BACK,
        seen=_rule_fails,
        turns_red=("monitoring.alerting.rules",),
    ),
    Fault(
        name="alert_rule_missing", says="a documented alert has no rule", layer="cluster", component="prometheus",
        put=_ruled(RULE, None), heal=_RULES_BACK, seen=_rule_gone,
        turns_red=("monitoring.alerting.rules",),
    ),
    Fault(
        name="alert_rule_never_fires", says="the alert that must always fire has a condition that never holds",
        layer="cluster", component="prometheus", put=_ruled(ALWAYS, _asks("vector(1) > 1")), heal=_RULES_BACK,
        seen=_never_fires,
        turns_red=("monitoring.alerting.trigger",),
    ),
    Fault(
        name="review_rule_cannot_fire", says="an alert's rule asks for a metric that nothing has", layer="cluster",
        component="prometheus", put=_ruled(POOL, _asks(f"{NOWHERE} > 80")), heal=_RULES_BACK, seen=_asks_for_nothing,
        turns_red=("post_go_live.day_monitoring.alerts",), playbook="review",
    ),
    Fault(
        name="alertmanager_down", says="Alertmanager does not run", layer="cluster", component="alertmanager",
        put=scaled(SERVER, 0), heal=scaled(SERVER, 1), seen=_alertmanager_silent,
        turns_red=("infrastructure.monitoring.alertmanager",),
    ),
    Fault(
        name="alertmanager_receiver_removed", says="the receiver of critical alerts and its route are gone",
        layer="cluster", component="alertmanager", put=_configured(_no_receiver), heal=_CONFIG_BACK,
        seen=_goes_to(DEFAULT),
        turns_red=("infrastructure.monitoring.alertmanager",),
    ),
    Fault(
        name="alertmanager_route_blackhole", says="critical alerts are routed to a receiver that tells nobody",
        layer="cluster", component="alertmanager", put=_configured(_to_nobody), heal=_CONFIG_BACK,
        seen=_goes_to(BLACKHOLE),
        turns_red=("infrastructure.monitoring.alertmanager",),
    ),
    Fault(
        name="receiver_url_wrong", says="the webhook of critical alerts leads to where nothing listens",
        layer="cluster", component="alertmanager", put=_configured(_to_a_closed_port), heal=_CONFIG_BACK,
        seen=_webhook_fails,
        turns_red=("monitoring.alerting.delivery",),
    ),
    Fault(
        name="alert_silenced", says="a silence hides all critical alerts", layer="cluster", component="alertmanager",
        put=_silence, heal=_unsilence, seen=_hidden_by("silencedBy"),
        turns_red=("monitoring.alerting.delivery",),
    ),
    Fault(
        name="alert_inhibited", says="an alert that always fires hides all critical ones", layer="cluster",
        component="alertmanager", put=_configured(_hidden_by_what_always_fires), heal=_CONFIG_BACK,
        seen=_hidden_by("inhibitedBy"),
        turns_red=("monitoring.alerting.delivery",),
    ),
    Fault(
        name="escalation_one_level", says="critical alerts go out once and by mail only", layer="cluster",
        component="alertmanager", put=_configured(_once_to_one), heal=_CONFIG_BACK, seen=_one_level,
        turns_red=("monitoring.alerting.delivery", "monitoring.alerting.escalation"),
    ),
)  # fmt: skip
