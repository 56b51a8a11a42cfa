# Configuration, tuning and probes judged from tables of what was seen: what is wrong is red, the unseen is not green.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration import CHECKS
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_environment import share_of
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_facts import (
    DEBUG,
    FLAGS,
    HPA,
    LIMITS,
    LIVENESS,
    LOG_LEVEL,
    POOL,
    READINESS,
    STARTUP,
    VARIABLES,
    VPA,
    Cut,
    Drilled,
    Facts,
    Flag,
    Hung,
    Lines,
    Measured,
    Object,
    Page,
    Running,
    Scaled,
    Use,
    Variable,
    Wanted,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.configuration_variables import distance
from ansible_collections.bytebot.production.plugins.module_utils.checks.postgres_facts import (
    Pool,
    PostgresFacts,
    PostgresSeen,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.secrets_facts import Keys
from ansible_collections.bytebot.production.plugins.module_utils.model import Verdict

MIB = 1024 * 1024
DEPLOYMENT = "Deployment shop-api"
WHERE = f"{DEPLOYMENT} container api"
SECRET = "do-not-show-me-7f3a"
VALUES = {
    "NODE_ENV": "production",
    "LOG_LEVEL": "info",
    "DATABASE_PASSWORD": SECRET,
    "ENABLE_SEARCH": "true",
    "ENABLE_BETA": "10%",
}
WANTED = Wanted(
    variables=(Variable("NODE_ENV", "production"), Variable("LOG_LEVEL"), Variable("DATABASE_PASSWORD")),
    flags=(Flag("ENABLE_SEARCH", "search team", 100), Flag("ENABLE_BETA", "beta team", 10)),
    debug_variables=("DEBUG_MODE",),
    production={"NODE_ENV": "production"},
    debug_ports=(9229,),
)


def probe(path: str, **more: Any) -> Object:
    return {"httpGet": {"path": path, "port": 3000}, "periodSeconds": 10, "timeoutSeconds": 5, **more}


def workload(**container: Any) -> Object:
    one: Object = {
        "name": "api",
        "ports": [{"containerPort": 3000}],
        "livenessProbe": probe("/live", failureThreshold=3),
        "readinessProbe": probe("/ready"),
        "startupProbe": probe("/start", periodSeconds=2, failureThreshold=30),
        **container,
    }
    spec = {"containers": [{key: value for key, value in one.items() if value is not None}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "shop-api", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": spec},
        },
    }


def pod(restarts: int = 0, ready: bool = True, **status: Any) -> Object:
    told = {
        "name": "api",
        "restartCount": restarts,
        "ready": ready,
        "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        **status,
    }
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:09Z"}
    spec = workload(startupProbe=None)["spec"]["template"]["spec"]
    return {
        "metadata": {"name": "shop-api-1"},
        "spec": spec,
        "status": {"containerStatuses": [told], "conditions": [condition]},
    }


def scaler(name: str = "shop-api-hpa", target: str = "shop-api", active: str = "True", **spec: Any) -> Object:
    conditions = [
        {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
        {"type": "ScalingActive", "status": active, "reason": "ValidMetricFound"},
    ]
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
    }
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": target},
            "minReplicas": 2,
            "maxReplicas": 4,
            "metrics": [metric],
            **spec,
        },
        "status": {"conditions": conditions, "currentMetrics": [{"type": "Resource"}], "desiredReplicas": 2},
    }


def event(message: str, reason: str = "Unhealthy", count: int = 3) -> Object:
    return {"involvedObject": {"name": "shop-api-1"}, "reason": reason, "message": message, "count": count}


def killing(at: str, kind: str = "liveness") -> Object:
    told = event(f"Container api failed {kind} probe, will be restarted", "Killing")
    return {**told, "lastTimestamp": f"2026-01-01T{at}Z"}


def database(size: int | None = 10) -> PostgresFacts:
    server = {"max_connections": 100, "superuser_reserved_connections": 3, "reserved_connections": 0}
    return PostgresFacts(
        "shop", Keys(secret="db"), seen=PostgresSeen(server=server), released=True,
        pools=(Pool("shop-api", size, 4, "x"),),
    )  # fmt: skip


