# Finds the hosts, the ingress, monitoring, storage and what runs, in what one look showed; pure.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.discovery.look import Object, Seen

CLASS_ANNOTATION = "kubernetes.io/ingress.class"  # what stood there before ingressClassName
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
DEFAULT_STORAGE = "storageclass.kubernetes.io/is-default-class"
# By system, how its Services are called or labelled, and the port that is asked.
_SYSTEMS: Mapping[str, tuple[re.Pattern[str], tuple[int, ...]]] = {
    "prometheus": (
        re.compile(r"^(?:.*-)?(?:prometheus|vmsingle|victoria-metrics)(?:-server|-k8s|-operated)?$"),
        (9090, 8428, 80),
    ),
    "alertmanager": (re.compile(r"^(?:.*-)?alertmanager(?:-main|-operated)?$"), (9093,)),
    "grafana": (re.compile(r"^(?:.*-)?grafana$"), (3000, 80)),
    "log_store": (
        re.compile(r"^(?:.*-)?(?:loki(?:-gateway)?|victoria-?logs|vlsingle|elasticsearch(?:-master)?|opensearch)$"),
        (3100, 9428, 9200, 80),
    ),
}
_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")


@dataclass(frozen=True, slots=True)
class Host:
    """A host that is published. :param backend: the Service that its first path leads to."""

    name: str
    where: str
    tls: bool
    backend: str = ""


def hosts(seen: Seen) -> list[Host]:
    """The hosts of Ingresses, Routes and HTTPRoutes, each once; wildcards are no hosts that can be asked."""
    found = [*_of_ingresses(seen), *_of_routes(seen), *_of_http_routes(seen)]
    first: dict[str, Host] = {}
    for host in found:
        if host.name and not host.name.startswith("*"):
            first.setdefault(host.name, host)
    return list(first.values())


def _of_ingresses(seen: Seen) -> Iterator[Host]:
    for one in seen.of("Ingress"):
        spec, where = one.get("spec") or {}, f"Ingress {one['metadata']['name']}"
        covered = {str(name) for entry in spec.get("tls") or [] for name in entry.get("hosts") or []}
        for rule in spec.get("rules") or []:
            paths = (rule.get("http") or {}).get("paths") or []
            backend = (((paths[0].get("backend") or {}).get("service") or {}).get("name") or "") if paths else ""
            yield Host(str(rule.get("host") or ""), where, str(rule.get("host") or "") in covered, str(backend))


def _of_routes(seen: Seen) -> Iterator[Host]:
    for one in seen.of("Route"):
        spec = one.get("spec") or {}
        backend = str((spec.get("to") or {}).get("name") or "")
        yield Host(str(spec.get("host") or ""), f"Route {one['metadata']['name']}", bool(spec.get("tls")), backend)


def _of_http_routes(seen: Seen) -> Iterator[Host]:
    secure = {_key(one) for one in seen.of("Gateway") if any(
        listener.get("protocol") == "HTTPS" for listener in (one.get("spec") or {}).get("listeners") or []
    )}  # fmt: skip
    for one in seen.of("HTTPRoute"):
        spec = one.get("spec") or {}
        refs = [r for rule in spec.get("rules") or [] for r in rule.get("backendRefs") or []]
        for name in spec.get("hostnames") or []:
            tls = bool(_gateways(one) & secure) or not secure
            yield Host(str(name), f"HTTPRoute {one['metadata']['name']}", tls, str(refs[0]["name"]) if refs else "")


def _gateways(route: Object) -> set[tuple[str, str]]:
    own = str(route["metadata"].get("namespace") or "")
    parents = (route.get("spec") or {}).get("parentRefs") or []
    return {(str(one.get("namespace") or own), str(one.get("name"))) for one in parents}


def _key(obj: Object) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])


def api_host(found: Sequence[Host]) -> tuple[Host, str] | None:
    """The host of the API, and why it is that one; None where there is no host."""
    if not found:
        return None
    if len(found) == 1:
        return found[0], "it is the only host"
    for host in found:
        if re.search(r"(?:^|-)api(?:$|-)", host.backend):
            return host, f"its paths lead to Service {host.backend}"
    named = next((host for host in found if re.match(r"api[.-]", host.name)), None)
    return (
        (named, "its name says so")
        if named
        else (found[0], f"the first of {len(found)}; correct it where it is another")
    )


