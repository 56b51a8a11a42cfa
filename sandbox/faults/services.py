# Faults in the platform's services: the pooler, the log store and its agent, the object store, the admission policies.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import secrets
from http import HTTPStatus

import psycopg

from sandbox import probe
from sandbox.api import ApiError
from sandbox.components import admission, object_store, pgbouncer, victoria_logs, vlagent
from sandbox.diagnosis import rolled_out
from sandbox.errors import SandboxError
from sandbox.faults.fault import NAMESPACE, STRATEGIC, Act, Fault, Hands, scaled
from sandbox.handover import password

APPS = "/apis/apps/v1/namespaces"
POOLER = f"{APPS}/database/deployments/pgbouncer"
CONSOLE = f"/api/v1/namespaces/{NAMESPACE}/secrets/sandbox-pooler"
STORE = f"{APPS}/logging/statefulsets/victoria-logs"
AGENT = f"{APPS}/logging/daemonsets/vlagent"
OBJECTS = f"{APPS}/object-store/statefulsets/object-store"
BINDING = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/{admission.IMAGES}"
NOWHERE = {"bytebot.test/no-such-node": "true"}
SHORT = "1d"
SENT_TO, LEFT_OUT = "remoteWrite.url", "kubernetesCollector.excludeFilter"
# Where nobody listens, and how long a line may take that arrives.
NOBODY, LINES_WITHIN_S = 9, 12.0


# ------------------------------------------------------------------ the pooler


