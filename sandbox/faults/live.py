# Faults in what runs: Services, Ingress, certificate, pods, and the application's own behaviour.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

from sandbox import probe
from sandbox.faults.certificates import issued
from sandbox.faults.fault import API, NAMESPACE, STRATEGIC, Act, Fault, Hands, no_drills
from sandbox.faults.keeping import Object, changed, ready, restored
from sandbox.files import b64

CORE, NETWORKING = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/networking.k8s.io/v1/namespaces/{NAMESPACE}"
SERVICE, INGRESS, TLS = (
    f"{CORE}/services/bytebot-api",
    f"{NETWORKING}/ingresses/bytebot",
    f"{CORE}/secrets/bytebot-tls-secret",
)
OTHER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/other"
WORKER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bytebot-worker"
HOST = "api.bytebot.test"
SELECTOR = {"app": "bytebot", "app.kubernetes.io/instance": "bytebot", "component": "api"}
SERVICES, ENDPOINTS = "deployment.execution.services", "deployment.execution.endpoints"
PATHS = "deployment.execution.ingress"
MARK = "SANDBOX_FAULT"
FLAGS = "application_configuration.environment.feature_flags"
ASKED = b"GET /health/live HTTP/1.0\r\n\r\n"


def _path(path: str = "/", service: str = "bytebot-api") -> dict[str, Any]:
    backend = {"service": {"name": service, "port": {"name": "http"}}}
    return {"rules": [{"host": HOST, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}]}


def _selects(**selector: str | None) -> Act:
    return lambda hands: hands.patch(SERVICE, {"spec": {"selector": selector}})


def _routes(**spec: Any) -> Act:
    return lambda hands: hands.patch(INGRESS, {"spec": spec})


def _port(name: str | int) -> Act:
    ports = [{"name": "http", "port": 80, "targetPort": name}]
    return lambda hands: hands.patch(SERVICE, {"spec": {"ports": ports}}, STRATEGIC)


def _healed_ports(hands: Hands) -> None:
    _port("http")(hands)


def _leads_nowhere(hands: Hands) -> bool:
    """The Service is there, and nothing takes a connection through it."""
    found = hands.cluster.get(SERVICE)
    return found is not None and not probe.exchange(hands.settings, found["spec"]["clusterIP"], 80, ASKED)


# ---------------------------------------------------------------------------- ingress


def _duplicate(hands: Hands) -> None:
    meta = {"name": "sandbox-duplicate", "namespace": "default"}
    backend = {"service": {"name": "kubernetes", "port": {"number": 443}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {"ingressClassName": "traefik", "rules": [{"host": HOST, "http": {"paths": paths}}]}
    hands.apply(DUPLICATE, {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec})


DUPLICATE = "/apis/networking.k8s.io/v1/namespaces/default/ingresses/sandbox-duplicate"


def _expire(hands: Hands) -> None:
    """The same names, by the same issuer, and over since yesterday."""
    certificate, private = issued(hands.pki, "ingress-issuing-ca", [HOST], over_since=1)
    chain = certificate + hands.pki.path("ingress-issuing-ca.crt").read_bytes()
    hands.patch(TLS, {"data": {"tls.crt": b64(chain), "tls.key": b64(private)}})


def _renew(hands: Hands) -> None:
    handover = hands.settings.handover
    names = ("tls.crt", "tls.key")
    hands.patch(TLS, {"data": {name: b64((handover / name).read_bytes()) for name in names}})


def _other(hands: Hands) -> None:
    """Another application answers behind the Service, from the same image: a plain web server."""
    found = hands.cluster.get(API)
    container = dict((found or {})["spec"]["template"]["spec"]["containers"][0])
    wanted = {key: container[key] for key in ("image", "imagePullPolicy", "resources", "securityContext")}
    serve = ["python3", "-m", "http.server", "--directory", "/usr/share", "3000"]
    labels = {"app": "other"}
    ports = [{"name": "http", "containerPort": 3000}]
    probe = {"tcpSocket": {"port": "http"}, "periodSeconds": 1}
    security = (found or {})["spec"]["template"]["spec"]["securityContext"]
    one = {"name": "other", "command": serve, "args": [], "ports": ports, "readinessProbe": probe, **wanted}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}}
    account = {"serviceAccountName": "bytebot-service-account", "automountServiceAccountToken": False}
    pod = {"containers": [one], "securityContext": security, **account}
    template = {"metadata": {"labels": labels}, "spec": pod}
    meta = {"name": "other", "namespace": NAMESPACE}
    hands.apply(
        OTHER, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {**spec, "template": template}}
    )
    service = {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    hands.apply(f"{CORE}/services/other", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
    # As tight as the product's own rules: what answers in its place is wrong, and nothing else is.
    entry = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    rule = {
        "podSelector": {"matchLabels": labels},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [entry], "ports": [{"port": 3000}]}],
        "egress": [],
    }
    hands.apply(
        f"{NETWORKING}/networkpolicies/other",
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": rule},
    )
    hands.until(lambda: hands.rolled_out(OTHER), "the other application runs")
    hands.patch(INGRESS, {"spec": _path(service="other")})


