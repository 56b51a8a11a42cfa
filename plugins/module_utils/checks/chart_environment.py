# Judges whether a rendered release is that of its environment: hosts, namespace, replicas, images, nothing of others.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_facts import ChartFacts, Wanted, some
from ansible_collections.bytebot.production.plugins.module_utils.checks.chart_values import at
from ansible_collections.bytebot.production.plugins.module_utils.checks.value_use import dotted, leaves
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import containers
from ansible_collections.bytebot.production.plugins.module_utils.manifest import identity
from ansible_collections.bytebot.production.plugins.module_utils.model import (
    Evidence,
    Verdict,
    failed,
    inconclusive,
    passed,
)
from ansible_collections.bytebot.production.plugins.module_utils.podspec import images, pod_template

Object = dict[str, Any]
MOVING = (
    "latest",
    "edge",
    "nightly",
    "dev",
    "develop",
    "main",
    "master",
    "snapshot",
)  # tags that move by their meaning
DOCUMENT_REPLICAS = 2  # so that one may be taken away; the document's own figure for the API is 3
_SCALED = ("Deployment", "StatefulSet")
_ENVIRONMENT_KEYS = ("environment", "env", "node_env", "app_env", "deployment_environment")
_WORD = re.compile(r"[a-z0-9]+")
_LONGEST = 300  # characters of a value that may be a name or an address


def environment(facts: ChartFacts) -> Verdict:
    """Hosts, namespace, replicas and images are those of this environment, and nothing points to another one."""
    wanted = facts.wanted
    named = images(facts.workloads)
    problems = [] if facts.render_error else [*_hosts(facts), *_namespaces(facts), *_replicas(facts), *_tags(named)]
    problems += [*_foreign(facts), *_same_as_others(facts)]
    pinned = sum("@sha256:" in image for image in named)
    seen = Evidence(
        f"rendered manifests and values of {facts.chart}",
        {
            "environment": wanted.environment,
            "hosts": {"wanted": list(wanted.hosts), "rendered": sorted(_ingress_hosts(facts.objects))},
            "namespace": facts.namespace,
            "images": named,
            "pinned_by_digest": pinned,
            "minimum_replicas": wanted.minimum_replicas,
            "single_replica": sorted(wanted.single_replica),
            "compared_with": sorted(wanted.others),
            "problems": problems,
        },
    )
    weaker = (
        (f"{wanted.minimum_replicas} replicas wanted, at least {DOCUMENT_REPLICAS} by the document",)
        if wanted.minimum_replicas < DOCUMENT_REPLICAS
        else ()
    )
    if problems:
        return failed(
            f"{some(problems)}.", f"Give the values of {wanted.environment} for what is named.", seen, weaker=weaker
        )
    if facts.render_error or not facts.objects:
        return inconclusive(
            f"Nothing to judge: {facts.render_error or 'the chart renders no object'}.",
            "Mend the rendering first.",
            seen,
        )
    others = f", and it differs from {', '.join(sorted(wanted.others))}" if wanted.others else ""
    return passed(
        f"Hosts, namespace, replicas and {len(named)} images ({pinned} pinned by digest) are those of "
        f"{wanted.environment}; nothing points to another environment{others}.",
        seen,
        weaker=weaker,
    )


# ---------------------------------------------------------------------------- hosts, namespace, replicas, images


def _hosts(facts: ChartFacts) -> Iterator[str]:
    rendered, wanted = _ingress_hosts(facts.objects), set(facts.wanted.hosts)
    if not wanted or not rendered:
        return  # a chart without Ingress is deployment.execution.ingress's matter
    for host in sorted(wanted - rendered):
        yield f"no Ingress serves the host {host}"
    for host in sorted(rendered - wanted):
        yield f"an Ingress serves the host {host or '(any)'}, which is none of this environment"


def _ingress_hosts(objects: Iterable[Object]) -> set[str]:
    found: set[str] = set()
    for obj in objects:
        spec = obj.get("spec") or {}
        if obj["kind"] == "Ingress":
            found |= {str(rule.get("host") or "") for rule in spec.get("rules") or []}
            found |= {str(host) for entry in spec.get("tls") or [] for host in entry.get("hosts") or []}
        elif obj["kind"] == "Route" and spec.get("host"):
            found.add(str(spec["host"]))
    return found


def _namespaces(facts: ChartFacts) -> Iterator[str]:
    for obj in facts.workloads:
        told = (obj.get("metadata") or {}).get("namespace")
        if told and told != facts.namespace:
            yield f"{identity(obj)} goes to another namespace than {facts.namespace}"


