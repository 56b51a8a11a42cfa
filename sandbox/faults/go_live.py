# Faults that show only before a go-live: what was left of examples, and what nobody noticed until it was asked for.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandbox.faults import app_sign_in, desktop, live
from sandbox.faults.fault import NAMESPACE, Fault, Hands
from sandbox.faults.keeping import Object, as_it_was, changed, placed, ready, restored, stamped, steps
from sandbox.faults.monitoring import BOARD, BOARDS, GRAFANA

END_TO_END, LOAD = "go_live.testing.end_to_end", "go_live.testing.load"
DASHBOARDS, CHANNELS, BACKUP = (f"go_live.t_minus_2h.{item}" for item in ("dashboards", "channels", "backup"))
DEPLOY, HEALTH, ENDPOINTS, SMOKE = (f"go_live.t_zero.{item}" for item in ("deploy", "health", "endpoints", "smoke"))
PLACEHOLDERS = "go_live.review.placeholders"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
SPARE_MAP, SPARE_SECRET = f"{CORE}/configmaps/bytebot-spare", f"{CORE}/secrets/bytebot-spare"
SPARE_INGRESS = f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}/ingresses/bytebot-spare"
DRILLS = f"{CORE}/configmaps/bytebot-restore-drills"
DAY_S = 86_400
STAGE = "go_live"  # the play that judges these stages alone
EXAMPLE = "https://support.example.com"


def _object(kind: str, api_version: str = "v1", **more: Any) -> Object:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "bytebot-spare", "namespace": NAMESPACE},
        **more,
    }


def _released(hands: Hands) -> str:
    """Where helm keeps the revision that is deployed."""
    found = hands.cluster.get(f"{CORE}/secrets?labelSelector=owner%3Dhelm%2Cname%3Dbytebot%2Cstatus%3Ddeployed") or {}
    newest = max(found["items"], key=lambda one: int(one["metadata"]["labels"]["version"]))
    return f"{CORE}/secrets/{newest['metadata']['name']}"


def _example_kept(record: Object) -> None:
    """A value that nobody replaced, in helm's own record."""
    stored = base64.b64decode(base64.b64decode(record["data"]["release"]))
    release = json.loads(gzip.decompress(stored))
    release["config"] = {**(release.get("config") or {}), "supportUrl": EXAMPLE}
    packed = base64.b64encode(gzip.compress(json.dumps(release).encode()))
    record["data"]["release"] = base64.b64encode(packed).decode()


def _rule(host: str) -> Object:
    backend = {"service": {"name": "bytebot-api", "port": {"name": "http"}}}
    return {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}


def _other_values(_: Hands) -> Mapping[str, Any]:
    """Another release, of which the run goes on from what was judged of the one before."""
    return {"bytebot_values": {"monitoring": {"logging": {"level": "warn"}}}, "run_carry": True}


def _busier_production(_: Hands) -> Mapping[str, Any]:
    load = {"users": 8, "think_time": 0.8, "warm_up": 2, "soak": 20, "levels": 2, "level_seconds": 4, "sign_ins": 8}
    return {"bytebot_load": {**load, "production_rate": 60}}


def _panel_asks_for_nothing(boards: Object) -> None:
    board = json.loads(boards["data"][f"{BOARD}.json"])
    panel = next(one for one in board["panels"] if one.get("targets"))
    panel["targets"][0]["expr"] = "sum(rate(bytebot_metric_of_before_total[5m]))"
    boards["data"][f"{BOARD}.json"] = json.dumps(board)


def _channel(**fields: Any) -> Callable[[Hands], Mapping[str, Any]]:
    return lambda _: {"bytebot_channels": [{"name": "go-live room", **fields}]}


def _a_day_ago(hands: Hands) -> None:
    """Every backup that a drill restored is a day older than it was."""
    former = time.time() - DAY_S
    one = {"kind": "database", "source": "the regular backup", "at": former, "made": former, "passed": True}
    if as_it_was(hands, DRILLS) is None:
        meta = {"name": "bytebot-restore-drills", "namespace": NAMESPACE}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"records": json.dumps([one])}}
        placed(DRILLS, body)(hands)
        return

    def older(kept: Object) -> None:
        records = json.loads(kept["data"]["records"])
        aged = [{**each, "at": each["at"] - DAY_S, "made": each["made"] - DAY_S} for each in records]
        kept["data"]["records"] = json.dumps([*aged, one])

    changed(DRILLS, older)(hands)


def drilled_within(hands: Hands, seconds: float) -> bool:
    """Whether a restore drill passed in so many seconds before now, as its register says."""
    found = hands.cluster.get(DRILLS)
    records = json.loads(found["data"]["records"]) if found else []
    return any(one.get("passed") and time.time() - one["at"] < seconds for one in records)


