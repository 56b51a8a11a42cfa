# Judges Ingresses: class, hosts, TLS, backends, admission, and paths that another Ingress takes away.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_controllers import (
    holds_certificate,
    is_canary,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_dns import DnsSeen, judge_dns
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_entry import (
    EntrySeen,
    judge_certificate,
    judge_load_balancer,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_health import HealthSeen, judge_health
from ansible_collections.bytebot.production.plugins.module_utils.checks.ingress_routes import (
    Route,
    class_of,
    name_of,
    place_of,
    routes_of,
    rules_of,
)
from ansible_collections.bytebot.production.plugins.module_utils.clients.tls import Certificate
from ansible_collections.bytebot.production.plugins.module_utils.judge import Checks
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    errored,
    failed,
    passed,
    utc_now,
)

Object = dict[str, Any]
TLS_TYPE = "kubernetes.io/tls"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of the Ingresses; an empty class stands for any that exists."""

    hosts: tuple[str, ...]
    tls: bool = True
    ingress_class: str = ""


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """A Secret that an Ingress names, without its key."""

    type: str
    certificate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class IngressFacts:
    """What the cluster says.

    :param ours: the Ingresses to judge; ``others`` are all the rest that could be listed.
    :param everywhere: whether the Ingresses of all namespaces could be listed.
    :param classes: controllers by class; None where classes may not be listed.
    :param services: the namespace's Services by name; ``ready`` counts their ready endpoints.
    :param secrets: the named Secrets; None where one does not exist.
    :param unreadable: Secrets that may not be read.
    :param dns: what the hosts lead to; :param health: what answers at the health route; :param entry: what answers at
        the published address. None where it was not asked.
    """

    wanted: Wanted
    namespace: str
    selector: str = ""
    ours: tuple[Object, ...] = ()
    others: tuple[Object, ...] = ()
    everywhere: bool = True
    classes: Mapping[str, str] | None = field(default_factory=dict)
    services: Mapping[str, Object] = field(default_factory=dict)
    ready: Mapping[str, int] = field(default_factory=dict)
    secrets: Mapping[str, TlsSecret | None] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    dns: DnsSeen | None = None
    health: HealthSeen | None = None
    entry: EntrySeen | None = None
    at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one object. ``passing`` may cure itself within seconds."""

    what: str
    remedy: str
    passing: bool = False


CHECKS: Checks[IngressFacts] = Checks()


@CHECKS.settles("deployment.execution.ingress")
def ingress(facts: IngressFacts) -> Verdict:
    """Each host is published with TLS by an Ingress of a class that exists, and leads to Services and ports that exist;
    no other Ingress takes its paths.
    """
    found, evidence = faults(facts), _seen(facts)
    if found:
        remedies = " ".join(dict.fromkeys(fault.remedy for fault in found))
        return failed(" ".join(fault.what for fault in found), remedies, evidence)
    hidden = [f"Secret {facts.namespace}/{name}" for name in facts.unreadable]
    hidden += ["IngressClasses"] if facts.classes is None else []
    hidden += [] if facts.everywhere else ["the Ingresses of other namespaces"]  # one of them may take these paths
    if hidden:
        what = f"Not permitted to read {', '.join(hidden)}; what could be read is right."
        return errored(what, "Grant get and list on them to this account.", evidence)
    return passed(_good(facts), evidence)


@CHECKS.settles("infrastructure.ingress.load_balancer")
def load_balancer(facts: IngressFacts) -> Verdict:
    """An address is published, and answers for each host."""
    return judge_load_balancer(facts.entry or EntrySeen(unasked="nobody was asked"), published(facts), facts.at)


@CHECKS.settles("infrastructure.ingress.certificate")
def certificate(facts: IngressFacts) -> Verdict:
    """Each host shows a certificate that verifies and lasts, with TLS 1.2 and newer alone."""
    return judge_certificate(facts.entry or EntrySeen(unasked="nobody was asked"), published(facts), facts.at)


@CHECKS.settles("infrastructure.ingress.dns")
def dns(facts: IngressFacts) -> Verdict:
    """Each host leads to the published address, from inside the cluster and from outside."""
    nobody = "nobody was asked"
    seen = facts.dns or DnsSeen(unseen={"inside": nobody, "outside": nobody})
    return judge_dns(seen, facts.wanted.hosts, published(facts), facts.at)


@CHECKS.settles("infrastructure.ingress.health_endpoint")
def health_endpoint(facts: IngressFacts) -> Verdict:
    """The health route answers by the public path, and a backend that is not ready is out of rotation."""
    return judge_health(facts.health or HealthSeen("", unasked="nothing says where it is"), facts.at)


