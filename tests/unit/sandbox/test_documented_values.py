# Every documented value of values-production.yaml acts: set to another one, it is seen in what is rendered.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from functools import cache, reduce
from typing import Any

import pytest
import yaml

from sandbox.settings import load

SETTINGS = load()
HELM = SETTINGS.bin / "helm"
pytestmark = pytest.mark.skipif(not HELM.exists(), reason="rendering the chart needs helm, which the sandbox builds")

API, WORKER = "Deployment/bytebot-api", "Deployment/bytebot-worker"
SOCKETS, SCHEDULER = "Deployment/bytebot-websocket", "Deployment/bytebot-scheduler"
POD, BOX = "spec.template.spec", "spec.template.spec.containers.0"
CLAIM, MONITOR = "PersistentVolumeClaim/bytebot-desktop-home:spec", "ServiceMonitor/bytebot:spec.endpoints.0"
RULES, TLS = "Ingress/bytebot:spec.rules.0", "Ingress/bytebot:spec.tls.0"
POLICY = "NetworkPolicy/bytebot-network-policy:spec"
NAME = "namespaceSelector.matchLabels.kubernetes\\.io/metadata\\.name"


NUMBERS = {"initialDelaySeconds": 41, "periodSeconds": 42, "timeoutSeconds": 43, "failureThreshold": 44}


def variable(name: str) -> str:
    return f"ConfigMap/bytebot-config:data.{name}"


def resources(component: str, box: str) -> list[tuple[str, Any, str, Any]]:
    kinds = [(kind, name) for kind in ("requests", "limits") for name in ("cpu", "memory")]
    sizes = {"cpu": "123m", "memory": "321Mi"}
    return [
        (f"resources.{component}.{kind}.{name}", sizes[name], f"{box}:{BOX}.resources.{kind}.{name}", sizes[name])
        for kind, name in kinds
    ]


def probe(kind: str) -> list[tuple[str, Any, str, Any]]:
    rows: list[tuple[str, Any, str, Any]] = [
        (f"healthCheck.{kind}.{name}", value, f"{API}:{BOX}.{kind}.{name}", value) for name, value in NUMBERS.items()
    ]
    return [*rows, (f"healthCheck.{kind}.path", "/well", f"{API}:{BOX}.{kind}.httpGet.path", "/well")]


def scaled(component: str) -> list[tuple[str, Any, str, Any]]:
    hpa = f"HorizontalPodAutoscaler/bytebot-{component}-hpa:spec"
    metric = "metrics.{}.resource.target.averageUtilization"
    return [
        (f"autoscaling.{component}.minReplicas", 7, f"{hpa}.minReplicas", 7),
        (f"autoscaling.{component}.maxReplicas", 77, f"{hpa}.maxReplicas", 77),
        (f"autoscaling.{component}.targetCPUUtilizationPercentage", 51, f"{hpa}.{metric.format(0)}", 51),
        (f"autoscaling.{component}.targetMemoryUtilizationPercentage", 52, f"{hpa}.{metric.format(1)}", 52),
    ]