def _replicas(facts: ChartFacts) -> Iterator[str]:
    floors = {
        (str(target.get("kind")), str(target.get("name"))): int((obj.get("spec") or {}).get("minReplicas") or 1)
        for obj in facts.objects
        if obj["kind"] == "HorizontalPodAutoscaler"
        for target in [(obj.get("spec") or {}).get("scaleTargetRef") or {}]
    }
    for obj in facts.objects:
        if obj["kind"] not in _SCALED or not _is_served(obj, facts.objects):
            continue
        told = (obj.get("spec") or {}).get("replicas")
        count = floors.get((obj["kind"], obj["metadata"]["name"]), 1 if told is None else int(told))
        single = obj["metadata"]["name"] in facts.wanted.single_replica
        least = min(1, facts.wanted.minimum_replicas) if single else facts.wanted.minimum_replicas
        if count < least:
            yield (
                f"{obj['kind']} {obj['metadata']['name']} has {count} replica{'s' if count != 1 else ''}, "
                f"at least {least} {'is' if least == 1 else 'are'} wanted"
            )


def _is_served(workload: Object, objects: Iterable[Object]) -> bool:
    """Whether a Service of the release leads to a workload's pods."""
    labels = ((pod_template(workload) or {}).get("metadata") or {}).get("labels") or {}
    selectors = [(obj.get("spec") or {}).get("selector") or {} for obj in objects if obj["kind"] == "Service"]
    return any(selector and selector.items() <= labels.items() for selector in selectors)


def _tags(named: Iterable[str]) -> Iterator[str]:
    for image in named:
        if "@" in image:
            continue
        _repository, colon, tag = image.rpartition("/")[2].partition(":")
        if not colon:
            yield f"image {image} has neither tag nor digest, which means latest"
        elif set(_WORD.findall(tag.lower())) & set(MOVING):
            yield f"image {image} has a tag that moves"


# ---------------------------------------------------------------------------- other environments


def _foreign(facts: ChartFacts) -> Iterator[str]:
    """Values, variables and settings that name another environment."""
    words = set(facts.wanted.foreign) - set(_WORD.findall(facts.wanted.environment.lower()))
    own = _own_domains(facts.wanted)
    told: set[str] = set()
    for where, key, text in _settings(facts):
        if key.lower() in _ENVIRONMENT_KEYS and text.lower() != facts.wanted.environment.lower():
            yield f"{where} is {text}, not {facts.wanted.environment}"
            continue
        if found := sorted(words & set(_WORD.findall(_without(text, own).lower()))):
            if text not in told:
                yield f"{where} points to {found[0]} ({text})"
            told.add(text)


def _settings(facts: ChartFacts) -> Iterator[tuple[str, str, str]]:
    """Where, key and text of every setting that may be a name or an address."""
    for path, value in leaves(facts.value_facts.merged):
        for text in value if isinstance(value, list) else [value]:
            if _may_point(text):
                yield dotted(path), path[-1], text
    for container in containers(facts.workloads, facts.namespace):
        for variable in container.container.get("env") or []:
            if _may_point(variable.get("value")):
                yield f"variable {variable['name']} of {container.where}", str(variable["name"]), variable["value"]
    for obj in facts.objects:
        if obj["kind"] == "ConfigMap":
            for key, text in (obj.get("data") or {}).items():
                if _may_point(text):
                    yield f"{key} of {identity(obj, facts.namespace)}", str(key), text


def _may_point(text: Any) -> bool:
    """Whether a text may be a name or an address: one word of one line, and no path of a file."""
    return (
        isinstance(text, str)
        and 0 < len(text) <= _LONGEST
        and not re.search(r"\s", text.strip())
        and not text.startswith("/")
    )


def _own_domains(wanted: Wanted) -> list[str]:
    """The environment's hosts and the domains that they are in, the longest first."""
    parents = {host.partition(".")[2] for host in wanted.hosts if host.count(".") > 1 or host.endswith(".test")}
    return sorted({*wanted.hosts, *parents} - {""}, key=len, reverse=True)


def _without(text: str, domains: Iterable[str]) -> str:
    for domain in domains:
        text = text.replace(domain, " ")
    return text


def _same_as_others(facts: ChartFacts) -> Iterator[str]:
    for name, other in facts.wanted.others.items():
        for path in facts.wanted.must_differ:
            here, there = at(facts.value_facts.merged, path), at(other, path)
            if here is not None and here == there:
                yield f"{path} is the same as in {name}"
