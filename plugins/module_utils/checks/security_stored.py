# Judges whether secrets stand where they belong: none in clear, every reference resolves, makers in step, encrypted.
# SPDX-FileCopyrightText: The bytebot.production authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.bytebot.production.plugins.module_utils.checks import secret_detect as detect
from ansible_collections.bytebot.production.plugins.module_utils.checks.security_facts import (
    STORED,
    WORKLOAD_KINDS,
    Object,
    SecurityFacts,
    settled,
)
from ansible_collections.bytebot.production.plugins.module_utils.checks.workload import Finding, containers
from ansible_collections.bytebot.production.plugins.module_utils.manifest import LAST_APPLIED, identity
from ansible_collections.bytebot.production.plugins.module_utils.model import SHOULD, Evidence, Verdict, failed
from ansible_collections.bytebot.production.plugins.module_utils.podspec import pod_template
from ansible_collections.bytebot.production.plugins.module_utils.secret.hide import data_of

# Annotations whose values are long and random by nature: their tools' own.
_OWN_ANNOTATIONS = ("deployment.kubernetes.io/", "checksum/", "cni.projectcalico.org/", "k8s.ovn.org/")
_REMEDY = (
    "Move each value into a Secret (or a store that makes one), refer to it by secretKeyRef or a mounted file, and "
    "make the value anew: whoever could read the object has had it."
)
_ENCRYPT = (
    "Give the API server an EncryptionConfiguration for Secrets, with a KMS provider, and write all Secrets anew."
)


def stored(facts: SecurityFacts) -> Verdict:
    """No secret stands in clear outside Secrets; each reference resolves; what makes Secrets is in step."""
    weighed = facts.weighed(STORED, [*in_clear(facts), *unresolved(facts), *_out_of_step(facts)])
    seen = Evidence(
        f"LIST of workloads, pods, ConfigMaps and Secrets in namespace {facts.namespace}; helm's record",
        {
            **weighed.evidence(),
            "objects": len(facts.described) + len(facts.config_maps) + len(facts.others) + len(facts.running),
            "forms_known": [name for name, _pattern in detect.FORMS],
            "secrets_referenced": sorted(facts.references),
            "secrets_not_readable": dict(facts.unread_secrets),
            "managers_not_seen": dict(facts.unread_managers),
            "release": f"{facts.release.name} revision {facts.release.revision}" if facts.release else "none",
            "release_problem": facts.release_problem,
            "encryption_at_rest": facts.encryption or "not known",
            "encryption_told_by": facts.encryption_seen,
        },
        facts.observed_at,
    )
    verdict = settled(
        weighed,
        holds=f"No value that looks like a secret stands in clear, and {_resolved(facts)}; encryption at rest: "
        f"{facts.encryption or f'not known ({facts.encryption_seen})'}.",
        remedy=_REMEDY,
        unseen=_unseen(facts),
        seen=seen,
    )
    if verdict.state != "pass":
        return verdict
    advice = [str(one) for one in rendered_secrets(facts)]
    if facts.encryption == "off":
        return failed("Secrets are written to etcd in clear: " + facts.encryption_seen, _ENCRYPT, seen, level=SHOULD)
    if advice:
        remedy = "Make that Secret outside the chart, and let the chart refer to it by name."
        return failed(f"{advice[0]}.", remedy, seen, level=SHOULD, weaker=verdict.weaker)
    return verdict


def _resolved(facts: SecurityFacts) -> str:
    count = len(facts.references)
    return f"all {count} Secrets that workloads name are there" if count else "no workload names a Secret"


def _unseen(facts: SecurityFacts) -> str:
    if refused := facts.refused(*WORKLOAD_KINDS, "ConfigMap", "ServiceAccount", "Ingress"):
        return refused
    if facts.unread_secrets:
        name, why = next(iter(facts.unread_secrets.items()))
        return f"Secret {name} could not be read: {why}"
    for kind, why in facts.unread_managers.items():
        return f"{kind} could not be read: {why}"
    if facts.release_problem:
        return f"What helm keeps of the release could not be read: {facts.release_problem}"
    return "" if facts.described or facts.running else f"Nothing runs in namespace {facts.namespace} yet."


# ---------------------------------------------------------------------------- in clear


def in_clear(facts: SecurityFacts) -> Iterator[Finding]:
    """Values outside Secrets that look like secrets, each by its place."""
    known = _names(facts)
    for one in facts.config_maps:
        yield from _of_config_map(one, known)
    every = (*facts.described, *facts.running)
    for at in containers(every, facts.namespace):
        yield from (Finding(at.where, problem) for problem in _of_container(at.container, known))
    for one in (*every, *facts.others, *facts.config_maps, *facts.accounts):
        yield from _of_annotations(one, known)
    if facts.release:
        yield from _of_release(facts, known)


def _names(facts: SecurityFacts) -> frozenset[str]:
    """Names of Secrets: a value that is one of them refers to it. Other names may well be somebody's poor password."""
    return frozenset({str(one["metadata"]["name"]) for one in facts.secrets} | set(facts.references))


def _of_config_map(one: Object, known: frozenset[str]) -> Iterator[Finding]:
    where = (
        f"ConfigMap {one['metadata']['name']} (data)"  # a name may end in "token", which a mask would take for a key
    )
    for key, value in (one.get("data") or {}).items():
        for place, why in detect.in_text(str(key), str(value), known):
            yield Finding(where, f"key {place} {why}")
    for key, value in (one.get("binaryData") or {}).items():
        if why := detect.form(b64decode(str(value)).decode("utf-8", "replace")):
            yield Finding(where, f"key {key} looks like {why}")