# The key, another value, where that is seen, and what is seen there.
SET: list[tuple[str, Any, str, Any]] = [
    ("global.environment", "staging", variable("NODE_ENV"), "staging"),
    ("global.domain", "api.other.test", f"{RULES}.host", "api.other.test"),
    ("global.imageRegistry", "other.test", f"{SCHEDULER}:{BOX}.image", "other.test/other/api:2"),
    ("image.repository", "other/api", f"{SOCKETS}:{BOX}.image", "other.test/other/api:2"),
    ("image.tag", "2", f"{API}:{BOX}.image", "other.test/other/api:2"),
    ("image.pullPolicy", "Never", f"{API}:{BOX}.imagePullPolicy", "Never"),
    ("imagePullSecrets", [{"name": "pull"}], f"{API}:{POD}.imagePullSecrets", [{"name": "pull"}]),
    ("replicas.websocket", 4, f"{SOCKETS}:spec.replicas", 4),
    ("replicas.scheduler", 3, f"{SCHEDULER}:spec.replicas", 3),
    *resources("api", API), *resources("worker", WORKER), *resources("websocket", SOCKETS),
    *resources("scheduler", SCHEDULER),
    ("database.host", "db.test", variable("DATABASE_HOST"), "db.test"),
    ("database.port", 6543, variable("DATABASE_PORT"), "6543"),
    ("database.name", "other", variable("DATABASE_NAME"), "other"),
    ("database.existingSecret", "other-db", f"{API}:{BOX}.env.0.valueFrom.secretKeyRef.name", "other-db"),
    ("database.sslMode", "require", variable("DATABASE_SSL_MODE"), "require"),
    ("database.poolSize", 9, variable("DATABASE_MAX_CONNECTIONS"), "9"),
    ("database.connectionTimeout", "9s", variable("DATABASE_CONNECTION_TIMEOUT"), "9s"),
    ("database.idleTimeout", "9m", variable("DATABASE_IDLE_TIMEOUT"), "9m"),
    ("database.maxLifetime", "8m", variable("DATABASE_MAX_LIFETIME"), "8m"),
    ("redis.host", "cache.test", variable("REDIS_HOST"), "cache.test"),
    ("redis.port", 6380, variable("REDIS_PORT"), "6380"),
    ("redis.existingSecret", "other-redis", f"{WORKER}:{BOX}.env.3.valueFrom.secretKeyRef.name", "other-redis"),
    ("redis.database", 3, variable("REDIS_DATABASE"), "3"),
    ("redis.keyPrefix", "other:", variable("REDIS_KEY_PREFIX"), "other:"),
    ("redis.maxTotal", 31, variable("REDIS_MAX_CONNECTIONS"), "31"),
    ("redis.maxIdle", 11, variable("REDIS_MAX_IDLE_CONNECTIONS"), "11"),
    ("redis.minIdle", 2, variable("REDIS_MIN_IDLE_CONNECTIONS"), "2"),
    ("redis.connectionTimeout", 1001, variable("REDIS_CONNECTION_TIMEOUT"), "1001"),
    ("redis.socketTimeout", 1002, variable("REDIS_SOCKET_TIMEOUT"), "1002"),
    ("redis.maxRetries", 5, variable("REDIS_MAX_RETRIES"), "5"),
    ("redis.retryDelayMillis", 55, variable("REDIS_RETRY_DELAY"), "55"),
    ("security.jwt.existingSecret", "other-jwt", f"{SOCKETS}:{POD}.volumes.0.secret.secretName", "other-jwt"),
    ("security.jwt.accessTokenLifetime", "5m", variable("JWT_EXPIRES_IN"), "5m"),
    ("security.jwt.refreshTokenLifetime", "1d", variable("JWT_REFRESH_EXPIRES_IN"), "1d"),
    ("security.cors.origins", ["https://one.test"], variable("API_CORS_ORIGINS"), "https://one.test"),
    ("security.cors.credentials", False, variable("API_CORS_CREDENTIALS"), "false"),
    ("security.rateLimiting.windowMs", 900000, variable("API_RATE_LIMIT_WINDOW"), "900000"),
    ("security.rateLimiting.max", 99, variable("API_RATE_LIMIT_MAX_REQUESTS"), "99"),
    ("security.helmet.hsts", False, variable("SECURITY_HELMET_HSTS"), "false"),
    ("security.helmet.noSniff", False, variable("SECURITY_HELMET_NO_SNIFF"), "false"),
    ("security.helmet.xssFilter", False, variable("SECURITY_HELMET_XSS_FILTER"), "false"),
    ("ingress.className", "other", "Ingress/bytebot:spec.ingressClassName", "other"),
    ("ingress.annotations", {"a/b": "c"}, "Ingress/bytebot:metadata.annotations", {"a/b": "c"}),
    *probe("livenessProbe"), *probe("readinessProbe"), *probe("startupProbe"),
    ("monitoring.prometheus.port", 9464, f"{API}:{BOX}.ports.1.containerPort", 9464),
    ("monitoring.prometheus.interval", "15s", f"{MONITOR}.interval", "15s"),
    ("monitoring.logging.level", "warn", variable("LOG_LEVEL"), "warn"),
    ("monitoring.tracing.endpoint", "http://c.test:14268/api/traces", variable("JAEGER_ENDPOINT"),
     "http://c.test:14268/api/traces"),
    ("persistence.storageClass", "slow", f"{CLAIM}.storageClassName", "slow"),
    ("persistence.size", "3Gi", f"{CLAIM}.resources.requests.storage", "3Gi"),
    ("persistence.accessMode", "ReadWriteMany", f"{CLAIM}.accessModes.0", "ReadWriteMany"),
    *scaled("api"), *scaled("worker"),
    ("podDisruptionBudget.api.minAvailable", 5, "PodDisruptionBudget/bytebot-api:spec.minAvailable", 5),
    ("podDisruptionBudget.worker.minAvailable", 6, "PodDisruptionBudget/bytebot-worker:spec.minAvailable", 6),
    ("podDisruptionBudget.websocket.minAvailable", 0, "PodDisruptionBudget/bytebot-websocket:spec.minAvailable", 0),
    ("networkPolicy.ingress.controllerNamespace", "edge", f"{POLICY}.ingress.0.from.0.{NAME}", "edge"),
    ("networkPolicy.ingress.monitoringNamespace", "watch", f"{POLICY}.ingress.1.from.0.{NAME}", "watch"),
    ("networkPolicy.egress.databaseNamespace", "sql", f"{POLICY}.egress.0.to.0.{NAME}", "sql"),
    ("networkPolicy.egress.cacheNamespace", "keys", f"{POLICY}.egress.1.to.0.{NAME}", "keys"),
    ("securityContext.runAsUser", 2001, f"{API}:{POD}.securityContext.runAsUser", 2001),
    ("securityContext.runAsGroup", 2002, f"{API}:{POD}.securityContext.runAsGroup", 2002),
    ("securityContext.fsGroup", 2003, f"{API}:{POD}.securityContext.fsGroup", 2003),
    ("containerSecurityContext.readOnlyRootFilesystem", False,
     f"{API}:{BOX}.securityContext.readOnlyRootFilesystem", False),
]  # fmt: skip
# What can be seen only where something is switched off, or only then: None is what is not there.
OFF: list[tuple[str, Any, str, Any]] = [
    ("global.imageTag", "3", f"{API}:{BOX}.image", "your-registry.com/bytebot/api:3"),
    ("replicas.api", 8, f"{API}:spec.replicas", 8),
    ("replicas.worker", 9, f"{WORKER}:spec.replicas", 9),
    ("database.ssl", False, variable("DATABASE_SSL_MODE"), "disable"),
    ("security.cors.enabled", False, variable("API_CORS_ORIGINS"), ""),
    ("security.rateLimiting.enabled", False, variable("ENABLE_RATE_LIMITING"), "false"),
    ("security.helmet.enabled", False, variable("SECURITY_HELMET_ENABLED"), "false"),
    ("circuitBreaker.enabled", False, variable("ENABLE_CIRCUIT_BREAKER"), "false"),
    ("monitoring.logging.structured", False, variable("LOG_FORMAT"), "text"),
    ("monitoring.prometheus.enabled", False, MONITOR, None),
    ("monitoring.grafana.dashboards", ["bytebot-overview"], "ConfigMap/bytebot-dashboards:data.bytebot-security\\.json",
     None),
    ("monitoring.tracing.enabled", True, variable("ENABLE_DISTRIBUTED_TRACING"), "true"),
    ("ingress.enabled", False, RULES, None),
    *((f"healthCheck.{kind}Probe.enabled", False, f"{API}:{BOX}.{kind}Probe", None)
      for kind in ("liveness", "readiness", "startup")),
    ("persistence.enabled", False, CLAIM, None),
    ("autoscaling.enabled", False, "HorizontalPodAutoscaler/bytebot-api-hpa:spec", None),
    ("podDisruptionBudget.enabled", False, "PodDisruptionBudget/bytebot-api:spec", None),
    ("networkPolicy.enabled", False, POLICY, None),
]  # fmt: skip
# The last ones, whose own values the others above need.
LAST: list[tuple[str, Any, str, Any]] = [
    ("monitoring.grafana.enabled", False, "ConfigMap/bytebot-dashboards:data", None),
    ("monitoring.logging.format", "text", variable("LOG_FORMAT"), "text"),
    ("image.digest", f"sha256:{'a' * 64}", f"{API}:{BOX}.image", f"your-registry.com/bytebot/api@sha256:{'a' * 64}"),
    ("ingress.hosts", [{"host": "h.test", "paths": [{"path": "/x", "pathType": "Exact", "service": "s"}]}], RULES,
     {"host": "h.test", "http": {"paths": [{"path": "/x", "pathType": "Exact",
                                            "backend": {"service": {"name": "s", "port": {"name": "http"}}}}]}}),
    ("ingress.tls", [{"secretName": "other-tls", "hosts": ["h.test"]}], TLS,
     {"secretName": "other-tls", "hosts": ["h.test"]}),
    ("networkPolicy.egress.https", False, f"{POLICY}.egress.4", None),
    ("securityContext.runAsNonRoot", False, f"{API}:{POD}.securityContext.runAsNonRoot", False),
    ("containerSecurityContext.allowPrivilegeEscalation", True,
     f"{API}:{BOX}.securityContext.allowPrivilegeEscalation", True),
    ("autoscaling.websocket", {"minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70,
                               "targetMemoryUtilizationPercentage": 80},
     "HorizontalPodAutoscaler/bytebot-websocket-hpa:spec.maxReplicas", 5),
]  # fmt: skip
ROUNDS = {"set": SET, "off": OFF, "last": LAST}
# One documented value only: nothing else can be asked for, and the schema says so.
FIXED = {"database.type": "mysql", "monitoring.prometheus.path": "/other"}