def published(facts: IngressFacts) -> set[str]:
    """The addresses, or names, that controllers have published for the Ingresses."""
    return _addresses(facts.ours)


def backend_names(facts: IngressFacts) -> set[str]:
    """The Services behind the Ingresses."""
    return {route.service for route in routes_of(facts.ours)} - {""}


def faults(facts: IngressFacts) -> list[Fault]:
    """All that is wrong, the plainest cause first."""
    if not facts.ours:
        asked = f" with labels {facts.selector}" if facts.selector else ""
        what = f"There is no Ingress in namespace {facts.namespace}{asked}."
        return [Fault(what, "Turn the chart's ingress on, or correct namespace and selector.")]
    return [
        *_class_faults(facts),
        *_host_faults(facts),
        *_backend_faults(facts),
        *_secret_faults(facts),
        *_shadow_faults(facts),
        *_admission_faults(facts),
    ]


def secret_names(ours: Iterable[Mapping[str, Any]]) -> list[str]:
    """The TLS Secrets that Ingresses name, each once."""
    return sorted({str(entry["secretName"]) for one in ours for entry in _tls(one) if entry.get("secretName")})


# ---------------------------------------------------------------------- one kind of fault each


def _class_faults(facts: IngressFacts) -> Iterator[Fault]:
    known = ", ".join(sorted(facts.classes or {})) or "none"
    for one in facts.ours:
        name, wanted = class_of(one), facts.wanted.ingress_class
        # A controller that reads the annotation, or takes what names none, needs no IngressClass: it has taken it.
        taken = bool(_addresses([one])) and not (one.get("spec") or {}).get("ingressClassName")
        if not name and (wanted or not taken):
            what = f"{name_of(one)} names no class, so no controller need take it."
            yield Fault(what, f"Set spec.ingressClassName (the cluster has: {known}).")
        elif facts.classes is not None and name not in facts.classes and not taken:
            what = f"{name_of(one)} names the class {name}, which does not exist."
            yield Fault(what, f"Use one that the cluster has ({known}), or install its controller.")
        elif wanted and name != wanted:
            yield Fault(
                f"{name_of(one)} has class {name}, and {wanted} is wanted.", f"Set ingressClassName to {wanted}."
            )


def _host_faults(facts: IngressFacts) -> Iterator[Fault]:
    for host in facts.wanted.hosts:
        publishing = [
            one for one in facts.ours if any(_covers(str(rule.get("host") or ""), host) for rule in rules_of(one))
        ]
        if not publishing:
            have = ", ".join(sorted({route.host or "any host" for route in routes_of(facts.ours)})) or "no host"
            yield Fault(
                f"No Ingress in namespace {facts.namespace} has a rule for {host} (they have: {have}).",
                f"Add {host} to the chart's ingress hosts.",
            )
        elif facts.wanted.tls and not any(_secured(one, host) or holds_certificate(one) for one in publishing):
            what = f"{name_of(publishing[0])} publishes {host} without a TLS Secret of its own."
            yield Fault(what, f"Add a tls entry with {host} and its secretName.")


def _backend_faults(facts: IngressFacts) -> Iterator[Fault]:
    seen: set[tuple[str, str, str]] = set()
    for route in routes_of(facts.ours):
        key = (route.ingress, route.service, route.port)
        if not route.service or key in seen:  # a backend that is no Service belongs to the controller's own API
            continue
        seen.add(key)
        where = f"{route.ingress}, {route.host or 'any host'}{route.path}"
        service = facts.services.get(route.service)
        if service is None:
            what = f"{where} leads to Service {route.service}, which does not exist in {facts.namespace}."
            yield Fault(what, f"Correct the backend, or deploy Service {route.service}.")
        elif route.port not in _ports(service) and (service.get("spec") or {}).get("type") != "ExternalName":
            has = ", ".join(sorted(_ports(service))) or "none"
            what = f"{where} leads to port {route.port} of Service {route.service}, which has {has}."
            yield Fault(what, "Correct the backend's port, by number or name.")


def _secret_faults(facts: IngressFacts) -> Iterator[Fault]:
    for one in facts.ours:
        for name in secret_names([one]):
            secret = facts.secrets.get(name)
            if secret is None and name not in facts.unreadable:
                what = f"{name_of(one)} names the TLS Secret {name}, which does not exist in {facts.namespace}."
                yield Fault(what, f"Create Secret {name}; until then the controller shows its own certificate.")
            elif secret is not None and secret.type != TLS_TYPE:
                what = f"{name_of(one)} names the TLS Secret {name}, which is of type {secret.type} and not {TLS_TYPE}."
                yield Fault(what, f"Delete Secret {name} and create it with type {TLS_TYPE}, keys tls.crt and tls.key.")


