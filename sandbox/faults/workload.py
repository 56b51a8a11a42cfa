# Faults in the release's own objects: variables, probes and limits; each seen in the pods or by what befalls them.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

from sandbox import probe
from sandbox.errors import SandboxError
from sandbox.faults.database import ask_postgres
from sandbox.faults.fault import API, NAMESPACE, Act, Fault, Hands, no_drills, no_load, nothing
from sandbox.faults.keeping import Object, changed, ready, restored, stamped, steps

APPS, CORE = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", f"/api/v1/namespaces/{NAMESPACE}"
CONFIG = f"{CORE}/configmaps/bytebot-config"
READERS = tuple(f"{APPS}/bytebot-{name}" for name in ("api", "worker", "websocket", "scheduler"))
PORT = 3000
LIVE, READY = "/health/live", "/health/ready"
LEVEL, MISSPELLED, TIMEOUT, POOL = "LOG_LEVEL", "LOG_LEVLE", "TASK_TIMEOUT", "DATABASE_MAX_CONNECTIONS"
MEBI = 1 << 20
VARIABLES = "application_configuration.environment.variables"
LOG_LEVEL = "application_configuration.environment.log_level"
POOL_SIZE, LIMITS = (f"application_configuration.tuning.{name}" for name in ("pool_size", "limits"))
LIVENESS, READINESS, STARTUP = (
    f"application_configuration.health.{name}" for name in ("liveness", "readiness", "startup")
)
PODS, POOLING = "deployment.execution.pods", "infrastructure.database.pooling"
# Far below what the application needs to start, and enough for the runtime to make the container.
TOO_LITTLE = "48Mi"
# Of a core: it starts with that, slowly.
SCARCE = "150m"
# Beside the API something listens that never answers, and the probe waits a second for it.
DEAF_PORT = 3999
LISTEN = f"import socket, time; s = socket.create_server(('', {DEAF_PORT})); time.sleep(1e9)"
DEAF = f'python3 -c "{LISTEN}" & exec python3 -m bytebot_app serve'
# The start takes 25 seconds, and the liveness probe ends it after about 10.
LATE = "sleep 25; exec python3 -m bytebot_app serve"


ROLLED = ready(API)

# ---------------------------------------------------------------------------- variables


def _variables(change: Callable[[dict[str, str]], object]) -> Act:
    """Other variables in the ConfigMap; nobody reads them before new pods do."""
    return changed(CONFIG, lambda config: change(config["data"]))


def _read_by_all(change: Callable[[dict[str, str]], object]) -> Act:
    return steps(_variables(change), *(changed(path, stamped) for path in READERS), ready(*READERS))


def _set(**values: str) -> Callable[[dict[str, str]], object]:
    return lambda data: data.update(values)


def _misspell(data: dict[str, str]) -> None:
    data[MISSPELLED] = data.pop(LEVEL)


def _in_a_pod(hands: Hands) -> dict[str, str]:
    """The environment of the API's first container; empty where it does not run."""
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    try:
        found: dict[str, str] = json.loads(_run(hands, ["python3", "-c", code]))
    except SandboxError:
        return {}
    return found


def _run(hands: Hands, command: list[str]) -> str:
    """What a command says in a pod of the API that is ready.

    :raises SandboxError: none is, or the command fails.
    """
    pods = [pod for pod in _pods(hands) if _is_ready(pod)]
    if not pods:
        raise SandboxError("fault", f"no pod of the API is ready in {NAMESPACE}", remedy="make demo deploys it")
    newest = max(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
    return hands.exec(NAMESPACE, newest["metadata"]["name"], "api", command)


def _pods(hands: Hands) -> list[Object]:
    found = hands.cluster.get(API)
    return hands.cluster.pods_of(found) if found else []


def _is_ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))


def _environment(holds: Callable[[dict[str, str]], bool]) -> Callable[[Hands], bool]:
    def seen(hands: Hands) -> bool:
        found = _in_a_pod(hands)
        return bool(found) and holds(found)

    return seen


def _not_rolled_out(hands: Hands) -> bool:
    """The ConfigMap says another thing than the pod has read."""
    config, found = hands.cluster.get(CONFIG), _in_a_pod(hands)
    return bool(config and found) and (config or {})["data"].get(TIMEOUT) != found.get(TIMEOUT)


def _refused_by_database(hands: Hands) -> bool:
    """One replica alone may open more connections than the server says that it takes."""
    found = _in_a_pod(hands)
    return bool(found) and int(found[POOL]) > int(ask_postgres(hands, "SHOW max_connections"))