def ingress_class(seen: Seen) -> tuple[str, str] | None:
    """The class of the Ingresses, and where it is said."""
    for one in seen.of("Ingress"):
        annotations = one["metadata"].get("annotations") or {}
        name = (one.get("spec") or {}).get("ingressClassName") or annotations.get(CLASS_ANNOTATION)
        if name:
            return str(name), f"Ingress {one['metadata']['name']}"
    default = [one for one in seen.of("IngressClass") if _is(one, DEFAULT_CLASS)]
    if default and seen.of("Ingress"):
        return str(default[0]["metadata"]["name"]), "the default IngressClass, for the Ingresses name none"
    return None


def addresses(seen: Seen) -> dict[str, tuple[str, str]]:
    """By host, the address that its Ingress or Gateway has got, and where that is said."""
    found: dict[str, tuple[str, str]] = {}
    for one in seen.of("Ingress"):
        points = ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        address = next((str(point["ip"]) for point in points if point.get("ip")), "")
        for rule in (one.get("spec") or {}).get("rules") or [] if address else []:
            found.setdefault(str(rule.get("host") or ""), (address, f"status of Ingress {one['metadata']['name']}"))
    gateways = {_key(one): one for one in seen.of("Gateway")}
    for one in seen.of("HTTPRoute"):
        for gateway in (gateways[key] for key in sorted(_gateways(one)) if key in gateways):
            points = (gateway.get("status") or {}).get("addresses") or []
            address = next((str(p["value"]) for p in points if p.get("type", "IPAddress") == "IPAddress"), "")
            for name in (one.get("spec") or {}).get("hostnames") or [] if address else []:
                found.setdefault(str(name), (address, f"status of Gateway {'/'.join(_key(gateway))}"))
    return found


@dataclass(frozen=True, slots=True)
class System:
    """A system that watches, by its Service."""

    kind: str
    url: str
    where: str


def monitoring(seen: Seen) -> list[System]:
    """The Services that are called, or labelled, as a monitoring system, and serve its port."""
    found = []
    for kind, (called, ports) in _SYSTEMS.items():
        for one in seen.of("Service"):
            namespace, name = _key(one)
            labels = one["metadata"].get("labels") or {}
            if not any(called.fullmatch(str(text)) for text in (name, *(labels.get(label, "") for label in _LABELS))):
                continue
            served = [int(port["port"]) for port in (one.get("spec") or {}).get("ports") or []]
            port = next((port for port in ports if port in served), None)
            if port:
                found.append(System(kind, f"http://{name}.{namespace}.svc:{port}", f"Service {namespace}/{name}"))
    return found


def servers(seen: Seen, port: str) -> list[tuple[str, str]]:
    """The Services that serve a port by number: address, and the Service."""
    found = []
    for one in seen.of("Service"):
        namespace, name = _key(one)
        if any(str(item.get("port")) == port for item in (one.get("spec") or {}).get("ports") or []):
            found.append((f"{name}.{namespace}.svc:{port}", f"Service {namespace}/{name}"))
    return found


def storage_classes(seen: Seen) -> list[tuple[str, str]]:
    """Classes in use by claims, then the default one; each with where that is said."""
    claims = {
        str((one.get("spec") or {}).get("storageClassName")): f"PersistentVolumeClaim {one['metadata']['name']}"
        for one in seen.of("PersistentVolumeClaim")
        if (one.get("spec") or {}).get("storageClassName")
    }
    default = {
        str(one["metadata"]["name"]): "StorageClass, the default one"
        for one in seen.of("StorageClass")
        if _is(one, DEFAULT_STORAGE)
    }
    return list({**default, **claims}.items())


def running(seen: Seen) -> list[tuple[str, str]]:
    """What runs, in words: replicas wanted and ready, and what scales them."""
    scaled = {
        (str(ref.get("kind")), str(ref.get("name"))): one
        for one in seen.of("HorizontalPodAutoscaler")
        if (ref := (one.get("spec") or {}).get("scaleTargetRef") or {})
    }
    lines = []
    for one in seen.of("Deployment", "StatefulSet", "DaemonSet"):
        kind, name = str(one["kind"]), str(one["metadata"]["name"])
        wanted, ready = _replicas(one)
        text = f"{kind} {name}: {wanted} replicas wanted, {ready} ready"
        if autoscaler := scaled.get((kind, name)):
            spec = autoscaler.get("spec") or {}
            least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
            text += f", scaled {least} to {most} by {autoscaler['metadata']['name']}"
        lines.append((text, f"{kind} {name}"))
    return lines


def _replicas(workload: Object) -> tuple[Any, Any]:
    spec, status = workload.get("spec") or {}, workload.get("status") or {}
    if workload["kind"] == "DaemonSet":
        return status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    return spec.get("replicas", 1), status.get("readyReplicas", 0)


def _is(obj: Object, annotation: str) -> bool:
    return str((obj["metadata"].get("annotations") or {}).get(annotation)) == "true"