def _console(hands: Hands) -> None:
    """The pooler is stopped, and a Secret says how its console is asked."""
    s = hands.settings
    data = {
        "username": "pooler_statistics",
        "password": password(s, "pooler-password"),
        "host": "pgbouncer.database.svc.cluster.local",
        "port": "6432",
        "ca.crt": (s.handover / "database-ca.crt").read_text(encoding="utf-8"),
    }
    meta = {"name": CONSOLE.rpartition("/")[2], "namespace": NAMESPACE}
    hands.apply(CONSOLE, {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
    scaled(POOLER, 0)(hands)


def _no_console(hands: Hands) -> None:
    hands.delete(CONSOLE)
    scaled(POOLER, 1)(hands)


def _pooler_silent(hands: Hands) -> bool:
    s = hands.settings
    try:
        pgbouncer.ask(hands, s.database, s.database_user, password(s, "database-password"), "SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


# ------------------------------------------------------------------ the log store and its agent


def _store_silent(hands: Hands) -> bool:
    address = victoria_logs.address_of(hands)
    return probe.http_status(hands.settings, address, victoria_logs.PORT, "/health") == probe.NOTHING


def _keeps_only(text: str) -> Act:
    """The retention is changed where it is said, in the arguments of the only container."""

    def act(hands: Hands) -> None:
        found = hands.cluster.get(STORE) or {}
        (one,) = found["spec"]["template"]["spec"]["containers"]
        kept = [word for word in one["args"] if not word.startswith("-retentionPeriod=")]
        changed = {"name": one["name"], "args": [*kept, f"-retentionPeriod={text}"]}
        hands.patch(STORE, {"spec": {"template": {"spec": {"containers": [changed]}}}}, STRATEGIC)
        hands.until(lambda: hands.settled(STORE), "the log store runs with it")

    return act


def _keeps_a_day(hands: Hands) -> bool:
    """As the running process tells among its metrics."""
    address = victoria_logs.address_of(hands)
    _, text = probe.http_post(hands.settings, address, victoria_logs.PORT, "/metrics", "")
    return f'flag{{name="retentionPeriod", value="{SHORT}"' in text


def _agent_nowhere(hands: Hands) -> None:
    hands.patch(AGENT, {"spec": {"template": {"spec": {"nodeSelector": NOWHERE}}}})
    hands.until(lambda: _no_agent(hands), "no agent runs")


def _agent_everywhere(hands: Hands) -> None:
    hands.patch(AGENT, {"spec": {"template": {"spec": {"nodeSelector": None}}}})
    hands.until(lambda: _agent_runs(hands), "an agent runs")


def _agent_runs(hands: Hands) -> bool:
    found = hands.cluster.get(AGENT)
    return found is not None and rolled_out(found)


def _no_agent(hands: Hands) -> bool:
    return not hands.cluster.items("/api/v1/namespaces/logging/pods?labelSelector=app%3Dvlagent")


def _agent_told(flag: str, value: str) -> Act:
    """The agent with another value of a flag, or without it."""

    def act(hands: Hands) -> None:
        found = hands.cluster.get(AGENT) or {}
        (one,) = found["spec"]["template"]["spec"]["containers"]
        kept = [word for word in one["args"] if not word.startswith(f"-{flag}=")]
        changed = {"name": one["name"], "args": [*kept, *([f"-{flag}={value}"] if value else [])]}
        hands.patch(AGENT, {"spec": {"template": {"spec": {"containers": [changed]}}}}, STRATEGIC)
        hands.until(lambda: _agent_runs(hands), "the agent runs with it")

    return act


def _replicas(hands: Hands) -> list[str]:
    """Names of the release's pods."""
    found = hands.cluster.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3Dbytebot")
    return sorted(pod["metadata"]["name"] for pod in found)


def _leave_out_replica(hands: Hands) -> None:
    names = _replicas(hands)
    if not names:
        raise SandboxError("fault", f"no pod of the release is in {NAMESPACE}", remedy="make demo deploys it")
    _agent_told(LEFT_OUT, f'"kubernetes.pod_name":="{names[0]}"')(hands)


def _replica_left_out(hands: Hands) -> bool:
    """As each running agent tells among its metrics."""
    agents = hands.cluster.items("/api/v1/namespaces/logging/pods?labelSelector=app%3Dvlagent")
    for agent in agents:
        address = agent["status"].get("podIP", "")
        _, text = probe.http_post(hands.settings, address, vlagent.PORT, "/metrics", "")
        (line,) = [one for one in text.splitlines() if f'name="{LEFT_OUT}"' in one] or [""]
        if "kubernetes.pod_name" in line:
            return True
    return False


def _no_line_arrives(hands: Hands) -> bool:
    """What a new pod says is not found, though the agent runs."""
    return _agent_runs(hands) and not vlagent.arrives(hands, LINES_WITHIN_S)


# ------------------------------------------------------------------ the object store


def _objects_silent(hands: Hands) -> bool:
    return object_store.send(hands, object_store.keys(hands), "GET", f"/{object_store.BUCKET}")[0] == 0


def _read_only(text: str | None) -> Act:
    variable = {"name": "VGW_READ_ONLY", "value": text} if text else {"name": "VGW_READ_ONLY", "$patch": "delete"}

    def act(hands: Hands) -> None:
        containers = [{"name": "object-store", "env": [variable]}]
        hands.patch(OBJECTS, {"spec": {"template": {"spec": {"containers": containers}}}}, STRATEGIC)
        hands.until(lambda: hands.settled(OBJECTS), "the object store runs with it")

    return act


def _refuses_to_write(hands: Hands) -> bool:
    """It answers questions, and takes nothing."""
    user, path = object_store.keys(hands), f"/{object_store.BUCKET}/seen/{secrets.token_hex(8)}"
    asked = object_store.send(hands, user, "GET", f"/{object_store.BUCKET}")[0]
    written = object_store.send(hands, user, "PUT", path, b"written")[0]
    if written == HTTPStatus.OK:
        object_store.send(hands, user, "DELETE", path)
    return asked == HTTPStatus.OK and written == HTTPStatus.FORBIDDEN


# ------------------------------------------------------------------ the admission policies


def _unbind(hands: Hands) -> None:
    hands.delete(BINDING)
    hands.until(lambda: _latest_is_let_in(hands), "the policy is no longer in force")


def _bind(hands: Hands) -> None:
    hands.declare("admission", admission.values(hands))
    hands.until(lambda: not _latest_is_let_in(hands), "the policy is in force")


def _latest_is_let_in(hands: Hands) -> bool:
    """As the API server answers to a pod of that kind, which it does not make."""
    asked, _ = admission.trials(hands.settings)["latest"]
    try:
        return not admission.refused_by(hands, asked)
    except ApiError:
        return False


FAULTS = (
    Fault(
        name="pooler_stopped", says="the pooler before the database does not run", layer="database",
        component="pgbouncer", turns_red=("infrastructure.database.pooling",), shuts=False, put=_console,
        heal=_no_console, variables=lambda _: {"bytebot_pooler": {"secret": CONSOLE.rpartition("/")[2]}},
        seen=_pooler_silent,
    ),
    Fault(
        name="log_store_down", says="the log store does not run", layer="cluster", component="victoria-logs",
        turns_red=("infrastructure.monitoring.logs",),
        put=scaled(STORE, 0), heal=scaled(STORE, 1), seen=_store_silent,
    ),
    Fault(
        name="log_retention_1d", says="the log store keeps a day only", layer="cluster", component="victoria-logs",
        put=_keeps_only(SHORT), heal=_keeps_only(victoria_logs.RETENTION), seen=_keeps_a_day,
        turns_red=("monitoring.logging.retention",),
    ),
    Fault(
        name="log_agent_missing_on_node", says="no agent collects the pods' logs", layer="cluster", component="vlagent",
        turns_red=("infrastructure.monitoring.logs",),
        put=_agent_nowhere, heal=_agent_everywhere, seen=_no_agent,
    ),
    Fault(
        name="log_agent_cut", says="the log agent does not reach the log store", layer="cluster", component="vlagent",
        put=_agent_told(SENT_TO, vlagent.target(NOBODY)), heal=_agent_told(SENT_TO, vlagent.target(victoria_logs.PORT)),
        seen=_no_line_arrives,
        turns_red=("monitoring.logging.flow",),
    ),
    Fault(
        name="log_replica_missing", says="the log agent leaves out one replica", layer="cluster", component="vlagent",
        put=_leave_out_replica, heal=_agent_told(LEFT_OUT, ""), seen=_replica_left_out,
        turns_red=("monitoring.logging.flow",),
    ),
    Fault(
        name="object_store_stopped", says="the object store does not run", layer="cluster", component="object-store",
        put=scaled(OBJECTS, 0), heal=scaled(OBJECTS, 1), seen=_objects_silent,
    ),
    Fault(
        name="object_store_read_only", says="the object store takes no objects", layer="cluster",
        component="object-store", put=_read_only("true"), heal=_read_only(None), seen=_refuses_to_write,
    ),
    Fault(
        name="admission_policy_unbound", says="the admission policy of images binds nobody", layer="cluster",
        component="admission", put=_unbind, heal=_bind, seen=_latest_is_let_in,
    ),
)  # fmt: skip