# ---------------------------------------------------------------------------- probes and limits


def _container(change: Callable[[Object], object], then: Act = ROLLED) -> Act:
    """Change the API's container; the pods are rolled."""
    return changed(API, lambda found: change(found["spec"]["template"]["spec"]["containers"][0]), then)


def _without_liveness(container: Object) -> None:
    del container["livenessProbe"]


def _path(kind: str, path: str) -> Callable[[Object], None]:
    return lambda container: container[kind]["httpGet"].update(path=path)


def _impatient(container: Object) -> None:
    """It ends nothing in a while: that is another fault. Still a probe by HTTP, or the chart could not be applied."""
    container.update(command=["sh", "-c", DEAF], args=[])
    container["livenessProbe"]["httpGet"].update(port=DEAF_PORT)
    container["livenessProbe"].update(timeoutSeconds=1, periodSeconds=5, failureThreshold=50)


def _starts_late(container: Object) -> None:
    container.pop("startupProbe", None)
    container.update(command=["sh", "-c", LATE], args=[])
    container["livenessProbe"].update(initialDelaySeconds=0, periodSeconds=5, failureThreshold=2)


def _limits(**limits: str) -> Callable[[Object], None]:
    def change(container: Object) -> None:
        given = container["resources"]
        given["limits"] = {**given["limits"], **limits}
        if limits.get("memory") == TOO_LITTLE:
            given["requests"] = {**given["requests"], "memory": TOO_LITTLE}

    return change


def _probes(holds: Callable[[Object], bool]) -> Callable[[Hands], bool]:
    """Of the container that runs, in each pod."""

    def seen(hands: Hands) -> bool:
        pods = _pods(hands)
        return bool(pods) and all(holds(pod["spec"]["containers"][0]) for pod in pods)

    return seen


def _liveness_needs_database(hands: Hands) -> bool:
    """The route that the liveness probe asks, asked likewise, tells of the database."""
    told = []
    for pod in _pods(hands):
        path = pod["spec"]["containers"][0]["livenessProbe"].get("httpGet", {}).get("path", "")
        told.append(b'"database"' in probe.http_body(hands.settings, pod["status"].get("podIP", ""), PORT, path))
    return bool(told) and all(told)


def _happened(hands: Hands, reason: str, *words: str) -> bool:
    """An event of a pod that is there, with these words in it."""
    names = {pod["metadata"]["name"] for pod in _pods(hands)}
    return any(
        event["involvedObject"]["name"] in names and all(word in event.get("message", "") for word in words)
        for event in hands.cluster.items(f"{CORE}/events?fieldSelector=reason%3D{reason}")
    )


def _probe_runs_out_of_time(hands: Hands) -> bool:
    return _happened(hands, "Unhealthy", "Liveness probe failed", "Client.Timeout")


def _killed_while_starting(hands: Hands) -> bool:
    return _happened(hands, "Killing", "failed liveness probe") and any(
        "startupProbe" not in pod["spec"]["containers"][0] and not _is_ready(pod) for pod in _pods(hands)
    )


def _out_of_memory(hands: Hands) -> bool:
    ends = [
        status.get(state, {}).get("terminated", {}).get("reason", "")
        for pod in _pods(hands)
        for status in pod["status"].get("containerStatuses", [])
        for state in ("state", "lastState")
    ]
    return "OOMKilled" in ends


def _throttled(hands: Hands) -> bool:
    """By the kernel's own count for the container's group."""
    try:
        said = _run(hands, ["sh", "-c", "cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null || true"])
    except SandboxError:
        return False
    counts = dict(line.split() for line in said.splitlines())
    share = int(counts.get("nr_throttled", 0)) / max(1, int(counts.get("nr_periods", 0)))
    return share > 0 and all(_limit(pod, "cpu") == SCARCE for pod in _pods(hands))


def _limit(pod: Object, what: str) -> str:
    return str(pod["spec"]["containers"][0]["resources"]["limits"].get(what, ""))


def _ten_times_too_large(hands: Hands) -> bool:
    """The memory limit is ten times what the metrics server measures, and more."""
    told = []
    for pod in _pods(hands):
        path = f"/apis/metrics.k8s.io/v1beta1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}"
        used = [_kibibytes(one["usage"]["memory"]) for one in (hands.cluster.get(path) or {}).get("containers", [])]
        limit = _limit(pod, "memory")
        told.append(bool(used) and limit.endswith("Gi") and int(limit[:-2]) * MEBI > 10 * max(used))
    return bool(told) and all(told)