def _shadow_faults(facts: IngressFacts) -> Iterator[Fault]:
    canaries = [one for one in (*facts.ours, *facts.others) if is_canary(one) and place_of(one) == facts.namespace]
    ours, others = (routes_of([one for one in side if one not in canaries]) for side in (facts.ours, facts.others))
    for position, route in enumerate(ours):
        for other in [one for one in ours[position + 1 :] if route.same_as(one)]:
            yield _twice(route, other)
        for other in [one for one in others if _one_controller(route, one) and route.loses_to(one)]:
            yield _twice(route, other)


def _twice(route: Route, other: Route) -> Fault:
    at = f"{route.host or 'any host'}{route.path}"
    if route.same_as(other):
        what = f"{at} is claimed twice, by {route.ingress} and by {other.ingress}."
    else:
        what = f"{other.ingress} takes {other.host or 'any host'}{other.path} away from {route.ingress} ({at})."
    return Fault(what, f"Remove the path from {other.ingress}, or give it a host of its own.")


def _admission_faults(facts: IngressFacts) -> Iterator[Fault]:
    for one in facts.ours:
        if not _addresses([one]):
            what = f"{name_of(one)} has no address in its status, so no controller has taken it (or published it)."
            remedy = "Check the controller's pods and log, its class, and the address of its own Service."
            yield Fault(what, remedy, passing=True)


# ---------------------------------------------------------------------- reading Ingresses


def _tls(one: Mapping[str, Any]) -> list[Object]:
    return list((one.get("spec") or {}).get("tls") or [])


def _secured(one: Mapping[str, Any], host: str) -> bool:
    """Whether a tls entry with a Secret covers the host; an entry without hosts covers all."""
    entries = [entry for entry in _tls(one) if entry.get("secretName")]
    return any(not entry.get("hosts") or any(_covers(str(name), host) for name in entry["hosts"]) for entry in entries)


def _covers(rule: str, host: str) -> bool:
    """Whether a rule's host is the host, by name or by a wildcard for its first label (Kubernetes docs, Ingress)."""
    rule, host = rule.lower(), host.lower()
    return rule == host or (rule.startswith("*.") and host.partition(".")[2] == rule[2:])


def _one_controller(route: Route, other: Route) -> bool:
    """Whether one controller may serve both; one without a class may be anybody's."""
    return not route.ingress_class or not other.ingress_class or route.ingress_class == other.ingress_class


def _ports(service: Mapping[str, Any]) -> set[str]:
    ports = (service.get("spec") or {}).get("ports") or []
    return {str(port[key]) for port in ports for key in ("port", "name") if port.get(key)}


def _addresses(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    points = [
        point
        for one in objects
        for point in ((one.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    ]  # fmt: skip
    return {
        str(point.get("ip") or point.get("hostname")) for point in points if point.get("ip") or point.get("hostname")
    }


# ---------------------------------------------------------------------- words


def _good(facts: IngressFacts) -> str:
    names = ", ".join(name_of(one) for one in facts.ours)
    classes = ", ".join(sorted({class_of(one) or "not named" for one in facts.ours}))
    where = ", ".join(sorted(_addresses(facts.ours)))
    secured = "with TLS" if facts.wanted.tls else "(TLS not asked for)"
    return (
        f"{', '.join(facts.wanted.hosts)}: published {secured} at {where} by {names} (class {classes}); "
        f"the backends of {_count(len(routes_of(facts.ours)), 'path')} exist, and no other Ingress takes a path away."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _seen(facts: IngressFacts) -> Evidence:
    routes = routes_of(facts.ours)
    observed = {
        "ingresses": [
            {"name": name_of(one), "class": class_of(one), "addresses": sorted(_addresses([one])), "tls": _tls(one)}
            for one in facts.ours
        ],
        "routes": [asdict(route) for route in routes],
        "ready_endpoints": {
            name: facts.ready.get(name, 0) for name in sorted({route.service for route in routes} - {""})
        },
        "classes": "not permitted" if facts.classes is None else dict(facts.classes),
        "secrets": {name: _secret_words(facts, name) for name in secret_names(facts.ours)},
        "compared_with": [name_of(one) for one in facts.others],
        "all_namespaces": facts.everywhere,
    }
    asked = f" -l {facts.selector}" if facts.selector else ""
    return Evidence(f"Ingresses{asked} in namespace {facts.namespace}, and what they name", observed, facts.at)


def _secret_words(facts: IngressFacts, name: str) -> Any:
    if name in facts.unreadable:
        return "not permitted"
    secret = facts.secrets.get(name)
    return "not there" if secret is None else asdict(secret)