def _of_container(container: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    for variable in container.get("env") or []:
        name, value = str(variable.get("name")), variable.get("value")
        if value and (why := next((why for _place, why in detect.in_text(name, str(value), known)), "")):
            yield f"variable {name} {why}"
    words = [str(word) for word in (*(container.get("command") or []), *(container.get("args") or []))]
    yield from (f"{place} of its command {why}" for place, why in detect.in_words(words, known))
    for group in ("livenessProbe", "readinessProbe", "startupProbe"):
        for header in ((container.get(group) or {}).get("httpGet") or {}).get("httpHeaders") or []:
            if why := detect.suspect(str(header.get("name")), str(header.get("value")), known):
                yield f"header {header.get('name')} of its {group} {why}"


def _of_annotations(obj: Object, known: frozenset[str]) -> Iterator[Finding]:
    kind, name = obj.get("kind", "?"), (obj.get("metadata") or {}).get("name")
    template = (pod_template(obj) or {}).get("metadata") or {}
    told = {**(template.get("annotations") or {}), **((obj.get("metadata") or {}).get("annotations") or {})}
    for key, value in told.items():
        if key == LAST_APPLIED or key.startswith(_OWN_ANNOTATIONS):
            continue  # the first repeats the object, which is looked at itself
        for _place, why in detect.in_text(key.rpartition("/")[2], str(value), known):
            yield Finding(f"{kind} {name} (annotations)", f"annotation {key} {why}")


def _of_release(facts: SecurityFacts, known: frozenset[str]) -> Iterator[Finding]:
    release = facts.release
    if release is None:
        return
    where = f"Release {release.name} (values)"
    for path, value in _leaves(release.values, ()):
        for _place, why in detect.in_text(path[-1] if path else "", value, known):
            yield Finding(where, f"value {'.'.join(path)} {why}")
            break
    live = {identity(one, facts.namespace) for one in (*facts.described, *facts.config_maps)}
    for obj in release.objects:
        if obj.get("kind") == "Secret" or identity(obj, facts.namespace) in live:
            continue  # what is live has been looked at
        if obj.get("kind") == "ConfigMap":
            yield from _of_config_map(obj, known)
        for at in containers([obj], facts.namespace):
            yield from (Finding(at.where, problem) for problem in _of_container(at.container, known))


def rendered_secrets(facts: SecurityFacts) -> Iterator[Finding]:
    """Secrets that the chart itself renders with their values: helm's record of each revision repeats them."""
    for obj in facts.release.objects if facts.release else ():
        if obj.get("kind") == "Secret" and any(data_of(obj).values()):
            name = (obj.get("metadata") or {}).get("name")
            yield Finding(f"Secret {name}", "the chart renders its values, so each of helm's revisions repeats them")


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if isinstance(inner, Mapping) and {"name", "value"} <= inner.keys():  # a variable of a container
                yield (*path, str(inner["name"])), str(inner["value"])
            else:
                yield from _leaves(inner, (*path[:-1], f"{path[-1]}[{index}]") if path else (str(index),))
    elif isinstance(value, str):
        yield path, value


# ---------------------------------------------------------------------------- references and makers


def unresolved(facts: SecurityFacts) -> Iterator[Finding]:
    """References to Secrets, or keys of them, that are not there."""
    keys = {one["metadata"]["name"]: set(one.get("data") or {}) for one in facts.secrets}
    for name, needed in facts.references.items():
        for key, where in needed:
            if name in facts.absent:
                yield Finding(where, f"it needs Secret {name}, which is not there")
            elif key and name in keys and key not in keys[name]:
                yield Finding(where, f"it needs key {key} of Secret {name}, which has no such key")


def _out_of_step(facts: SecurityFacts) -> Iterator[Finding]:
    for secret, makers in sorted(facts.managers.items()):
        for one in makers:
            if one.problem:
                yield Finding(f"{one.kind} {one.name}", f"it makes Secret {secret} and is not in step, {one.problem}")


def needs(objects: Iterable[Object], namespace: str) -> dict[str, tuple[tuple[str, str], ...]]:
    """By Secret, which keys workloads need of it and where; an empty key stands for the Secret as a whole."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for at in containers(objects, namespace):
        for variable in at.container.get("env") or []:
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            _note(found, reference, "name", str(reference.get("key") or ""), at.where)
        for source in at.container.get("envFrom") or []:
            _note(found, source.get("secretRef") or {}, "name", "", at.where)
        for volume in at.pod.get("volumes") or []:
            pod_wide = at.where.partition(" container ")[0]
            sources = [(volume.get("secret") or {}, "secretName")]
            sources += [
                (one.get("secret") or {}, "name") for one in (volume.get("projected") or {}).get("sources") or []
            ]
            for reference, field in sources:
                for item in reference.get("items") or [{"key": ""}]:
                    _note(found, reference, field, str(item.get("key")), pod_wide)
    for obj in objects:
        if obj.get("kind") == "Ingress":
            for entry in (obj.get("spec") or {}).get("tls") or []:
                _note(found, entry, "secretName", "", f"Ingress {obj['metadata']['name']}")
    return {name: tuple(told) for name, told in found.items()}


def _note(
    found: dict[str, dict[tuple[str, str], None]], reference: Mapping[str, Any], field: str, key: str, where: str
) -> None:
    if (name := reference.get(field)) and not reference.get("optional"):
        found.setdefault(str(name), {})[key, where] = None