def _kibibytes(text: str) -> int:
    return int(text.removesuffix("Ki")) if text.endswith("Ki") else int(text) >> 10


def _same_probe(container: Object) -> bool:
    return bool(container["readinessProbe"]["httpGet"] == container["livenessProbe"].get("httpGet"))


_API_BACK = restored(API, then=ROLLED)
_CONFIG_BACK = restored(CONFIG, *READERS, then=ready(*READERS))


def _variable(
    name: str, says: str, put: Act, seen: Callable[[Hands], bool], *turns_red: str, heal: Act = _CONFIG_BACK
) -> Fault:
    return _advice(Fault(name=name, says=says, layer="values", put=put, heal=heal, seen=seen), turns_red)


def _pod(name: str, says: str, put: Act, seen: Callable[[Hands], bool], *turns_red: str) -> Fault:
    return _advice(Fault(name=name, says=says, layer="cluster", put=put, heal=_API_BACK, seen=seen), turns_red)


def _advice(fault: Fault, turns_red: tuple[str, ...]) -> Fault:
    """These controls are of a later stage than the gate that is asked, which shuts only for what is of its own."""
    shuts = any(one.startswith("deployment.") for one in turns_red)
    return dataclasses.replace(fault, turns_red=turns_red, shuts=shuts, variables=no_drills)


def _drilled(fault: Fault) -> Fault:
    """Two probes are the same, and only a drill tells which of them is wrong."""
    return dataclasses.replace(fault, variables=no_load)


FAULTS = (
    _variable(
        "variable_missing", "the pods lack a variable that the contract names",
        _read_by_all(lambda data: data.pop(LEVEL)), _environment(lambda found: LEVEL not in found), VARIABLES,
    ),
    _variable(
        "variable_misspelled", "the pods have a variable under a misspelled name", _read_by_all(_misspell),
        _environment(lambda found: MISSPELLED in found and LEVEL not in found), VARIABLES,
    ),
    _variable(
        "config_changed_without_rollout", "the ConfigMap was changed, and the pods still have what it said before",
        _variables(_set(**{TIMEOUT: "7m"})), _not_rolled_out, VARIABLES, heal=restored(CONFIG),
    ),
    # The contract of the variables names the levels that production may have, so that this is against both.
    _variable(
        "log_level_debug", "the pods log at the level debug", _read_by_all(_set(**{LEVEL: "debug"})),
        _environment(lambda found: found.get(LEVEL) == "debug"), LOG_LEVEL, VARIABLES,
    ),
    _variable(
        "pool_size_1", "each replica has one connection to the database", _read_by_all(_set(**{POOL: "1"})),
        _environment(lambda found: found.get(POOL) == "1"), POOL_SIZE,
    ),
    _variable(
        "pool_refused_by_database", "one replica's pool is larger than what the database takes from all",
        _read_by_all(_set(**{POOL: "100"})), _refused_by_database, POOL_SIZE, POOLING,
    ),
    _pod(
        "liveness_probe_missing", "the API has no liveness probe", _container(_without_liveness),
        _probes(lambda container: "livenessProbe" not in container), LIVENESS,
    ),
    _drilled(_pod(
        "liveness_needs_database", "the liveness probe asks a route that fails with the database",
        _container(_path("livenessProbe", READY)), _liveness_needs_database, LIVENESS,
    )),
    _pod(
        "liveness_timeout_short", "the liveness probe waits a second for an answer that does not come",
        _container(_impatient, then=nothing), _probe_runs_out_of_time, LIVENESS,
    ),
    _drilled(_pod(
        "readiness_is_liveness", "the readiness probe asks what the liveness probe asks",
        _container(_path("readinessProbe", LIVE)), _probes(_same_probe), READINESS,
    )),
    _pod(
        "startup_slower_than_liveness", "the liveness probe ends the API before it has started",
        _container(_starts_late, then=nothing), _killed_while_starting, STARTUP, PODS,
    ),
    _pod(
        "limits_below_use", "the API's processor limit is below its use, so that it is throttled",
        _container(_limits(cpu=SCARCE)), _throttled, LIMITS,
    ),
    _pod(
        "out_of_memory_killed", "the kernel has ended the API for want of memory",
        _container(_limits(memory=TOO_LITTLE), then=nothing), _out_of_memory, LIMITS, PODS,
    ),
    _pod(
        "limits_ten_times_too_large", "the API's memory limit is more than ten times its use",
        _container(_limits(memory="3Gi")), _ten_times_too_large, LIMITS,
    ),
)  # fmt: skip