def _no_other(hands: Hands) -> None:
    hands.patch(INGRESS, {"spec": _path()})
    for path in (OTHER, f"{CORE}/services/other", f"{NETWORKING}/networkpolicies/other"):
        hands.delete(path)


# ---------------------------------------------------------------------------- pods


def fresh_pods(hands: Hands) -> None:
    """Pods that never restarted."""
    hands.cluster.call("DELETE", f"{CORE}/pods?labelSelector=component%3Dapi")
    hands.until(hands.rolled_out, "the application runs again")


def _kill(hands: Hands) -> None:
    """End every container's process once; the kubelet starts it again."""
    pods = hands.cluster.pods_of(hands.cluster.get(API) or {})
    hands.until(hands.rolled_out, "the application runs")
    for pod in pods:
        hands.exec(NAMESPACE, pod["metadata"]["name"], "api", ["sh", "-c", "kill 1"])
    hands.until(lambda: _restarted(hands) and hands.rolled_out(), "the application runs again")


def _restarted(hands: Hands) -> bool:
    pods = hands.cluster.pods_of(hands.cluster.get(API) or {})
    return all(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)


def _behaves(name: str) -> Act:
    def act(hands: Hands) -> None:
        env = [{"name": MARK, "value": name}]
        template = {"spec": {"containers": [{"name": "api", "env": env}]}}
        hands.patch(API, {"spec": {"template": template}}, STRATEGIC)
        hands.until(hands.rolled_out, "the application runs with its fault")

    return act


def well_behaved(hands: Hands) -> None:
    """The application without the mark that switches a fault on."""
    gone = [{"name": MARK, "$patch": "delete"}]
    template = {"spec": {"containers": [{"name": "api", "env": gone}]}}
    hands.patch(API, {"spec": {"template": template}}, STRATEGIC)
    hands.until(hands.rolled_out, "the application runs without its fault")


def _in_application(name: str, says: str, control: str, *more: str) -> Fault:
    red = (f"deployment.health.{control}", *more)
    return Fault(name=name, says=says, layer="application", turns_red=red, put=_behaves(name), heal=well_behaved)


def _other_digest(_: Hands) -> dict[str, Any]:
    return {"deployment_expected_digests": {"registry.sandbox/bytebot/api:1.0.0": f"sha256:{64 * '0'}"}}


def _other_image(deployment: Object) -> None:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["image"] = container["image"].rpartition(":")[0] + ":1.1.0"


def _other_digest_pinned(hands: Hands) -> None:
    """The tag stays, and the digest behind it is another image's: so kubectl set image takes it."""

    def pin(deployment: Object) -> None:
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        name = container["image"].removeprefix(f"{hands.settings.registry_name}/").rpartition(":")[0]
        layout = hands.settings.images / "layouts" / f"{name.replace('/', '_')}_1.1.0"
        digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        container["image"] = f"{container['image']}@{digest}"

    changed(WORKER, pin, then=ready(WORKER))(hands)