def tree(rows: list[tuple[str, Any, str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value, _where, _seen in rows:
        *above, last = key.split(".")
        reduce(lambda node, part: node.setdefault(part, {}), above, values)[last] = value
    return values


def helm(values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    fixed = ["--set", "desktop.enabled=true", "--api-versions", "monitoring.coreos.com/v1", "--values", "-"]
    command = [HELM, "template", "bytebot", "sandbox/chart", *fixed]
    given = yaml.safe_dump(values)
    return subprocess.run(command, cwd=SETTINGS.checkout, text=True, input=given, capture_output=True, check=False)


@cache
def rendered(name: str) -> dict[str, Any]:
    done = helm(tree(ROUNDS.get(name, [])))
    assert done.returncode == 0, done.stderr
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in objects}


def seen(objects: dict[str, Any], where: str) -> Any:
    name, _, path = where.partition(":")
    found: Any = objects.get(name)
    for part in path.replace("\\.", "\0").split("."):
        key = part.replace("\0", ".")
        if isinstance(found, list):
            found = found[int(key)] if int(key) < len(found) else None
        else:
            found = (found or {}).get(key)
    return found


@pytest.mark.parametrize(
    ("name", "row"), [pytest.param(name, row, id=row[0]) for name, rows in ROUNDS.items() for row in rows]
)
def test_a_value_is_seen_in_what_is_rendered(name: str, row: tuple[str, Any, str, Any]) -> None:
    key, _value, where, expected = row
    assert seen(rendered(name), where) == expected
    assert seen(rendered("defaults"), where) != expected, f"{key} is that already"


@pytest.mark.parametrize(("key", "value"), FIXED.items())
def test_what_is_fixed_is_refused_otherwise(key: str, value: str) -> None:
    done = helm(tree([(key, value, "", None)]))
    assert done.returncode != 0
    assert key.rpartition(".")[2] in done.stderr


DOCUMENTED = """
global: environment domain imageRegistry imageTag
replicas: api worker websocket scheduler
database: type host port name existingSecret ssl sslMode poolSize connectionTimeout idleTimeout maxLifetime
redis: host port existingSecret database keyPrefix maxTotal maxIdle minIdle connectionTimeout socketTimeout maxRetries
redis: retryDelayMillis
security.jwt: existingSecret accessTokenLifetime refreshTokenLifetime
security.cors: enabled origins credentials
security.rateLimiting: enabled windowMs max
security.helmet: enabled hsts noSniff xssFilter
ingress: enabled className annotations hosts tls
monitoring.prometheus: enabled port path interval
monitoring.grafana: enabled dashboards
monitoring.logging: level format structured
persistence: enabled storageClass size accessMode
autoscaling: enabled
podDisruptionBudget: enabled api.minAvailable worker.minAvailable
networkPolicy: enabled
securityContext: runAsNonRoot runAsUser runAsGroup fsGroup
containerSecurityContext: allowPrivilegeEscalation readOnlyRootFilesystem
image: repository tag pullPolicy
circuitBreaker: enabled
"""


def test_every_documented_key_is_in_the_table() -> None:
    tried = {row[0] for rows in ROUNDS.values() for row in rows} | set(FIXED)
    wanted = {"imagePullSecrets"}
    for line in DOCUMENTED.strip().splitlines():
        root, _, keys = line.partition(": ")
        wanted |= {f"{root}.{key}" for key in keys.split()}
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        wanted |= {f"healthCheck.{kind}.{key}" for key in ("enabled", "path", *NUMBERS)}
    for component in ("api", "worker", "websocket", "scheduler"):
        wanted |= {f"resources.{component}.{kind}.cpu" for kind in ("requests", "limits")}
    assert wanted - tried == set()