def _at_go_live(faults: Iterable[Fault], known: str, name: str, *turns_red: str, **changes: Any) -> Fault:
    """A fault of another section, as it shows in the last stages."""
    (fault,) = [one for one in faults if one.name == known]
    return dataclasses.replace(fault, name=name, turns_red=turns_red, playbook=STAGE, **changes)


def _impatient(_: Hands) -> Mapping[str, Any]:
    return {"go_live_task_timeout": 10}


FAULTS = (
    Fault(
        name="dashboard_panel_empty", says="a panel of a dashboard asks for a metric that nobody has", layer="cluster",
        component="grafana-stub", turns_red=(DASHBOARDS,), playbook=STAGE,
        put=steps(changed(BOARDS, _panel_asks_for_nothing), changed(GRAFANA, stamped, then=ready(GRAFANA))),
        heal=restored(BOARDS, GRAFANA, then=ready(GRAFANA)),
    ),
    Fault(
        name="channel_webhook_404", says="the address of a channel is gone", layer="inputs", component="sinks",
        turns_red=(CHANNELS,), playbook=STAGE,
        variables=_channel(kind="slack", url="https://sinks.bytebot.test/gone/go-live"),
    ),
    Fault(
        name="channel_mail_refused", says="nothing listens where the mails of a channel go", layer="inputs",
        component="sinks", turns_red=(CHANNELS,), playbook=STAGE,
        variables=_channel(
            kind="smtp", host="sinks.bytebot.test", port=9, tls="none", sender="go-live@bytebot.test",
            recipients=["stakeholders@bytebot.test"],
        ),
    ),
    Fault(
        name="backup_before_window", says="the newest backup that was restored is of yesterday", layer="cluster",
        turns_red=(BACKUP,), playbook=STAGE, put=_a_day_ago, heal=restored(DRILLS),
    ),
    _at_go_live(live.FAULTS, "image_changed_past_helm", "another_image_at_go_live", "deployment.health.pods", DEPLOY),
    _at_go_live(
        live.FAULTS, "live_200_with_error_body", "unhealthy_at_go_live", "deployment.health.live", HEALTH,
    ),
    _at_go_live(
        live.FAULTS, "default_backend_answers", "unreachable_at_go_live", "deployment.execution.endpoints", ENDPOINTS,
    ),
    _at_go_live(app_sign_in.FAULTS, "login_fails", "smoke_login_fails", SMOKE),
    _at_go_live(desktop.FAULTS, "task_stuck", "smoke_task_stuck", SMOKE, variables=_impatient),
    _at_go_live(desktop.FAULTS, "screenshot_black", "smoke_screenshot_black", SMOKE),
    Fault(
        name="tested_older_revision", says="tests were passed by another release than the one that is deployed then",
        layer="values", turns_red=(END_TO_END,), shuts=False, playbook="deploy", before=("security_testing",),
        variables=_other_values,
    ),
    Fault(
        name="tested_below_rate", says="the load test sends fewer requests than production brings", layer="inputs",
        turns_red=(LOAD,), shuts=False, beside=("performance_testing",), variables=_busier_production,
    ),
    Fault(
        name="placeholder_in_values", says="a value of the release is the document's example", layer="cluster",
        turns_red=(PLACEHOLDERS,), shuts=False,
        put=lambda hands: changed(_released(hands), _example_kept)(hands),
        heal=lambda hands: restored(_released(hands))(hands),
    ),
    Fault(
        name="placeholder_in_config_map", says="a ConfigMap has a text that somebody should have replaced",
        layer="cluster", turns_red=(PLACEHOLDERS,), shuts=False,
        put=placed(SPARE_MAP, _object("ConfigMap", data={"support": "changeme"})), heal=restored(SPARE_MAP),
    ),
    Fault(
        name="placeholder_in_secret", says="a Secret has a text that somebody should have replaced", layer="cluster",
        turns_red=(PLACEHOLDERS, "security_configuration.secrets.protection"), heal=restored(SPARE_SECRET),
        put=placed(SPARE_SECRET, _object("Secret", stringData={"token": "your-token-here"})),
    ),
    Fault(
        name="example_host_left", says="an Ingress has the host of an example", layer="cluster",
        turns_red=(PLACEHOLDERS, "deployment.execution.ingress"), heal=restored(SPARE_INGRESS),
        put=placed(SPARE_INGRESS, _object(
            "Ingress", "networking.k8s.io/v1",
            spec={"ingressClassName": "none", "rules": [_rule("bytebot.example.com")]},
        )),
    ),
)  # fmt: skip