def _a_tenth(hands: Hands) -> dict[str, Any]:
    """The register of the sandbox with another share of one flag."""
    register = [("ENABLE_RATE_LIMITING", 100), ("ENABLE_CIRCUIT_BREAKER", 10), ("ENABLE_DISTRIBUTED_TRACING", 0)]
    flags = [{"name": name, "owner": "platform", "rollout": share} for name, share in register]
    return {**no_drills(hands), "bytebot_feature_flags": flags}


FAULTS = (
    Fault(
        name="service_selector_typo", says="the Service selects pods that are not there", layer="network",
        turns_red=(SERVICES,), put=_selects(component="aip"), heal=_selects(**SELECTOR), seen=_leads_nowhere,
    ),
    Fault(
        name="service_target_port_wrong", says="the Service leads to a port where nothing listens", layer="network",
        turns_red=(SERVICES,), put=_port(9), heal=_healed_ports,
    ),
    Fault(
        name="ingress_class_wrong", says="the Ingress names a class that is not there", layer="network",
        turns_red=(PATHS,), put=_routes(ingressClassName="no-such-class"), heal=_routes(ingressClassName="traefik"),
    ),
    Fault(
        name="ingress_backend_missing", says="the Ingress leads to a Service that is not there", layer="network",
        turns_red=(PATHS,), put=_routes(**_path(service="nobody")), heal=_routes(**_path()),
    ),
    Fault(
        name="ingress_host_duplicate", says="another namespace's Ingress takes the same host and path",
        layer="network", turns_red=(PATHS,), put=_duplicate, heal=lambda hands: hands.delete(DUPLICATE),
    ),
    Fault(
        name="default_backend_answers", says="the Ingress serves another path, so that its controller answers",
        layer="network", turns_red=(ENDPOINTS,), put=_routes(**_path("/elsewhere")), heal=_routes(**_path()),
    ),
    Fault(
        name="ingress_certificate_expired", says="the certificate that is served is over", layer="network",
        turns_red=(ENDPOINTS, "deployment.secrets.tls", "infrastructure.ingress.certificate"), put=_expire, heal=_renew,
    ),
    Fault(
        name="other_application_answers", says="another application answers at the public address", layer="network",
        turns_red=(ENDPOINTS,), put=_other, heal=_no_other,
    ),
    Fault(
        name="restart_loop", says="containers restart more often than is accepted", layer="application",
        turns_red=("deployment.health.pods",), put=_kill, heal=fresh_pods,
        variables=lambda _: {"deployment_max_restarts": 0, "deployment_quiet_period": 1},
    ),
    Fault(
        name="other_digest_runs", says="another image runs than the one that is wanted", layer="inputs",
        turns_red=("deployment.health.pods",), variables=_other_digest,
    ),
    Fault(
        name="image_changed_past_helm", says="a workload runs another image than helm deployed", layer="cluster",
        turns_red=("deployment.health.pods",), put=changed(WORKER, _other_image, then=ready(WORKER)),
        heal=restored(WORKER, then=ready(WORKER)),
    ),
    Fault(
        name="image_pinned_past_helm", says="somebody gave an image the digest of another one, and left its tag",
        layer="cluster", turns_red=("deployment.health.pods",), put=_other_digest_pinned,
        heal=restored(WORKER, then=ready(WORKER)),
    ),
    Fault(
        name="flag_fully_on", says="a feature flag is fully on that the register says a tenth has", layer="inputs",
        turns_red=(FLAGS,), shuts=False, variables=_a_tenth,
    ),
    _in_application("live_200_with_error_body", "the live route answers 200 and says error", "live"),
    _in_application(
        "dependency_down_yet_200", "the ready route answers 200 although the database is down", "ready",
        "application_configuration.health.readiness",
    ),
    _in_application("startup_never_completed", "the startup route answers 200 while migrations are pending", "startup"),
    _in_application("metrics_wrong_content_type", "the metrics are served as HTML", "metrics"),
    _in_application("metrics_html_page", "a page is served in place of metrics", "metrics"),
    _in_application("metrics_stale", "the metrics stay as they first were", "metrics"),
)  # fmt: skip