RUNS = Running(WHERE, DEPLOYMENT, "shop-api-1", VALUES, dict(VALUES), ports=(3000,))
USE = Use(DEPLOYMENT, "api", 0.2, 70 * MIB, 0.0, 1.0, 256 * MIB)
MEASURED = Measured((USE,), {"shop-api": 3.0}, "15m", (200, 200, 20.0))
CUT = Cut(DEPLOYMENT, "the database db:5432", 30, 50, unready_s=12, out_s=12, back_s=6)
DRILLED = Drilled(scaled=(Scaled("shop-api-hpa", 2, 3, 2, 9, 8),), hung=Hung(DEPLOYMENT, 60, 31), cut=CUT)
SERVICE = {"metadata": {"name": "shop-api"}, "spec": {"selector": {"app": "api"}}}
GOOD = Facts(
    "shop",
    "shop",
    WANTED,
    workloads=(workload(),),
    pods=(pod(),),
    services=(SERVICE,),
    running=(RUNS,),
    lines=(Lines(WHERE, "shop-api-1", 20, {"info": 19, "warn": 1}),),
    pages=(Page("error", "POST /tasks", 400), Page("document", "GET /docs", 404)),
    autoscalers=(scaler(),),
    vertical_answer="404 page not found",
    database=database(),
    measured=MEASURED,
    drilled=DRILLED,
)


WORKER = {**workload(), "metadata": {"name": "shop-worker", "namespace": "shop"}}
RUNS_TOO = replace(
    RUNS, where="Deployment shop-worker container api", workload="Deployment shop-worker", pod="shop-worker-1"
)


def renamed(one: Object) -> Object:
    return {**one, "metadata": {"name": "shop-worker-1"}}


def verdict(control: str, facts: Facts) -> Verdict:
    return next(one.verdict for one in CHECKS.judge(facts, [control]))


def has(**values: str | None) -> Running:
    """The container with other variables, at their source as well."""
    given = {name: value for name, value in {**VALUES, **values}.items() if value is not None}
    return replace(RUNS, told=given, has=dict(given))


def test_a_release_in_order_is_green_and_shows_no_value() -> None:
    judged = CHECKS.judge(GOOD)
    found = {one.control: str(one.verdict.state) for one in judged}
    assert found == {**dict.fromkeys(CHECKS.controls, "pass"), VPA: "not_applicable"}, judged
    assert SECRET not in repr(judged)


RED = [
    ("a variable is missing", VARIABLES, {"running": (has(LOG_LEVEL=None),)}, "LOG_LEVEL is not there in"),
    ("one is misspelled", VARIABLES, {"running": (has(LOG_LEVEL=None, LOG_LEVLE="info"),)}, "LOG_LEVLE is like it"),
    ("one is blank", VARIABLES, {"running": (has(LOG_LEVEL=" "),)}, "LOG_LEVEL is empty"),
    ("one is of another form", VARIABLES, {"running": (has(NODE_ENV="staging"),)}, "not of the wanted form"),
    (
        "the pods have what a source said before",
        VARIABLES,
        {"running": (replace(RUNS, told={**VALUES, "LOG_LEVEL": "warn"}),)},
        "still has another LOG_LEVEL",
    ),
    ("the level is debug", LOG_LEVEL, {"running": (has(LOG_LEVEL="DEBUG"),)}, "logs at the level DEBUG"),
    (
        "lines are debug, and the variable says info",
        LOG_LEVEL,
        {"lines": (Lines(WHERE, "shop-api-1", 2, {"debug": 1, "info": 1}),)},
        "has written 1 lines of the level debug",
    ),
    ("a switch is on", DEBUG, {"running": (has(DEBUG_MODE="1"),)}, "DEBUG_MODE is on"),
    ("node is started for a debugger", DEBUG,
     {"running": (has(NODE_OPTIONS="--inspect=0.0.0.0"),)}, "starts a debugger"),
    ("it is no production", DEBUG, {"running": (has(NODE_ENV="development"),)}, "NODE_ENV is not production"),
    ("a debugger listens", DEBUG, {"running": (replace(RUNS, ports=(3000, 9229)),)}, "port 9229"),
    ("an error shows its stack", DEBUG,
     {"pages": (Page("error", "GET /x", 500, "a stack trace of Python"),)}, "shows a stack"),
    ("documents are served", DEBUG,
     {"pages": (Page("document", "GET /docs", 200, "the API's document"),)}, "GET /docs"),
    ("a flag that nobody knows", FLAGS,
     {"running": (has(ENABLE_NEW="true"),)}, "ENABLE_NEW is live and in no register"),
    ("a flag fully on", FLAGS, {"running": (has(ENABLE_BETA="true"),)}, "ENABLE_BETA is at 100 %"),
    ("a flag that is nowhere set", FLAGS, {"running": (has(ENABLE_BETA=None),)}, "nowhere set"),
    ("a flag without an owner", FLAGS,
     {"wanted": replace(WANTED, flags=(*(WANTED.flags or ()), Flag("X", " ", 0)))}, "no owner"),
    ("a pool of one", POOL, {"database": database(1)}, "a pool of 1"),
    ("pools past the database", POOL, {"database": database(50)}, "200 connections"),
    ("a pool that is used up", POOL,
     {"measured": replace(MEASURED, in_use={"shop-api": 10.0})}, "10 of 10 connections"),
    ("a container is throttled", LIMITS, {"measured": replace(MEASURED, uses=(replace(USE, throttled=0.4),))}, "40%"),
    ("no limit of memory", LIMITS, {"measured": replace(MEASURED, uses=(replace(USE, memory_limit=None),))},
     "container api has no limit of memory"),
    ("no limit of the processor", LIMITS, {"measured": replace(MEASURED, uses=(replace(USE, processor_limit=None),))},
     "container api has no limit of its processor"),
    ("memory near its limit", LIMITS,
     {"measured": replace(MEASURED, uses=(replace(USE, memory=250.0 * MIB),))}, "250 of 256"),
    ("a limit many times too large", LIMITS,
     {"measured": replace(MEASURED, uses=(replace(USE, memory=9.0 * MIB),))}, "10 times"),
    ("a processor at its limit", LIMITS,
     {"measured": replace(MEASURED, uses=(replace(USE, processor=0.95),))}, "0.95 of 1 cores"),
    (
        "one was ended for want of memory",
        LIMITS,
        {"pods": (pod(lastState={"terminated": {"reason": "OOMKilled"}}),)},
        "want of memory",
    ),
    ("no autoscaler", HPA, {"autoscalers": ()}, "no HorizontalPodAutoscaler"),
    ("no figures", HPA, {"autoscalers": (scaler(active="False"),)}, "reads no figures"),
    ("no room", HPA, {"autoscalers": (scaler(maxReplicas=2),)}, "has no room"),
    ("one replica is enough for it", HPA, {"autoscalers": (scaler(minReplicas=1),)}, "may go down to 1"),
    (
        "another Deployment is scaled",
        HPA,
        {
            "autoscalers": (scaler(target="shop-worker"),),
            "workloads": (workload(), {**workload(), "metadata": {"name": "shop-worker"}}),
        },
        "and not shop-api",
    ),
    ("a target that is not there", HPA, {"autoscalers": (scaler("shop-x", "gone", metadata=1),), "released": (
        {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop-x"}, "spec": {}},)}, "is not there"),
    ("two of one target", HPA, {"autoscalers": (scaler(), scaler("other"))}, "several autoscalers"),
    ("a fixed number against it", HPA,
     {"released": ({**workload(), "spec": {"replicas": 2}},)}, "fixed number of replicas"),
    ("it does not scale out", HPA, {"drilled": replace(DRILLED, scaled=(Scaled("h", 2, 2, 2),))}, "did not scale out"),
    ("it does not scale in", HPA, {"drilled": replace(DRILLED, scaled=(Scaled("h", 2, 3, 3),))}, "did not scale in"),
    (
        "a vertical one of the same metric",
        VPA,
        {"vertical": ({"metadata": {"name": "v"}, "spec": {"targetRef": {"kind": "Deployment", "name": "shop-api"}}},)},
        "both follow cpu",
    ),
    ("no liveness probe", LIVENESS, {"workloads": (workload(livenessProbe=None),)}, "no liveness probe"),
    ("one that never gives up", LIVENESS,
     {"workloads": (workload(livenessProbe=probe("/live", failureThreshold=99)),)}, "995 s"),
    ("a time-out above the period", LIVENESS,
     {"workloads": (workload(livenessProbe=probe("/live", timeoutSeconds=20)),)}, "20 s"),
    ("it runs out of time", LIVENESS,
     {"events": (event("Liveness probe failed: context deadline exceeded"),)}, "out of time 3"),
    ("a hung copy stays", LIVENESS, {"drilled": replace(DRILLED, hung=Hung(DEPLOYMENT, 60))}, "was not restarted"),
    ("a copy without its database is restarted", LIVENESS,
     {"drilled": replace(DRILLED, cut=replace(CUT, restarts=1))}, "because"),
    ("no readiness probe behind a Service", READINESS,
     {"workloads": (workload(readinessProbe=None),)}, "Service shop-api"),
    (
        "ready asks what live asks",
        READINESS,
        {"workloads": (workload(readinessProbe=probe("/live")),), "drilled": Drilled("not permitted")},
        "asks what its liveness probe asks",
    ),
    ("always ready", READINESS, {"drilled": replace(DRILLED, cut=replace(CUT, unready_s=None))}, "stayed ready"),
    ("unready, and served", READINESS,
     {"drilled": replace(DRILLED, cut=replace(CUT, out_s=None))}, "stayed in its Service"),
    ("never back", READINESS, {"drilled": replace(DRILLED, cut=replace(CUT, back_s=None))}, "not ready again"),
    (
        "ended while it started",
        STARTUP,
        {"pods": (pod(0, False),), "workloads": (workload(startupProbe=None),), "events": (killing("00:00:33"),)},
        "ended by a probe",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("control", "changes", "words"), [row[1:] for row in RED], ids=[row[0] for row in RED])
def test_what_is_wrong_is_red(control: str, changes: dict[str, Any], words: str) -> None:
    found = verdict(control, replace(GOOD, **changes))
    assert found.state == "fail", found.summary
    assert words in found.summary
    assert found.remedy


OPEN = [
    ("nothing is deployed", VARIABLES, {"nothing": "No release shop is deployed."}, "pending"),
    ("pods may not be listed", STARTUP, {"denied": {"Pod": "not permitted"}}, "pending"),
    ("nothing runs", LIVENESS, {"running": ()}, "pending"),
    ("no list of variables", VARIABLES, {"wanted": replace(WANTED, variables=None)}, "pending"),
    ("an empty list", VARIABLES, {"wanted": replace(WANTED, variables=())}, "inconclusive"),
    (
        "a source is newer, where nobody may look inside",
        VARIABLES,
        {"running": (replace(RUNS, has=None, changed=("ConfigMap settings",)),), "not_looked": "not permitted"},
        "inconclusive",
    ),
    ("a log that may not be read", LOG_LEVEL, {"lines": (Lines(WHERE, "p", problem="not permitted"),)}, "pending"),
    ("no line", LOG_LEVEL, {"lines": (Lines(WHERE, "p"),)}, "inconclusive"),
    ("no level anywhere", LOG_LEVEL,
     {"running": (has(LOG_LEVEL=None),), "lines": (Lines(WHERE, "p", 3, {"": 3}),)}, "inconclusive"),
    ("no error provoked", DEBUG, {"pages": (), "unasked": "check mode sends no probe."}, "pending"),
    ("the address is silent", DEBUG, {"pages": (Page("error", "GET /x", problem="timeout"),)}, "pending"),
    ("no answer is an error", DEBUG, {"pages": (Page("error", "GET /x", 200),)}, "inconclusive"),
    ("ports are not known", DEBUG, {"running": (replace(RUNS, ports=None, problem="no sh"),)}, "pending"),
    ("no register", FLAGS, {"wanted": replace(WANTED, flags=None)}, "pending"),
    ("no database", POOL, {"database": None}, "pending"),
    ("the pool's size is not known", POOL, {"database": database(None)}, "pending"),
    ("no load for pools", POOL, {"measured": replace(MEASURED, load=None, unloaded="not permitted")}, "pending"),
    ("errors of a limit and of a proxy alone", DEBUG,
     {"pages": (Page("error", "POST /x", 429), Page("error", "GET /x", 503), Page("document", "GET /docs", 404))},
     "inconclusive"),
    ("no metric of one of two pools", POOL,
     {"database": replace(database(), pools=(*(database().pools or ()), Pool("shop-worker", 5, 2, "x")))},
     "inconclusive"),
    ("no metric of pools", POOL, {"measured": replace(MEASURED, in_use={})}, "inconclusive"),
    ("no load for limits", LIMITS, {"measured": replace(MEASURED, load=None, unloaded="not permitted")}, "pending"),
    ("load that was not answered", LIMITS, {"measured": replace(MEASURED, load=(200, 9, 20.0))}, "pending"),
    ("no Prometheus", LIMITS, {"measured": Measured(problem="no Prometheus is given")}, "pending"),
    ("no figure", LIMITS, {"measured": replace(MEASURED, uses=(replace(USE, memory=None),))}, "inconclusive"),
    ("scaling not tried", HPA, {"drilled": Drilled("drills are not permitted here", "Permit them.")}, "pending"),
    ("scaling could not be tried", HPA,
     {"drilled": replace(DRILLED, scaled=(Scaled("h", problem="full"),))}, "inconclusive"),
    ("autoscalers may not be listed", HPA, {"denied": {"HorizontalPodAutoscaler": "no"}}, "pending"),
    ("vertical ones may not be listed", VPA, {"denied": {"VerticalPodAutoscaler": "no"}}, "pending"),
    ("vertical ones of others", VPA, {"vertical": ()}, "pending"),
    ("no drill", LIVENESS, {"drilled": Drilled("drills are not permitted here", "Permit them.")}, "pending"),
    ("it could not be hung", LIVENESS,
     {"drilled": replace(DRILLED, hung=Hung("d", 1, problem="no sh"))}, "inconclusive"),
    ("it could not be cut", LIVENESS,
     {"drilled": replace(DRILLED, cut=Cut("d", "x", problem="no name"))}, "inconclusive"),
    ("no cut", READINESS, {"drilled": Drilled("drills are not permitted here", "Permit them.")}, "pending"),
    ("a cut that failed", READINESS, {"drilled": replace(DRILLED, cut=Cut("d", "x", problem="no"))}, "inconclusive"),
    (
        "a pod that was unready since",
        STARTUP,
        {"workloads": (workload(startupProbe=probe("/start", periodSeconds=2, failureThreshold=2)),)},
        "inconclusive",
    ),
    ("a variable of a workload of which nothing runs", VARIABLES,
     {"wanted": replace(WANTED, variables=(Variable("LOG_LEVEL"), Variable("QUEUE_URL", workloads=("shop-worker",))))},
     "inconclusive"),
    ("every pod of another workload was restarted", STARTUP,
     {"workloads": (workload(), WORKER), "pods": (pod(), renamed(pod(1))), "running": (RUNS, RUNS_TOO)},
     "inconclusive"),
    ("every pod was restarted", STARTUP, {"pods": (pod(1),)}, "inconclusive"),
]  # fmt: skip


@pytest.mark.parametrize(("control", "changes", "state"), [row[1:] for row in OPEN], ids=[row[0] for row in OPEN])
def test_what_was_not_seen_is_never_green(control: str, changes: dict[str, Any], state: str) -> None:
    found = verdict(control, replace(GOOD, **changes))
    assert found.state == state, found.summary
    assert found.remedy or state == "inconclusive"


def test_an_autoscaler_that_reads_one_of_its_two_metrics_is_red() -> None:
    one = scaler()
    one["spec"]["metrics"].append({"type": "External", "external": {"metric": {"name": "queue"}}})
    both = {**one["status"], "currentMetrics": [{"type": "Resource"}, {"type": "External"}]}
    assert verdict(HPA, replace(GOOD, autoscalers=({**one, "status": both},))).state == "pass"
    half = {**one["status"], "currentMetrics": [{"type": "Resource"}, {"type": ""}]}
    found = verdict(HPA, replace(GOOD, autoscalers=({**one, "status": half},)))
    assert (found.state, "no figure of 1 of its 2 metrics" in found.summary) == ("fail", True), found.summary


def test_a_container_that_a_mesh_puts_into_pods_needs_no_variable_of_the_applications() -> None:
    proxy = replace(RUNS, where=f"{DEPLOYMENT} container istio-proxy", told={}, has={}, injected=True)
    assert verdict(VARIABLES, replace(GOOD, running=(RUNS, proxy))).state == "pass"
    assert verdict(VARIABLES, replace(GOOD, running=(RUNS, replace(proxy, injected=False)))).state == "fail"


def test_one_that_had_run_for_long_before_it_was_restarted_began_well() -> None:
    facts = replace(GOOD, workloads=(workload(), WORKER), running=(RUNS, RUNS_TOO))
    for at, state in (("2026-01-02T00:00:00Z", "pass"), ("2026-01-01T00:00:20Z", "inconclusive")):
        last = {"terminated": {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": at, "exitCode": 137}}
        pods = (pod(), renamed(pod(1, lastState=last)))
        assert verdict(STARTUP, replace(facts, pods=pods)).state == state


def test_a_worker_that_was_not_restarted_is_seen_to_start() -> None:
    facts = replace(GOOD, workloads=(workload(), WORKER), running=(RUNS, RUNS_TOO))
    assert verdict(STARTUP, replace(facts, pods=(pod(), renamed(pod())))).state == "pass"


def test_what_a_shell_does_not_tell_is_no_drift() -> None:
    told = {**VALUES, "application.yaml": "x", "SHLVL": "1", "MADE": "$(LOG_LEVEL)"}
    one = replace(RUNS, told=told, has={**VALUES, "SHLVL": "2", "MADE": "info"}, unknown=frozenset({"MADE"}))
    assert verdict(VARIABLES, replace(GOOD, running=(one,))).state == "pass"


def test_one_that_is_ended_when_it_has_run_for_long_was_not_starting() -> None:
    assert verdict(STARTUP, replace(GOOD, events=(killing("05:00:00"),))).state == "pass"


@pytest.mark.parametrize(("kind", "state"), [("liveness", "pass"), ("startup", "fail")])
def test_what_the_liveness_probe_ends_had_started_where_a_startup_probe_is_passed_first(kind: str, state: str) -> None:
    one = {**pod(), "spec": workload()["spec"]["template"]["spec"]}
    assert verdict(STARTUP, replace(GOOD, pods=(one,), events=(killing("00:00:33", kind),))).state == state


def test_which_of_two_equal_probes_is_wrong_shows_when_the_database_is_cut() -> None:
    same = (workload(livenessProbe=probe("/ready"), readinessProbe=probe("/ready")),)
    kills = replace(GOOD, workloads=same, drilled=replace(DRILLED, cut=replace(CUT, restarts=1)))
    assert (verdict(LIVENESS, kills).state, verdict(READINESS, kills).state) == ("fail", "pass")
    deaf = replace(GOOD, workloads=same, drilled=replace(DRILLED, cut=replace(CUT, unready_s=None)))
    assert (verdict(LIVENESS, deaf).state, verdict(READINESS, deaf).state) == ("pass", "fail")


def test_a_vertical_one_that_recommends_only_is_judged_by_its_recommendation() -> None:
    told = {"containerName": "api", "lowerBound": {"cpu": "100m"}, "upperBound": {"cpu": "200m"}}
    one = {
        "metadata": {"name": "v"},
        "spec": {"targetRef": {"kind": "Deployment", "name": "shop-api"}, "updatePolicy": {"updateMode": "Off"}},
        "status": {"recommendation": {"containerRecommendations": [told]}},
    }
    near = workload(resources={"requests": {"cpu": "0.15"}})
    assert verdict(VPA, replace(GOOD, vertical=(one,), workloads=(near,))).state == "pass"
    far = verdict(VPA, replace(GOOD, vertical=(one,), workloads=(workload(resources={"requests": {"cpu": "1"}}),)))
    assert (far.state, far.level) == ("fail", "should")
    silent = copy.deepcopy(one)
    silent.pop("status")
    assert verdict(VPA, replace(GOOD, vertical=(silent,))).state == "inconclusive"


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [("LEVEL", "LEVLE", 1), ("PORT", "PORTS", 1), ("ABC", "ABC", 0), ("A", "XYZA", 3), ("ab", "ba", 1)],
)
def test_distances_of_names(one: str, other: str, far: int) -> None:
    assert distance(one, other) == far == distance(other, one)


@pytest.mark.parametrize(
    ("value", "share"),
    [
        ("true", 100),
        ("off", 0),
        ("", 0),
        ("1", 100),
        ("0", 0),
        ("10%", 10),
        ("25", 25),
        ("101", None),
        ("\u00b2", None),
    ],
)
def test_shares_of_flags(value: str, share: int | None) -> None:
    assert share_of(value) == share
